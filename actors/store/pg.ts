/** The journal store on Postgres 15 and later, embedded PGlite included. Commits go through lanes; the rest shares two connections. */
import type { Registry } from '../companion.ts';
import { SLOTS } from '../ids.ts';
import { Statements } from '../statement.ts';
import type { Json } from '../types.ts';
import { CATALOGUE, CompanionMismatch, mismatches } from './catalogue.ts';
import type { CatalogueTable } from './catalogue.ts';
import { DIRECTORY, directorySql } from './directory.ts';
import { createPgAdmin } from './pg-admin.ts';
import { createPgProjections } from './pg-projections.ts';
import { connectedKernels, connectionName, endConnections } from './pg-fence.ts';
import { createPgLifecycle } from './pg-lifecycle.ts';
import { BY_KEY, PgLane } from './pg-lane.ts';
import { LOAD, loadedOf, LOADS } from './pg-load.ts';
import type { LoadRow } from './pg-load.ts';
import type { PgSource } from './pg-lane.ts';
import { PgLines } from './pg-lines.ts';
import { PgLink } from './pg-link.ts';
import { pgScan } from './pg-scan.ts';
import type { DirectoryRow, DueTimer, HistoryRow, JournalStore, PendingOutbox, RingEntry } from './store.ts';

const allSlots = Array.from({ length: SLOTS }, (_, slot) => slot);

const READ_TIMEOUT = 10_000;
const CHORE_TIMEOUT = 60_000;

const named = (source: PgSource, name: string): PgSource => ({
  engine: source.engine,
  durability: source.durability,
  connect: (o) => source.connect({ ...o, name }),
});

