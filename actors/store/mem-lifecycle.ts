/** The end of actors and of their history in the memory store. */
import { builtins } from '../companion.ts';
import type { Registry } from '../companion.ts';
import { erasedTables } from './lifecycle.ts';
import type { LifecycleStore } from './lifecycle.ts';
import type { MemRow } from './mem-tables.ts';
import type { DeadRow, DirectoryRow, JournalRow, SnapshotRow } from './store.ts';

/** The tables of the memory store that an end touches. */
export interface MemTables {
  readonly registry: Registry;
  readonly actors: Map<string, { -readonly [K in keyof DirectoryRow]: DirectoryRow[K] }>;
  readonly journal: Map<string, Map<number, JournalRow & { readonly cid: string }>>;
  readonly snapshots: Map<string, SnapshotRow[]>;
  readonly timers: Map<string, { readonly actorId: string }>;
  readonly outbox: Map<string, { readonly actorId: string }>;
  readonly dead: DeadRow[];
  readonly companions: Map<string, Map<string, MemRow>>;
}

export function createMemLifecycle(m: MemTables): LifecycleStore {
  return {
    erase: async (e) => {
      const row = m.actors.get(e.actorId);
      const rows = m.journal.get(e.actorId);
      if (row === undefined || rows === undefined) return undefined;
      const tail = [...rows.values()].reduce((last, r) => (r.seq > last.seq ? r : last));
      if (row.status === 'erased') return { seq: tail.seq, fresh: false };
      for (const [n, r] of rows) rows.set(n, { ...r, event: '{}', patch: '{}', reply: null, meta: null });
      const seq = tail.seq + 1;
      const at = Math.max(tail.at, e.at);
      const blank = { actorId: e.actorId, seq, at, event: '{}', patch: '{}', reply: null, idem: null };
      rows.set(seq, { ...blank, type: 'thrum.erased', cid: e.cid, mver: e.mver, meta: JSON.stringify({ from: `operator:${e.by}` }) });
      m.snapshots.delete(e.actorId);
      for (const table of [m.timers, m.outbox]) for (const [key, r] of table) if (r.actorId === e.actorId) table.delete(key);
      m.dead.splice(0, m.dead.length, ...m.dead.filter((d) => d.actorId !== e.actorId));
      for (const { table, column } of erasedTables(m.registry, e.kind)) {
        for (const [key, r] of m.companions.get(table) ?? []) if (r[column] === e.actorId) m.companions.get(table)?.delete(key);
      }
      const audit = m.companions.get(builtins.audit.table) ?? new Map<string, MemRow>();
      m.companions.set(builtins.audit.table, audit);
      const act = { admin: e.by, action: 'actor.erase', reason: e.reason, before_seq: tail.seq, detail: {} };
      audit.set(`${e.actorId}/erased`, { ...act, actor_id: e.actorId, after_seq: seq });
      Object.assign(row, { id: e.pseudonym, status: 'erased', state: null, lastSeq: seq, lastAt: at, mver: e.mver });
      return { seq, fresh: true };
    },
  };
}
