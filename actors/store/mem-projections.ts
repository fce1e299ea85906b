/** Projected rows in the memory store. */
import { ENDED } from './lifecycle.ts';
import { slotOf } from '../ids.ts';
import type { MemTables } from './mem-lifecycle.ts';
import type { Build, ProjectionStore } from './projections.ts';

export function createMemProjections(m: MemTables): ProjectionStore {
  const cursors = new Map<number, number>();
  const builds = new Map<string, { -readonly [K in keyof Build]: Build[K] }>();
  const tableOf = (projection: string) => {
    const c = m.registry.get(projection);
    if (c === undefined) throw new Error(`there is no projection ${projection}`);
    let table = m.companions.get(c.table);
    if (table === undefined) m.companions.set(c.table, (table = new Map()));
    return { c, table };
  };
  return {
    write: async (projection, rows, upTo) => {
      const { c, table } = tableOf(projection);
      for (const { actorId, seq, row } of rows) {
        const actor = m.actors.get(actorId);
        if (actor === undefined || ENDED.has(actor.status) || actor.lastSeq > seq) continue;
        if (Number(table.get(actorId)?.['seq'] ?? 0) > seq) continue;
        if (row === null) {
          table.delete(actorId);
          actor.lastSeq = seq;
        } else {
          const blank = Object.fromEntries(Object.keys(c.columns).map((column) => [column, null]));
          table.set(actorId, { ...blank, ...row, actor_id: actorId, seq });
        }
      }
      const build = builds.get(projection);
      if (upTo !== undefined && build?.doneAt === null) build.upTo = upTo;
    },
    advance: async (slots, at) => {
      for (const slot of slots) cursors.set(slot, at);
    },
    cursors: async () => new Map(cursors),
    behind: async (slots, margin, kinds) => {
      const wanted = new Set(slots);
      const late = (actorId: string): boolean => {
        const since = (cursors.get(slotOf(actorId)) ?? 0) - margin;
        const recent = [...(m.journal.get(actorId)?.values() ?? [])].filter((row) => row.at >= since).map((row) => row.seq);
        const { kind = '', lastSeq = 0 } = m.actors.get(actorId) ?? {};
        return recent.length > 0 && (kinds.includes(kind) || Math.max(...recent) !== lastSeq);
      };
      return [...m.journal.keys()].filter((actorId) => wanted.has(slotOf(actorId)) && late(actorId));
    },
    builds: async () => [...builds.values()].map((build) => ({ ...build })).sort((a, b) => (a.projection < b.projection ? -1 : 1)),
    begin: async (projection, version) => void builds.set(projection, { projection, version, upTo: null, doneAt: null }),
    finish: async (projection, version, at) => {
      const { table } = tableOf(projection);
      const gone = [...table.keys()].filter((id) => ENDED.has(m.actors.get(id)?.status ?? 'erased'));
      for (const id of gone) table.delete(id);
      const build = builds.get(projection);
      if (build?.version === version) Object.assign(build, { upTo: null, doneAt: at });
      return gone.length;
    },
  };
}