/** @param node name of this process among all that ever work on the database; without it nobody can end its connections when it is dead */
export function createPgStore(database: PgSource, registry: Registry, node?: string): JournalStore {
  const source = node === undefined ? database : named(database, connectionName(node));
  const lines = new PgLines();
  const reads = new PgLink(source, lines, READ_TIMEOUT, 2);
  const loads = new PgLink(source, lines, READ_TIMEOUT, 2, LOADS);
  const chores = new PgLink(source, lines, CHORE_TIMEOUT, 1);
  /** long statements that nobody waits for */
  const upkeep = new PgLink(source, lines, CHORE_TIMEOUT, 1, BY_KEY);
  const statements = new Statements(registry);
  const tableOf = new Map([...registry].map(([name, { table }]) => [name, table]));

  const byIdem = async (actorId: string, idem: string): Promise<RingEntry | undefined> => {
    const text = `select encode(idem, 'hex') as idem, seq, type, reply, coalesce((meta->>'chk')::bigint, 0) as chk
      from thrum_journal where actor_id = $1 and idem = decode($2, 'hex')`;
    return (await reads.query<RingEntry>('by_idem', text, [actorId, idem]))[0];
  };

  return {
    durability: source.durability,
    // the embedded engine does not wait for the disk, and is one session for all connections
    relaxes: source.engine === 'postgres',
    scan: pgScan(chores, registry),

    start: async () => {
      const wanted = [...new Set([...registry.values()].map(({ table }) => table))];
      const tables = await chores.query<CatalogueTable>(undefined, CATALOGUE, [wanted]);
      const faults = mismatches(registry, new Map(tables.map((table) => [table.table, table])));
      if (faults.length > 0) throw new CompanionMismatch(faults);
    },
    stop: async () => {
      await Promise.all([reads.close(), loads.close(), chores.close(), upkeep.close()]);
    },
    // the embedded engine dies with its process
    fence: async (former) => (source.engine === 'pglite' ? 0 : endConnections(chores, node, former)),
    kernels: async (silentMs) => (source.engine === 'pglite' ? [] : connectedKernels(reads, silentMs)),
    openLane: async (_n, relaxed = false) => new PgLane(source, lines, statements, tableOf, relaxed),
    dataId: async () => {
      const [row] = await reads.query<{ id: string }>('data_id', `select encode(data_id, 'hex') as id from thrum_data`);
      if (!row) throw new Error('thrum_data is empty');
      return row.id;
    },

    load: async (actorIds, relaxed = []) => loadedOf(await loads.query<LoadRow>('load', LOAD, [actorIds, relaxed])),
    tails: async (actorIds) => {
      const rows = await reads.query<{ id: string; seq: number }>('tails', TAIL_SEQS, [actorIds]);
      return new Map(rows.map(({ id, seq }) => [id, seq]));
    },
    cidAt: async (actorId, seq) => {
      const text = 'select cid::text as cid from thrum_journal where actor_id = $1 and seq = $2';
      return (await reads.query<{ cid: string }>('cid_at', text, [actorId, seq]))[0]?.cid;
    },
    byIdem,
    refuse: async (actorId, { idem, at, type, error }) => {
      await chores.query('refuse', REFUSE, [actorId, idem, at, type, JSON.stringify({ $refused: error })]);
      const entry = await byIdem(actorId, idem);
      return entry === undefined || entry.seq < 0 ? undefined : entry;
    },

    saveSnapshots: async (rows) => {
      const text = rows
        .map(
          (r) =>
            `["${r.actorId}",${r.seq},${r.mver},${r.state},${Buffer.byteLength(r.state)},${JSON.stringify(r.heads)},${r.at},${r.cid ?? null},${r.keys === undefined ? null : `"${r.keys}"`}]`,
        )
        .join();
      await chores.query('save_snapshots', SAVE_SNAPSHOTS, [`[${text}]`]);
    },
    touch: async (rows) => {
      const text = JSON.stringify(rows.map((r) => [r.actorId, r.state, r.lastSeq, r.lastAt, r.done, r.mver, r.cid]));
      await chores.query('touch', TOUCH, [text]);
      if (!rows.some((r) => r.cid !== undefined)) return [];
      return (await chores.query<{ id: string }>('lost', LOST, [text])).map(({ id }) => id);
    },
    setStatus: async (actorId, status, mver) => {
      const text = `update thrum_actor set status = $2, mver = coalesce($3, mver) where actor_id = $1 and status not in ('erased', 'gone')`;
      await chores.query('set_status', text, [actorId, status, mver ?? null]);
    },

    timersDue: async (before, limit, after, slots = allSlots) => {
      const from = after ?? { due: -1, actorId: '00000000-0000-0000-0000-000000000000', timerId: '' };
      return reads.query<DueTimer>('timers_due', TIMERS_DUE, [before, limit, from.due, from.actorId, from.timerId, slots]);
    },
    takeTimers: async (before, at, limit) => chores.query<DueTimer>('take_timers', TAKE_TIMERS, [before, at, limit, allSlots]),
    rearm: async ({ actorId, timerId, rowSeq, due, armedSeq }) => {
      const text = 'update thrum_timer set due = $4, armed_seq = $5 where actor_id = $1 and timer_id = $2 and armed_seq = $3';
      await chores.query('rearm', text, [actorId, timerId, rowSeq, due, armedSeq]);
    },
    outboxDue: async (before, limit, after, slots = allSlots) => {
      const from = after ?? { actorId: '00000000-0000-0000-0000-000000000000', seq: 0, n: 0 };
      return reads.query<PendingOutbox>('outbox_due', OUTBOX_DUE, [before, limit, from.actorId, from.seq, from.n, slots]);
    },
    outboxOf: async (actorIds) => reads.query<PendingOutbox>('outbox_of', OUTBOX_OF, [actorIds]),
    takeOutbox: async (before, until, limit) => chores.query<PendingOutbox>('take_outbox', TAKE_OUTBOX, [before, until, limit, allSlots]),
    hold: async (rows, nextAt) => {
      await chores.query('hold', HOLD, [JSON.stringify(rows.map((r) => [r.actorId, r.seq, r.n])), nextAt]);
    },
    postpone: async (rows) => {
      const text = JSON.stringify(rows.map((r) => [r.actorId, r.seq, r.n, r.attempts, r.nextAt, r.error]));
      await chores.query('postpone', POSTPONE, [text]);
    },
    bury: async (row, outbox) => {
      await chores.query('bury', BURY, [
        row.actorId,
        row.kind,
        row.id,
        row.source,
        JSON.stringify(row.event),
        JSON.stringify(row.error),
        row.attempts,
        outbox?.actorId ?? null,
        outbox?.seq ?? null,
        outbox?.n ?? null,
      ]);
    },

    topicItems: async (actorId, view, q) => {
      if ('last' in q) {
        const text = 'select n, item from thrum_topic_item where actor_id = $1 and view = $2 order by n desc limit $3';
        return (await reads.query<{ n: number; item: Json }>('topic_last', text, [actorId, view, q.last])).reverse();
      }
      const text = 'select n, item from thrum_topic_item where actor_id = $1 and view = $2 and n > $3 order by n limit $4';
      return reads.query('topic_after', text, [actorId, view, q.after, q.limit]);
    },
    topicFloor: async (actorId, view) => {
      const text = 'select n from thrum_topic_item where actor_id = $1 and view = $2 order by n limit 1';
      return (await reads.query<{ n: number }>('topic_floor', text, [actorId, view]))[0]?.n;
    },

    directory: async (q) => {
      const { text, values } = directorySql(q);
      return reads.query<DirectoryRow>(undefined, text, values);
    },
    entry: async (actorId) => (await reads.query<DirectoryRow>('entry', `${DIRECTORY} where actor_id = $1`, [actorId]))[0],
    history: async (actorId, { before, after = 0, limit }) => {
      const text = `select seq, at, type, event, patch, reply, mver, meta from thrum_journal
        where actor_id = $1 and seq < coalesce($2, 9223372036854775807) and seq > $3 order by seq desc limit $4`;
      return reads.query<HistoryRow>('history', text, [actorId, before ?? null, after, limit]);
    },
    admin: createPgAdmin(reads, chores),
    lifecycle: createPgLifecycle(chores, upkeep, registry),
    projections: createPgProjections({ reads, chores, upkeep }, registry),
    recent: async (since, slots) => {
      const text = `select actor_id as "actorId", max(seq) as seq from thrum_journal
        where at >= $1 and seq > 0 and ($2::integer[] is null or thrum_slot_of(actor_id) = any($2)) group by actor_id`;
      return reads.query('recent', text, [since, slots ?? null]);
    },
    refs: async (actorIds) => {
      const text = `select actor_id as "actorId", kind || ':' || id as ref from thrum_actor where actor_id = any($1::uuid[])`;
      const rows = await reads.query<{ actorId: string; ref: string }>('refs', text, [actorIds]);
      return new Map(rows.map((r) => [r.actorId, r.ref]));
    },
  };
}

