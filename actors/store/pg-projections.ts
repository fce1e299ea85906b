/** Projected rows on Postgres. */
import type { Registry } from '../companion.ts';
import type { Companion } from '../define.ts';
import { slotOf } from '../ids.ts';
import { extract } from '../statement.ts';
import type { PgLink } from './pg-link.ts';
import type { Build, ProjectedRow, ProjectionStore } from './projections.ts';

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** class of the advisory locks, one for each slot */
const LOCK = 0x7052;

/** Two writers of one slot take turns: the second one's statement sees what the first has deleted or inserted. To be sent in front of it. */
export function lockSlots(actorIds: readonly string[]): string {
  const slots = [...new Set(actorIds.map(slotOf))].sort((a, b) => a - b);
  return `select pg_advisory_xact_lock(${LOCK}, slot) from (select unnest(array[${slots.join()}]::integer[]) as slot order by 1) s`;
}

/** `d.last_seq`: an event that took the row away is remembered by the directory, for the row cannot. */
function writeText(c: Companion, rows: readonly ProjectedRow[]): string {
  const columns = Object.entries(c.columns);
  const names = columns.map(([column]) => quote(column));
  const values = columns.map(([column, type], at) => `${extract(type, at + 2)} as ${quote(column)}`);
  const list = JSON.stringify(
    rows.map(({ actorId, seq, row }) => [
      actorId,
      seq,
      ...(row === null ? [] : columns.map(([column]) => (column === 'seq' ? seq : (row[column] ?? null)))),
    ]),
  );
  return `
    with r as (select r, (r->>0)::uuid as actor_id, (r->>1)::bigint as at, jsonb_array_length(r) = 2 as gone from jsonb_array_elements(${literal(list)}::jsonb) r),
         n as (select r.* from r join thrum_actor d using (actor_id) where d.status not in ('erased', 'gone') and d.last_seq <= r.at),
         g as (delete from ${quote(c.table)} t using n where n.gone and t.actor_id = n.actor_id and t.seq <= n.at),
         d as (update thrum_actor d set last_seq = n.at from n where n.gone and d.actor_id = n.actor_id and d.last_seq < n.at)
    insert into ${quote(c.table)} as t (actor_id, ${names.join(', ')}) select actor_id, ${values.join(', ')} from n where not gone order by actor_id
    on conflict (actor_id) do update set ${names.map((name) => `${name} = excluded.${name}`).join(', ')} where t.seq <= excluded.seq`;
}

/** @param upkeep for statements that take long */
export function createPgProjections(links: { reads: PgLink; chores: PgLink; upkeep: PgLink }, registry: Registry): ProjectionStore {
  const { reads, chores, upkeep } = links;
  const tableOf = (projection: string): Companion => {
    const c = registry.get(projection);
    if (c === undefined) throw new Error(`there is no projection ${projection}`);
    return c;
  };
  return {
    write: async (projection, rows, upTo) => {
      const texts = rows.length === 0 ? [] : [lockSlots(rows.map((r) => r.actorId)), writeText(tableOf(projection), rows)];
      if (upTo !== undefined)
        texts.push(`update thrum_projection set built_to = ${literal(upTo)}::uuid where name = ${literal(projection)} and done_at is null`);
      // one message, one transaction, and each statement sees what was committed before it
      if (texts.length > 0) await chores.query(undefined, texts.join(';\n'));
    },
    advance: async (slots, at) => {
      await chores.query('advance', 'update thrum_slot set projected_at = $2 where slot = any($1::smallint[])', [slots, at]);
    },
    cursors: async () => {
      const rows = await reads.query<{ slot: number; at: number }>('cursors', 'select slot, projected_at as at from thrum_slot', []);
      return new Map(rows.map(({ slot, at }) => [slot, at]));
    },
    behind: async (slots, margin, kinds) => {
      // The cursors are looked up in a list of all slots: joined by key they would be gone through once for each event.
      const text = `
        select a.actor_id as id
          from (select actor_id, max(seq) as seq from thrum_journal
                 where at >= (select min(projected_at) from thrum_slot where slot = any($1::smallint[])) - $2
                   and at >= (array(select case when slot = any($1::smallint[]) then projected_at - $2 end
                                      from thrum_slot order by slot))[thrum_slot_of(actor_id) + 1]
                   and seq > 0
                 group by actor_id) j
          join thrum_actor a using (actor_id)
         where a.kind = any($3) or a.last_seq <> j.seq`;
      return (await upkeep.query<{ id: string }>('behind', text, [slots, margin, kinds])).map(({ id }) => id);
    },
    builds: () =>
      reads.query<Build>(
        'builds',
        'select name as projection, version, built_to as "upTo", done_at as "doneAt" from thrum_projection order by name',
        [],
      ),
    begin: async (projection, version) => {
      const text = `insert into thrum_projection (name, version) values ($1, $2)
        on conflict (name) do update set version = excluded.version, built_to = null, done_at = null`;
      await chores.query('begin_build', text, [projection, version]);
    },
    finish: async (projection, version, at) => {
      const { table } = tableOf(projection);
      const text = `
        with gone as (delete from ${quote(table)} t
                       where not exists (select from thrum_actor a where a.actor_id = t.actor_id and a.status not in ('erased', 'gone')) returning 1),
             done as (update thrum_projection set done_at = $3, built_to = null where name = $1 and version = $2)
        select count(*) as n from gone`;
      return (await chores.query<{ n: number }>(undefined, text, [projection, version, at]))[0]?.n ?? 0;
    },
  };
}
