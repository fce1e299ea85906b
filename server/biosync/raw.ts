import { createHash } from 'node:crypto';
import type { Knex } from 'knex';

/** JSON with sorted keys: the same content has the same text, whatever order its sender chose. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value)
    .filter(([, v]) => v !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${canonicalJson(v)}`).join(',')}}`;
}

export const digest = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex');

/** Stores pulled payloads, each content once per device; a repeat counts and is normalised again with its new time (B3.4 step 6). */
export async function storeRaw(
  db: Knex,
  o: { newId: () => string; userId: string; deviceId: string; provider: string; key: string; now: number; payloads: readonly object[] },
): Promise<string[]> {
  const rows = new Map(o.payloads.map((payload) => [digest(canonicalJson(payload)), payload]));
  if (rows.size === 0) return [];
  const now = new Date(o.now);
  const result = (await db.raw(
    `with item as (select * from jsonb_to_recordset(?::jsonb) as r(id uuid, sha text, payload jsonb)),
       put as (insert into metrics_raw as t (id, user_id, device_id, provider, kind, payload, payload_sha256, received_at, last_received_at, delivery_key)
         select i.id, ?, ?, ?, 'pull', i.payload, i.sha, ?, ?, ? from item i order by i.sha
         on conflict (device_id, payload_sha256) do update set times_received = t.times_received + 1, last_received_at = excluded.last_received_at,
            normalised_at = null, delivery_key = excluded.delivery_key
          where t.delivery_key <> excluded.delivery_key returning id)
     select id from put union select m.id from metrics_raw m join item i on m.device_id = ? and m.payload_sha256 = i.sha`,
    [
      JSON.stringify([...rows].map(([sha, payload]) => ({ id: o.newId(), sha, payload }))),
      o.userId,
      o.deviceId,
      o.provider,
      now,
      now,
      o.key,
      o.deviceId,
    ],
  )) as { rows: { id: string }[] };
  return result.rows.map((r) => r.id);
}
