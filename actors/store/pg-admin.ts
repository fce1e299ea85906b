/** The part of the Postgres store that people who operate the kernel use. */
import type { AdminStore, AuditEntry, DeadLetter, Kept, OutboxEntry, Past, PauseRow, TakenCount } from './admin.ts';
import type { PgLink } from './pg-link.ts';
import type { TailRow } from './store.ts';

/** rows of one page of history; a long one is read in several */
const PAGE = 5_000;

export function createPgAdmin(reads: PgLink, chores: PgLink): AdminStore {
  return {
    audit: async ({ id, admin, action, actorId, beforeSeq, afterSeq, reason, detail }) => {
      const text = `insert into thrum_admin_audit (audit_id, admin, action, actor_id, before_seq, after_seq, reason, detail)
        values (coalesce($1::uuid, gen_random_uuid()), $2, $3, $4, $5, $6, $7, $8::jsonb) on conflict (audit_id) do nothing`;
      await chores.query('audit', text, [id ?? null, admin, action, actorId, beforeSeq, afterSeq, reason, JSON.stringify(detail)]);
    },
    audited: async (id) => (await chores.query<AuditEntry>('audited', `${AUDIT} where audit_id = $1`, [id]))[0],
    audits: ({ admin, action, actorId, before, limit }) => {
      const w = filter({ admin, action, actor_id: actorId }, before);
      return reads.query<AuditEntry>(undefined, `${AUDIT} ${w.where} order by id desc limit ${w.value(limit)}`, w.values);
    },

    past: async (actorId, seq) => {
      const head = `select seq, at, mver, state from thrum_snapshot where actor_id = $1 and seq <= $2 order by seq desc limit 1`;
      const [snapshot] = await reads.query<NonNullable<Past['snapshot']>>('past_snapshot', head, [actorId, seq]);
      const text = `select seq, at, patch, mver from thrum_journal where actor_id = $1 and seq > $2 and seq <= $3 order by seq limit ${PAGE}`;
      const rows: TailRow[] = [];
      for (let page: TailRow[] | undefined; page === undefined || page.length === PAGE; rows.push(...page)) {
        page = await reads.query<TailRow>('past_rows', text, [actorId, rows.at(-1)?.seq ?? snapshot?.seq ?? 0, seq]);
      }
      return snapshot === undefined ? { rows } : { snapshot, rows };
    },
    kept: async (actorId) => {
      const [row] = await reads.query<Kept>('kept', KEPT, [actorId]);
      return row;
    },
    outboxOf: async (actorId, limit) => {
      const text = `select actor_id as "actorId", seq, n, slot, op, target, payload::text as payload, next_at as "nextAt", attempts, state, error
        from thrum_outbox where actor_id = $1 order by seq, n limit $2`;
      return reads.query<OutboxEntry>('admin_outbox_of', text, [actorId, limit]);
    },

    deadLetters: ({ kind, actorId, open, before, limit }) => {
      const w = filter({ kind, actor_id: actorId }, before);
      if (open) w.and('resolved_at is null');
      return reads.query<DeadLetter>(undefined, `${DEAD} ${w.where} order by n desc limit ${w.value(limit)}`, w.values);
    },
    deadLetter: async (n) => (await reads.query<DeadLetter>('dead_letter', `${DEAD} where id = $1`, [n]))[0],
    vitals: async () => {
      const text = `select (select count(*) from thrum_dead where resolved_at is null) as dead, clock_timestamp() as wall`;
      const [found] = await chores.query<{ dead: number; wall: number }>('vitals', text, []);
      return { dead: found?.dead ?? 0, wall: found?.wall };
    },
    resolveDead: async (n, by, resolution) => {
      const text = `update thrum_dead set resolved_at = now(), resolved_by = $2, resolution = $3 where id = $1 and resolved_at is null returning 1`;
      return (await chores.query('resolve_dead', text, [n, by, resolution])).length > 0;
    },

    pauses: () => reads.query<PauseRow>('pauses', 'select scope, reason, admin, at from thrum_pause order by scope', []),
    pause: async ({ scope, reason, admin }) => {
      const text = `insert into thrum_pause (scope, reason, admin) values ($1, $2, $3)
        on conflict (scope) do update set reason = excluded.reason, admin = excluded.admin, at = now()`;
      await chores.query('pause', text, [scope, reason, admin]);
    },
    unpause: async (scope) => (await chores.query('unpause', 'delete from thrum_pause where scope = $1 returning 1', [scope])).length > 0,

    countTaken: async (rows) => {
      const text = `insert into thrum_coverage as c (kind, hash, transition, version, source, event, guard, targets, taken)
        select r->>0, r->>1, (r->>2)::integer, (r->>3)::integer, r->>4, r->>5, r->>6, r->7, (r->>8)::bigint
        from jsonb_array_elements($1::jsonb) r order by 1, 2, 3
        on conflict (kind, hash, transition) do update set taken = c.taken + excluded.taken`;
      const values = rows.map((r) => [r.kind, r.hash, r.index, r.version, r.source, r.event, r.guard, r.targets, r.taken]);
      await chores.query('count_taken', text, [JSON.stringify(values)]);
    },
    taken: async (kind) => {
      const text = `select kind, version, hash, transition as index, source, event, guard, targets, taken
        from thrum_coverage where kind = $1 order by version desc, hash, transition`;
      return reads.query<TakenCount>('taken', text, [kind]);
    },
  };
}

/** Where rows are being removed, the history begins at the marked snapshot above them. */
const KEPT = `
  with f as (select seq from thrum_journal where actor_id = $1 and seq > 0 order by seq limit 1),
       e as (select case when f.seq = 1 then 1
                         else coalesce((select min(seq) from thrum_snapshot where actor_id = $1 and base and seq >= f.seq),
                                       (select min(seq) from thrum_snapshot where actor_id = $1 and seq >= f.seq - 1), f.seq) end as earliest from f)
  select earliest, coalesce((select jsonb_agg(seq order by seq) from thrum_snapshot where actor_id = $1 and seq < earliest), '[]') as anchors from e`;

const AUDIT = `select id as n, at, admin, action, actor_id as "actorId", before_seq as "beforeSeq", after_seq as "afterSeq", reason, detail
  from thrum_admin_audit`;

const DEAD = `select id as n, actor_id as "actorId", kind, id_text as id, source, event, error, attempts, at,
    resolved_at as "resolvedAt", resolved_by as "resolvedBy", resolution
  from thrum_dead`;

/** Equalities of the columns that are asked for, and `id` below `before`. */
function filter(columns: { readonly [column: string]: string | undefined }, before: number | undefined) {
  const terms: string[] = [];
  const values: unknown[] = [];
  const value = (v: unknown): string => `$${values.push(v)}`;
  for (const [column, v] of Object.entries(columns)) if (v !== undefined) terms.push(`${column} = ${value(v)}`);
  if (before !== undefined) terms.push(`id < ${value(before)}`);
  return {
    values,
    value,
    and: (term: string): void => void terms.push(term),
    get where() {
      return terms.length === 0 ? '' : `where ${terms.join(' and ')}`;
    },
  };
}
