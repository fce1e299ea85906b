/** The end of actors and of their history on Postgres. */
import { builtins } from '../companion.ts';
import type { Registry } from '../companion.ts';
import { erasedTables } from './lifecycle.ts';
import type { LifecycleStore } from './lifecycle.ts';
import type { PgLink } from './pg-link.ts';
import { lockSlots } from './pg-projections.ts';

/** @param upkeep for statements that take long and that nobody waits for */
export function createPgLifecycle(chores: PgLink, upkeep: PgLink, registry: Registry): LifecycleStore {
  return {
    erase: async (e) => {
      const meta = JSON.stringify({ from: `operator:${e.by}` });
      const values = [e.actorId, e.at, e.cid, e.mver, meta, e.pseudonym, e.by, e.reason];
      const [row] = await chores.query<{ seq: number; fresh: boolean }>(undefined, eraseText(registry, e.kind), values);
      if (row !== undefined) await dropProjected(chores, registry, e);
      return row;
    },
    conclude: async (f) => {
      const done = (await upkeep.query('conclude', CONCLUDE, [f.actorId, f.at, f.cid, f.mver, f.before])).length > 0;
      if (done) await dropProjected(upkeep, registry, f);
      return done;
    },
    prune: async (actors, limit) => {
      const column = <T>(of: (a: (typeof actors)[number]) => T): T[] => actors.map(of);
      const values = [column((a) => a.actorId), column((a) => a.before ?? null), column((a) => a.anchors), column((a) => a.ended ?? null)];
      const [row] = await upkeep.query<{ events: number; snapshots: number }>('prune', PRUNE, [...values, limit]);
      return row ?? { events: 0, snapshots: 0 };
    },
    trim: async (topics, limit) => {
      const values = [topics.map((t) => t.actorId), topics.map((t) => t.view), topics.map((t) => t.before), topics.map((t) => t.items)];
      const [row] = await upkeep.query<{ removed: number }>('trim', TRIM, [...values, limit]);
      return row?.removed ?? 0;
    },
  };
}

/** What a writer of projections, who had begun before the erasure and was not seen by it, has left. */
async function dropProjected(chores: PgLink, registry: Registry, { actorId, kind }: { actorId: string; kind: string }): Promise<void> {
  const texts = [...registry].flatMap(([name, c]) =>
    'row' in c && name.startsWith(`${kind}/`) ? [`delete from ${quote(c.table)} where actor_id = '${actorId}'`] : [],
  );
  if (texts.length > 0) await chores.query(undefined, [lockSlots([actorId]), ...texts].join(';\n'));
}

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** The new row stands under the primary key, so that a concurrent append fails or makes this fail; every other part waits for it. */
const DONE = 'exists (select 1 from j)';
const BLANK = `update thrum_journal set event = '{}', patch = '{}', reply = null, meta = null where actor_id = $1 and ${DONE}`;
const goneText = (tables: readonly { table: string; column: string }[]): string =>
  tables
    .map(({ table, column }, i) => `g${i} as (delete from ${quote(table)} where ${quote(column)} = $1 and ${DONE})`)
    .join(',\n         ');
const byActor = (...tables: string[]): { table: string; column: string }[] => tables.map((table) => ({ table, column: 'actor_id' }));

function eraseText(registry: Registry, kind: string): string {
  const kernel = byActor('thrum_snapshot', 'thrum_timer', 'thrum_outbox', 'thrum_dead');
  return `
    with a as (select actor_id, status from thrum_actor where actor_id = $1 for update),
         t as (select seq, at from thrum_journal where actor_id = $1 order by seq desc limit 1),
         j as (insert into thrum_journal (actor_id, seq, at, type, event, patch, cid, mver, meta)
                 select $1, t.seq + 1, greatest(t.at, $2::bigint), 'thrum.erased', '{}', '{}', $3::bigint, $4::integer, $5::jsonb
                   from a, t where a.status <> 'erased' returning seq, at),
         b as (${BLANK}),
         ${goneText([...kernel, ...erasedTables(registry, kind)])},
         d as (update thrum_actor set id = $6, status = 'erased', state = null, last_seq = j.seq, last_at = to_timestamp(j.at / 1000.0), mver = $4
                 from j where actor_id = $1),
         w as (insert into thrum_admin_audit (admin, action, actor_id, before_seq, after_seq, reason, detail)
                 select $7, 'actor.erase', $1, j.seq - 1, j.seq, $8, '{}' from j)
    select seq, true as fresh from j union all select t.seq, false from a, t where a.status = 'erased'`;
}

