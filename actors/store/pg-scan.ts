import type { Registry } from '../companion.ts';
import type { Companion } from '../define.ts';
import { extract, quote } from '../statement.ts';
import type { PgLink } from './pg-link.ts';
import { erasedTables } from './lifecycle.ts';
import type {
  AuditDifference,
  RecordedRow,
  ScannedActor,
  ScannedItem,
  ScannedSnapshot,
  ScannedTimer,
  ScanStore,
  StandingRow,
} from './scan.ts';
import type { NetRow } from './store.ts';

const KERNEL_TABLES = ['thrum_snapshot', 'thrum_timer', 'thrum_outbox', 'thrum_dead'].map((table) => ({ table, column: 'actor_id' }));

const NIL = '00000000-0000-0000-0000-000000000000';

export function pgScan(link: PgLink, registry: Registry): ScanStore {
  return {
    actors: ({ kind, after = NIL, limit, erased = false }) =>
      link.query<ScannedActor>(
        'scan_actors',
        `select actor_id as "actorId", kind, id, status, last_seq as "lastSeq", last_at as "lastAt", state from thrum_actor
          where actor_id > $1::uuid and kind = coalesce($2, kind) and ($4 or status not in ('erased', 'gone')) order by actor_id limit $3`,
        [after, kind ?? null, limit, erased],
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
    timers: (actorId) =>
      link.query<ScannedTimer>('scan_timers', 'select timer_id as "timerId", due from thrum_timer where actor_id = $1', [actorId]),
    snapshot: async (actorId, from) => {
      const text = 'select seq, base, state from thrum_snapshot where actor_id = $1 and seq >= $2 order by seq limit 1';
      return (await link.query<ScannedSnapshot>('scan_snapshot', text, [actorId, from]))[0];
    },
    repeated: async (actorId) => {
      const text = `select jsonb_agg(seq order by seq) as seqs from thrum_journal where actor_id = $1 and idem is not null
        group by idem having count(*) > 1 limit 100`;
      return (await link.query<{ seqs: number[] }>('scan_repeated', text, [actorId])).map(({ seqs }) => seqs);
    },
    items: (actorId, { after = { view: '', n: 0 }, limit }) =>
      link.query<ScannedItem>(
        'scan_items',
        'select view, n, seq from thrum_topic_item where actor_id = $1 and (view, n) > ($2, $3::bigint) order by view, n limit $4',
        [actorId, after.view, after.n, limit],
      ),
    holders: async (table, { after = NIL, limit }) => {
      const events = table === 'journal' ? 'and seq > 0' : '';
      const text = `select distinct actor_id as id from thrum_${table} where actor_id > $1::uuid ${events} order by 1 limit $2`;
      return (await link.query<{ id: string }>(`scan_holders_${table}`, text, [after, limit])).map(({ id }) => id);
    },
    left: async (actorId, kind) => {
      const tables = [...KERNEL_TABLES, ...erasedTables(registry, kind)];
      const parts = tables.map(({ table, column }, i) => {
        return `select ${i} as i where exists (select from ${quote(table)} where ${quote(column)} = $1)`;
      });
      const found = await link.query<{ i: number }>(undefined, parts.join(' union all '), [actorId]);
      return found.flatMap(({ i }) => tables[i]?.table ?? []);
    },
    audit: async (name, actorId, own, rows) => {
      const c = registry.get(name);
      if (c === undefined) return [];
      const list = (given: readonly NetRow['row'][]): string =>
        listOf(
          c,
          given.map((row) => ({ op: 'put', actorId, seq: 0, n: 0, wrote: 0, row })),
        );
      return link.query<AuditDifference>(undefined, auditText(c, c.audit?.where ?? 'true', Object.keys(own)), [list(rows), list([own])]);
    },
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

/** A column of a row of the list; one that is not declared is that of the actor. */
function valueOf(c: Companion, column: string): string {
  const at = Object.keys(c.columns).indexOf(column);
  return at < 0 ? '(r->>0)::uuid' : extract(c.columns[column] ?? 'text', at + 4);
}

function auditText(c: Companion, where: string, own: readonly string[]): string {
  const mine = [...own, ...(c.stamp.actor === undefined ? [] : [c.stamp.actor])].map(
    (column) => `t.${quote(column)} = ${valueOf(c, column)}`,
  );
  const keys = c.key.map((column) => quote(column));
  const others = Object.keys(c.columns).filter((column) => !c.key.includes(column));
  const differ = others.map((column) => `w.r->3 ? '${column}' and t.${quote(column)} is distinct from w.${quote(column)}`);
  const one = keys[0] ?? '';
  return `
    with w as (select r, ${[...c.key, ...others].map((column) => `${valueOf(c, column)} as ${quote(column)}`).join(', ')} from jsonb_array_elements($1::jsonb) r),
         t as (select t.* from jsonb_array_elements($2::jsonb) r join ${quote(c.table)} t on ${mine.join(' and ') || 'true'} where (${where}))
    select case when t.${one} is null then 'missing' when w.r is null then 'extra' else 'differs' end as what,
           jsonb_build_array(${keys.map((key) => `coalesce(t.${key}, w.${key})`).join(', ')})::text as key
      from w full join t on ${keys.map((key) => `t.${key} = w.${key}`).join(' and ')}
     where w.r is null or t.${one} is null${differ.map((d) => ` or (${d})`).join('')}
     order by 2 limit 100`;
}

function differingText(c: Companion, seq: string): string {
  const columns = Object.entries(c.columns);
  const value = (column: string): string => valueOf(c, column);
  const keys = c.key.map((column) => `t.${quote(column)} = ${value(column)}`);
  const own = c.stamp.actor === undefined ? [] : [`t.${quote(c.stamp.actor)} = (r->>0)::uuid`];
  const others = columns.filter(([column]) => !c.key.includes(column) && !c.add.includes(column));
  const differ = others.map(([column]) => `r->3 ? '${column}' and t.${quote(column)} is distinct from ${value(column)}`);
  return `select (r->>1)::bigint as seq, (r->>2)::integer as n
    from jsonb_array_elements($1::jsonb) r join ${quote(c.table)} t on ${[...keys, ...own].join(' and ')} and t.${quote(seq)} = (r->>1)::bigint
   where ${['false', ...differ].join(' or ')}`;
}
