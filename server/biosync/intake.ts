/**
 * The one intake of incoming webhooks (B3.4): verify over the raw bytes, write receipt, delivery and payload in one statement, hand it to the
 * device actors. A repeat of a delivery changes nothing; every request leaves a line in `webhook_receipts`.
 */
import type { Knex } from 'knex';
import type { Counter, Registry } from 'prom-client';
import { Counter as PromCounter } from 'prom-client';
import { unstorable } from '../../actors/columns.ts';
import type { ActorSystem } from '../../actors/system.ts';
import type { Clock, Log, Principal } from '../../actors/types.ts';
import { invalid, Problem } from '../problems.ts';
import type { Parsed, ParsedDelivery, Provider, Providers } from './provider.ts';
import { canonicalJson, digest } from './raw.ts';

export interface IntakeDeps {
  readonly knex: Knex;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly log: Log;
  readonly registry: Registry;
  readonly providers: Providers;
  readonly actors: () => ActorSystem;
}

export interface IntakeAnswer {
  readonly received: true;
  readonly duplicate?: true;
  readonly ignored?: true;
}

export interface Intake {
  receive(provider: string, body: Buffer, header: (name: string) => string | undefined): Promise<IntakeAnswer>;
  /** Deliveries that came for an account before anyone had connected it (A19). */
  adopt(o: { provider: string; providerUserId: string; userId: string; deviceId: string }): Promise<void>;
  /** Sends the commands again of payloads that a crash left behind. Gives their number. */
  sweep(olderThanMs: number): Promise<number>;
}

const principal = (provider: string): Principal => ({ kind: 'webhook', id: provider, roles: [] });
const ORPHAN_MS = 7 * 86_400_000;
/** receipts of forged deliveries that are written per provider and minute; the counter goes on */
const FORGED_PER_MINUTE = 10;

/** A delivery that the database could not store would come again and again. JSON writes what is not storable as an escape. */
function orMalformed(parsed: Parsed, body: Buffer): Parsed {
  if (!parsed.ok || !body.includes('\\u') || !parsed.deliveries.some((d) => unstorable(JSON.stringify(d)))) return parsed;
  return { ok: false, reason: 'malformed', issues: [{ path: '', message: 'text holds U+0000 or half of a surrogate pair' }] };
}

interface Stored {
  readonly fresh: boolean;
  readonly raws: readonly { id: string; device_id: string; times: number }[] | null;
  readonly devices: readonly { id: string }[] | null;
}