const TAIL_SEQS = `
  select i.id, j.seq from unnest($1::uuid[]) i(id)
    join lateral (select seq from thrum_journal where actor_id = i.id order by seq desc limit 1) j on true`;

/**
 * The parts of a statement do not see each other's rows, so the new one is counted by hand. It makes one other the third newest at most, and
 * that is the only one to decide on: it goes unless the one after it is of another day.
 */
const SAVE_SNAPSHOTS = `
  with n as (select (r->>0)::uuid as actor_id, (r->>1)::bigint as seq, (r->>2)::integer as mver, r->3 as state, (r->>4)::integer as bytes, r->5 as heads,
                    to_timestamp((r->>6)::float8 / 1000) as at, decode(r->>8, 'hex') as keys
               from jsonb_array_elements($1::jsonb) r
              where r->>7 is null or exists (select 1 from thrum_journal j where j.actor_id = (r->>0)::uuid and j.seq = (r->>1)::bigint
                                                  and j.cid = (r->>7)::bigint)),
       newer as (select n.*, (select count(*) from thrum_snapshot m where m.actor_id = n.actor_id and m.seq > n.seq) as above,
                        (select min(m.at) from thrum_snapshot m where m.actor_id = n.actor_id and m.seq > n.seq) as next_at from n),
       third as (select n.actor_id, t.seq, t.at, least(n.at, n.next_at, t.next_at) as next_at
                   from newer n
                   join lateral (select seq, at, base, lag(at) over (order by seq desc) as next_at from thrum_snapshot
                                  where actor_id = n.actor_id and seq < n.seq order by seq desc offset greatest(0, 1 - n.above) limit 1) t on not t.base
                  where n.above < 2),
       old as (delete from thrum_snapshot s using third t
                where s.actor_id = t.actor_id and s.seq = t.seq and not s.base
                  and (t.at at time zone 'UTC')::date = (t.next_at at time zone 'UTC')::date)
  insert into thrum_snapshot (actor_id, seq, mver, state, bytes, heads, at, keys)
  select actor_id, seq, mver, state, bytes, heads, at, keys from newer n
   where above < 2 and not exists (select 1 from thrum_actor a where a.actor_id = n.actor_id and a.status in ('erased', 'gone'))
  on conflict (actor_id, seq) do update
    set mver = excluded.mver, state = excluded.state, bytes = excluded.bytes, heads = excluded.heads, at = excluded.at, keys = excluded.keys`;

