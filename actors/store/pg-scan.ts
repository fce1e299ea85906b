import type { Registry } from '../companion.ts';
import type { Companion } from '../define.ts';
import { extract, quote } from '../statement.ts';
import type { PgLink } from './pg-link.ts';
import type { RecordedRow, ScannedActor, ScanStore, StandingRow } from './scan.ts';
import type { NetRow } from './store.ts';

const NIL = '00000000-0000-0000-0000-000000000000';

export function pgScan(link: PgLink, registry: Registry): ScanStore {
  return {
    actors: ({ kind, after = NIL, limit }) =>
      link.query<ScannedActor>(
        'scan_actors',
        `select actor_id as "actorId", kind, id, status from thrum_actor
          where actor_id > $1::uuid and kind = coalesce($2, kind) and status <> 'erased' order by actor_id limit $3`,
        [after, kind ?? null, limit],
      ),
    rows: (actorId, { after, limit }) =>
      link.query<RecordedRow>(
        'scan_rows',
        `select seq, at, type, event, patch, reply, mver, meta, encode(idem, 'hex') as idem from thrum_journal
          where actor_id = $1 and seq > $2 order by seq limit $3`,
        [actorId, after, limit],
      ),
    outbox: (actorId) =>
      link.query<StandingRow>('scan_outbox', 'select seq, n, op, target, payload from thrum_outbox where actor_id = $1', [actorId]),
    differing: async (name, rows) => {
      const c = registry.get(name);
      if (c?.stamp.seq === undefined || rows.length === 0) return [];
      const found = await link.query<{ seq: number; n: number }>(undefined, differingText(c, c.stamp.seq), [listOf(c, rows)]);
      return found.map(({ seq, n }) => [seq, n]);
    },
  };
}

/** `[actor, seq, n, [names of the columns given], value, value ...]` */
function listOf(c: Companion, rows: readonly NetRow[]): string {
  const columns = Object.keys(c.columns);
  return JSON.stringify(rows.map((r) => [r.actorId, r.wrote, r.n, Object.keys(r.row), ...columns.map((column) => r.row[column] ?? null)]));
}

function differingText(c: Companion, seq: string): string {
  const columns = Object.entries(c.columns);
  const value = (column: string): string => {
    const at = columns.findIndex(([name]) => name === column);
    return at < 0 ? '(r->>0)::uuid' : extract(c.columns[column] ?? 'text', at + 4);
  };
  const keys = c.key.map((column) => `t.${quote(column)} = ${value(column)}`);
  const own = c.stamp.actor === undefined ? [] : [`t.${quote(c.stamp.actor)} = (r->>0)::uuid`];
  const others = columns.filter(([column]) => !c.key.includes(column) && !c.add.includes(column));
  const differ = others.map(([column]) => `r->3 ? '${column}' and t.${quote(column)} is distinct from ${value(column)}`);
  return `select (r->>1)::bigint as seq, (r->>2)::integer as n
    from jsonb_array_elements($1::jsonb) r join ${quote(c.table)} t on ${[...keys, ...own].join(' and ')} and t.${quote(seq)} = (r->>1)::bigint
   where ${['false', ...differ].join(' or ')}`;
}