export function createIntake({ knex, clock, newId, log, registry, providers, actors }: IntakeDeps): Intake {
  const events: Counter<'provider' | 'outcome'> = new PromCounter({
    name: 'thrum_webhook_events_total',
    help: 'Deliveries by provider and outcome',
    labelNames: ['provider', 'outcome'],
    registers: [registry],
  });
  const slots: Counter<'provider' | 'slot'> = new PromCounter({
    name: 'thrum_webhook_signature_slot_total',
    help: 'Deliveries by the secret that signed them; an old one can go when its count stays',
    labelNames: ['provider', 'slot'],
    registers: [registry],
  });
  const forged = new Map<string, { minute: number; n: number }>();

  async function receipt(provider: string, verdict: string, status: number, body: Buffer, ageS?: number): Promise<void> {
    events.inc({ provider, outcome: verdict });
    const minute = Math.floor(clock.wall() / 60_000);
    const seen = forged.get(provider);
    const n = seen?.minute === minute ? seen.n + 1 : 1;
    forged.set(provider, { minute, n });
    if (n > FORGED_PER_MINUTE) return;
    await knex.raw(
      `insert into webhook_receipts (id, provider, received_at, verdict, http_status, body_bytes, age_s) values (?, ?, ?, ?, ?, ?, ?)`,
      [newId(), provider, new Date(clock.wall()), verdict, status, body.length, ageS ?? null],
    );
  }

  /** Receipt, delivery key, payloads per device and orphans, in one statement. */
  async function store(
    provider: Provider,
    key: string,
    body: Buffer,
    items: readonly ParsedDelivery[],
    ageS: number,
    slot: number,
  ): Promise<Stored> {
    const now = new Date(clock.wall());
    const rows = items.map((d) => ({ account: d.providerUserId, kind: d.kind, payload: d.payload, sha: digest(canonicalJson(d.payload)) }));
    const result = (await knex.raw(
      `with item as (select * from jsonb_to_recordset(?::jsonb) as r(account text, kind text, payload jsonb, sha text)),
        delivery as (insert into webhook_deliveries (provider, delivery_key, received_at) values (?, ?, ?) on conflict do nothing returning 1),
        fresh as (select count(*) > 0 as yes from delivery),
        owner as (select i.*, d.id as device_id, d.user_id from item i join devices d on d.provider = ? and d.provider_user_id = i.account
                   where d.state <> 'disconnected'),
        raw as (insert into metrics_raw as t (id, user_id, device_id, provider, kind, payload, payload_sha256, received_at, last_received_at, delivery_key)
                select gen_random_uuid(), o.user_id, o.device_id, ?, o.kind, o.payload, o.sha, ?, ?, ? from owner o, fresh f where f.yes and o.kind = 'data'
                on conflict (device_id, payload_sha256) do update set times_received = t.times_received + 1,
                   last_received_at = greatest(t.last_received_at, excluded.last_received_at), normalised_at = null, delivery_key = excluded.delivery_key
                returning id, device_id, times_received),
        orphan as (insert into webhook_orphans (id, provider, provider_user_id, kind, payload, payload_sha256, delivery_key, received_at, expires_at)
                select gen_random_uuid(), ?, i.account, i.kind, i.payload, i.sha, ?, ?, ? from item i, fresh f
                 where f.yes and i.kind = 'data' and not exists (select 1 from devices d where d.provider = ? and d.provider_user_id = i.account) returning 1),
        receipt as (insert into webhook_receipts (id, provider, event_id, received_at, verdict, http_status, body_bytes, body_sha256, age_s, secret_slot)
                select ?, ?, ?, ?, case when f.yes then 'accepted' else 'duplicate' end, 200, ?, ?, ?, ? from fresh f returning 1)
       select f.yes as fresh, (select jsonb_agg(jsonb_build_object('id', r.id, 'device_id', r.device_id, 'times', r.times_received)) from raw r) as raws,
              (select jsonb_agg(distinct jsonb_build_object('id', o.device_id)) from owner o) as devices
         from fresh f`,
      [
        JSON.stringify(rows),
        provider.id,
        key,
        now,
        provider.id,
        provider.id,
        now,
        now,
        key,
        provider.id,
        key,
        now,
        new Date(now.getTime() + ORPHAN_MS),
        provider.id,
        newId(),
        provider.id,
        key,
        now,
        body.length,
        digest(body),
        ageS,
        slot,
      ],
    )) as { rows: Stored[] };
    return result.rows[0] ?? { fresh: false, raws: null, devices: null };
  }

  /** A fact for a device actor. A refusal in its state is counted, no more; an outage is left to the sweeper. */
  async function tell(provider: string, deviceId: string, command: { type: string; rawIds?: string[] }, key: string): Promise<void> {
    const reply = await actors().ask(`device:${deviceId}`, command, { key, from: principal(provider) });
    if (reply.ok) return;
    events.inc({ provider, outcome: 'refused' });
    log.info({ deviceId, provider, code: reply.error.code }, 'a delivery was refused by its device');
  }

  return {
    async receive(name, body, header) {
      const provider = providers.get(name);
      if (provider === undefined) throw new Problem('NOT_FOUND', 'there is no such provider');
      const verified = provider.verify({ body, header, now: clock.wall() });
      if (!verified.ok) {
        await receipt(name, verified.reason === 'stale' ? 'rejected_timestamp' : 'rejected_signature', 401, body, verified.ageS);
        throw new Problem(
          'SIGNATURE_INVALID',
          verified.reason === 'stale' ? 'the signed time is out of tolerance' : 'the signature does not verify',
        );
      }
      slots.inc({ provider: name, slot: String(verified.slot) });
      const parsed = orMalformed(provider.parse(body), body);
      if (!parsed.ok && parsed.reason === 'malformed') {
        await receipt(name, 'rejected_malformed', 400, body, verified.ageS);
        throw invalid(parsed.issues, 'the body is not what the provider sends');
      }
      const items = parsed.ok ? parsed.deliveries : [];
      const stored = await store(provider, verified.key, body, items, verified.ageS, verified.slot);
      if (!stored.fresh) {
        events.inc({ provider: name, outcome: 'duplicate' });
        return { received: true, duplicate: true };
      }
      events.inc({ provider: name, outcome: parsed.ok ? 'accepted' : 'ignored_type' });
      if (!parsed.ok) return { received: true, ignored: true };
      await hand(name, verified.key, items, stored);
      return { received: true };
    },

    async adopt({ provider, providerUserId, userId, deviceId }) {
      const now = new Date(clock.wall());
      const result = (await knex.raw(
        `with gone as (delete from webhook_orphans where provider = ? and provider_user_id = ? and expires_at > ? returning *),
           raw as (insert into metrics_raw as t (id, user_id, device_id, provider, kind, payload, payload_sha256, received_at, last_received_at, delivery_key)
             select distinct on (payload_sha256) id, ?, ?, provider, kind, payload, payload_sha256, received_at, received_at, delivery_key from gone
              order by payload_sha256, received_at desc on conflict (device_id, payload_sha256) do nothing returning id)
         select id from raw`,
        [provider, providerUserId, now, userId, deviceId],
      )) as { rows: { id: string }[] };
      for (const { id } of result.rows) await tell(provider, deviceId, { type: 'webhook.received', rawIds: [id] }, `orphan:${id}`);
    },

    async sweep(olderThanMs) {
      const result = (await knex.raw(
        `select id, device_id, provider, times_received from metrics_raw
          where (normalised_at is null or announced_at is null) and last_received_at < ? order by last_received_at limit 200`,
        [new Date(clock.wall() - olderThanMs)],
      )) as { rows: { id: string; device_id: string; provider: string; times_received: number }[] };
      for (const r of result.rows) {
        await tell(r.provider, r.device_id, { type: 'webhook.received', rawIds: [r.id] }, `sweep:${r.id}:${r.times_received}`);
      }
      return result.rows.length;
    },
  };

  async function hand(name: string, key: string, items: readonly ParsedDelivery[], stored: Stored): Promise<void> {
    const byDevice = new Map<string, string[]>();
    for (const r of stored.raws ?? []) byDevice.set(r.device_id, [...(byDevice.get(r.device_id) ?? []), r.id]);
    await Promise.all(
      [...byDevice].map(([deviceId, rawIds]) => tell(name, deviceId, { type: 'webhook.received', rawIds }, `delivery:${key}`)),
    );
    if (!items.some((i) => i.kind === 'deauthorized')) return;
    for (const { id } of stored.devices ?? []) await tell(name, id, { type: 'provider.deauthorized' }, `delivery:${key}`);
  }
}