const TOUCH = `
  with n as (select (r->>0)::uuid as id, r->>1 as state, (r->>2)::bigint as seq, (r->>3)::float8 as at, (r->>4)::boolean as done, (r->>5)::integer as mver
               from jsonb_array_elements($1::jsonb) r
              where r->>6 is null or exists (select 1 from thrum_journal j where j.actor_id = (r->>0)::uuid and j.seq = (r->>2)::bigint
                                                  and j.cid = (r->>6)::bigint))
  update thrum_actor a
     set state = n.state, last_seq = n.seq, last_at = to_timestamp(n.at / 1000), mver = n.mver,
         status = case when n.done and a.status = 'active' then 'done' else a.status end
    from n
   where a.actor_id = n.id and a.last_seq <= n.seq and a.status not in ('erased', 'gone')`;

const LOST = `
  select r->>0 as id
    from jsonb_array_elements($1::jsonb) r
   where r->>6 is not null and not exists (select 1 from thrum_journal j where j.actor_id = (r->>0)::uuid and j.seq = (r->>2)::bigint
                                               and j.cid = (r->>6)::bigint)`;

/** By slot, because that is what the index begins with. */
const TIMERS_DUE = `
  select t.actor_id as "actorId", a.kind, a.id, t.timer_id as "timerId", t.due, t.armed_seq as "armedSeq", t.type
    from unnest($6::smallint[]) s(slot)
    join lateral (select * from thrum_timer where slot = s.slot and due < $1 and due >= $3 and (due, actor_id, timer_id collate "C") > ($3, $4, $5)
                   order by due, actor_id, timer_id collate "C" limit $2) t on true
    join thrum_actor a using (actor_id)
   order by t.due, t.actor_id, t.timer_id collate "C" limit $2`;

const OUTBOX_DUE = `
  select o.actor_id as "actorId", o.seq, o.n, o.slot, o.op, o.target, o.payload::text as payload, o.next_at as "nextAt", o.attempts, a.kind, a.id
    from unnest($6::smallint[]) s(slot)
    join lateral (select * from thrum_outbox where slot = s.slot and state = 'pending' and next_at < $1 and (actor_id, seq, n) > ($3::uuid, $4::bigint, $5::integer)
                   order by actor_id, seq, n limit $2) o on true
    join thrum_actor a using (actor_id)
   order by o.actor_id, o.seq, o.n limit $2`;

