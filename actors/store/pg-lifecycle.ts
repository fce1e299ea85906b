/** The end of actors and of their history on Postgres. */
import type { Registry } from '../companion.ts';
import { erasedTables } from './lifecycle.ts';
import type { LifecycleStore } from './lifecycle.ts';
import type { PgLink } from './pg-link.ts';

export function createPgLifecycle(chores: PgLink, registry: Registry): LifecycleStore {
  return {
    erase: async (e) => {
      const meta = JSON.stringify({ from: `operator:${e.by}` });
      const values = [e.actorId, e.at, e.cid, e.mver, meta, e.pseudonym, e.by, e.reason];
      const [row] = await chores.query<{ seq: number; fresh: boolean }>(undefined, eraseText(registry, e.kind), values);
      return row;
    },
  };
}

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** The new row stands under the primary key, so that a concurrent append fails or makes this fail; every other part waits for it. */
function eraseText(registry: Registry, kind: string): string {
  const done = 'exists (select 1 from j)';
  const kernel = ['thrum_snapshot', 'thrum_timer', 'thrum_outbox', 'thrum_dead'].map((table) => ({ table, column: 'actor_id' }));
  const gone = [...kernel, ...erasedTables(registry, kind)].map(
    ({ table, column }, i) => `g${i} as (delete from ${quote(table)} where ${quote(column)} = $1 and ${done})`,
  );
  return `
    with a as (select actor_id, status from thrum_actor where actor_id = $1 for update),
         t as (select seq, at from thrum_journal where actor_id = $1 order by seq desc limit 1),
         j as (insert into thrum_journal (actor_id, seq, at, type, event, patch, cid, mver, meta)
                 select $1, t.seq + 1, greatest(t.at, $2::bigint), 'thrum.erased', '{}', '{}', $3::bigint, $4::integer, $5::jsonb
                   from a, t where a.status <> 'erased' returning seq, at),
         b as (update thrum_journal set event = '{}', patch = '{}', reply = null, meta = null where actor_id = $1 and ${done}),
         ${gone.join(',\n         ')},
         d as (update thrum_actor set id = $6, status = 'erased', state = null, last_seq = j.seq, last_at = to_timestamp(j.at / 1000.0), mver = $4
                 from j where actor_id = $1),
         w as (insert into thrum_admin_audit (admin, action, actor_id, before_seq, after_seq, reason, detail)
                 select $7, 'actor.erase', $1, j.seq - 1, j.seq, $8, '{}' from j)
    select seq, true as fresh from j union all select t.seq, false from a, t where a.status = 'erased'`;
}