const CONCLUDE = `
    with a as (select actor_id from thrum_actor where actor_id = $1 and status = 'done' for update),
         t as (select seq, at from thrum_journal where actor_id = $1 order by seq desc limit 1),
         j as (insert into thrum_journal (actor_id, seq, at, type, event, patch, cid, mver)
                 select $1, t.seq + 1, greatest(t.at, $2::bigint), 'thrum.gone', '{}', '{}', $3::bigint, $4::integer
                   from a, t where t.at < $5 and not exists (select from thrum_outbox where actor_id = $1) returning seq, at),
         b as (${BLANK} and seq > 0),
         ${goneText(byActor('thrum_snapshot', 'thrum_timer', builtins.items.table))},
         d as (update thrum_actor set status = 'gone', state = null, last_seq = j.seq, last_at = to_timestamp(j.at / 1000.0), mver = $4
                 from j where actor_id = $1)
    select seq from j`;

/** Of what each of some actors may lose, as the column `n`, what one statement takes: whole actors, or a part of the first. */
const within = (limit: string): string => `select *, sum(n) over (order by ord) <= ${limit} as taken`;

/**
 * The snapshot of the cut is marked before rows go: whoever would drop it at the same time finds the mark, or has dropped it and nothing goes.
 * The clock of the database guards the last hour, in case that of the node is wrong.
 */
const PRUNE = `
  with q as (select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[]) with ordinality q(id, before, anchors, ended, ord)),
       two as (select q.*, (select seq from thrum_snapshot where actor_id = q.id order by seq desc offset 1 limit 1) as top from q where q.ended is null),
       cut as (select two.*, (select seq from thrum_snapshot s
                               where s.actor_id = two.id and s.seq <= two.top and s.at < to_timestamp(two.before / 1000.0) order by seq desc limit 1) as seq
                 from two where two.top is not null),
       base as (update thrum_snapshot s set base = true from cut
                 where s.actor_id = cut.id and s.seq = cut.seq
                   and exists (select 1 from thrum_journal j where j.actor_id = cut.id and j.seq > 0 and j.seq < cut.seq)
                returning s.actor_id as id, s.seq, cut.before, cut.ord),
       tail as (select q.id, l.seq, q.before, q.ord from q
                  join lateral (select seq, at from thrum_journal where actor_id = q.id order by seq desc limit 1) l on l.at < q.ended
                 where q.ended is not null),
       old as (select c.id, c.ord, j.upto, j.n
                 from (select * from base union all select * from tail) c
                 join lateral (select max(seq) as upto, count(*) as n
                                 from (select seq from thrum_journal
                                        where actor_id = c.id and seq > 0 and seq < c.seq
                                          and at < least(c.before, (extract(epoch from now()) * 1000)::bigint - 3600000)
                                        order by seq limit $5) j) j on j.n > 0),
       pick as (${within('$5')} from old),
       gone as (delete from thrum_journal j using pick p where p.taken and j.actor_id = p.id and j.seq > 0 and j.seq <= p.upto returning 1),
       snaps as (delete from thrum_snapshot s using cut
                  where s.actor_id = cut.id and s.at < to_timestamp(cut.anchors / 1000.0)
                    and s.seq < coalesce(cut.seq, cut.top) and (cut.seq is not null or not s.base) returning 1)
  select (select count(*) from gone)::integer as events, (select count(*) from snaps)::integer as snapshots`;

const TRIM = `
  with q as (select * from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[]) with ordinality q(id, view, before, items, ord)),
       top as (select q.*, (select n from thrum_topic_item i where i.actor_id = q.id and i.view = q.view order by n desc limit 1) as top from q),
       old as (select t.id, t.view, t.ord, i.upto, i.n
                 from top t
                 join lateral (select max(n) as upto, count(*) as n
                                 from (select n from thrum_topic_item
                                        where actor_id = t.id and view = t.view and (at < t.before or n <= t.top - t.items)
                                        order by n limit $5) i) i on i.n > 0),
       pick as (${within('$5')} from old),
       gone as (delete from thrum_topic_item i using pick p where p.taken and i.actor_id = p.id and i.view = p.view and i.n <= p.upto returning 1)
  select count(*)::integer as removed from gone`;