const TAKE_TIMERS = `
  with due as (select actor_id, timer_id from thrum_timer
                where slot = any($4::smallint[]) and due < $1 and coalesce(taken_at, 0) < $1
                order by due, actor_id, timer_id collate "C" limit $3 for update skip locked),
       taken as (update thrum_timer t set taken_at = $2 from due d where t.actor_id = d.actor_id and t.timer_id = d.timer_id returning t.*)
  select t.actor_id as "actorId", a.kind, a.id, t.timer_id as "timerId", t.due, t.armed_seq as "armedSeq", t.type
    from taken t join thrum_actor a using (actor_id)
   order by t.due, t.actor_id, t.timer_id collate "C"`;

/**
 * The first message of a sender stands for all of its. A message that is locked all the same is being removed, so it has arrived. Nothing is
 * waited for, so this cannot be part of a deadlock.
 */
const TAKE_OUTBOX = `
  with effects as (select actor_id, seq, n from thrum_outbox
                    where slot = any($4::smallint[]) and state = 'pending' and op = 'effect' and next_at < $1
                    order by next_at, actor_id, seq, n limit $3 for update skip locked),
       senders as (select o.actor_id from thrum_outbox o
                    where o.slot = any($4::smallint[]) and o.state = 'pending' and o.op = 'tell' and o.next_at < $1
                      and not exists (select from thrum_outbox e where e.actor_id = o.actor_id and e.state = 'pending' and e.op = 'tell' and (e.seq, e.n) < (o.seq, o.n))
                    order by o.next_at, o.actor_id limit $3 for update of o skip locked),
       tells as (select actor_id, seq, n from thrum_outbox
                  where actor_id in (select actor_id from senders) and state = 'pending' and op = 'tell' for update skip locked),
       taken as (update thrum_outbox o set next_at = $2 from (table effects union all table tells) m
                  where o.actor_id = m.actor_id and o.seq = m.seq and o.n = m.n returning o.*)
  select o.actor_id as "actorId", o.seq, o.n, o.slot, o.op, o.target, o.payload::text as payload, o.next_at as "nextAt", o.attempts, a.kind, a.id
    from taken o join thrum_actor a using (actor_id)
   order by o.actor_id, o.seq, o.n`;

const HOLD = `
  update thrum_outbox o set next_at = $2
    from jsonb_array_elements($1::jsonb) r
   where o.actor_id = (r->>0)::uuid and o.seq = (r->>1)::bigint and o.n = (r->>2)::smallint`;

const OUTBOX_OF = `
  select o.actor_id as "actorId", o.seq, o.n, o.slot, o.op, o.target, o.payload::text as payload, o.next_at as "nextAt", o.attempts, a.kind, a.id
    from thrum_outbox o join thrum_actor a using (actor_id)
   where o.actor_id = any($1::uuid[]) and o.state = 'pending' order by o.actor_id, o.seq, o.n`;

/** A row below the history, where no event ever stands: it holds the key and nothing else. */
const REFUSE = `
  insert into thrum_journal (actor_id, seq, at, type, event, patch, reply, idem, cid, mver, meta)
  values ($1, -1 - ('x' || substr($2, 1, 12))::bit(48)::bigint, $3, $4, '{}', '{}', $5::jsonb, decode($2, 'hex'), 0, 0, null) on conflict do nothing`;

const POSTPONE = `
  update thrum_outbox o set attempts = n.attempts, next_at = n.next_at, error = n.error
    from (select (r->>0)::uuid as id, (r->>1)::bigint as seq, (r->>2)::smallint as n, least((r->>3)::integer, 32767)::smallint as attempts,
                 (r->>4)::bigint as next_at, r->>5 as error
            from jsonb_array_elements($1::jsonb) r) n
   where o.actor_id = n.id and o.seq = n.seq and o.n = n.n`;

const BURY = `
  with gone as (delete from thrum_outbox where actor_id = $8::uuid and seq = $9::bigint and n = $10::smallint returning 1)
  insert into thrum_dead (actor_id, kind, id_text, source, event, error, attempts)
  select $1::uuid, $2::text, $3::text, $4::text, $5::jsonb, $6::jsonb, $7::integer 
   where ($8::uuid is null or exists (select from gone)) and not exists (select from thrum_actor where actor_id = $1 and status = 'erased')`;
