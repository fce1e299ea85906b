/** The end of actors and of their history in the memory store. */
import { builtins } from '../companion.ts';
import type { Registry } from '../companion.ts';
import { erasedTables } from './lifecycle.ts';
import type { Expired, LifecycleStore } from './lifecycle.ts';
import type { MemRow } from './mem-tables.ts';
import type { DeadRow, DirectoryRow, JournalRow, SnapshotRow } from './store.ts';

/** `base`: the history of the actor begins here. */
export interface StoredSnapshot extends SnapshotRow {
  readonly base: boolean;
}

type Rows = Map<number, JournalRow & { readonly cid: string }>;

/** The tables of the memory store that an end touches. */
export interface MemTables {
  readonly registry: Registry;
  readonly actors: Map<string, { -readonly [K in keyof DirectoryRow]: DirectoryRow[K] }>;
  readonly journal: Map<string, Rows>;
  readonly idems: Map<string, number>;
  /** newest first */
  readonly snapshots: Map<string, StoredSnapshot[]>;
  readonly timers: Map<string, { readonly actorId: string }>;
  readonly outbox: Map<string, { readonly actorId: string }>;
  readonly dead: DeadRow[];
  readonly companions: Map<string, Map<string, MemRow>>;
}

const tailOf = (rows: Rows) => [...rows.values()].reduce((last, r) => (r.seq > last.seq ? r : last));

export function createMemLifecycle(m: MemTables): LifecycleStore {
  /** Blanks every row and appends the last one. */
  const close = (rows: Rows, e: { actorId: string; at: number; cid: string; mver: number }, type: string, meta: string | null) => {
    const tail = tailOf(rows);
    for (const [n, r] of rows) rows.set(n, { ...r, event: '{}', patch: '{}', reply: null, meta: null });
    const seq = tail.seq + 1;
    const at = Math.max(tail.at, e.at);
    const blank = { actorId: e.actorId, seq, at, event: '{}', patch: '{}', reply: null, idem: null };
    rows.set(seq, { ...blank, type, cid: e.cid, mver: e.mver, meta });
    m.snapshots.delete(e.actorId);
    for (const [key, r] of m.timers) if (r.actorId === e.actorId) m.timers.delete(key);
    Object.assign(m.actors.get(e.actorId) ?? {}, { state: null, lastSeq: seq, lastAt: at, mver: e.mver });
    return seq;
  };
  const clear = (tables: readonly { table: string; column: string }[], actorId: string): void => {
    for (const { table, column } of tables) {
      for (const [key, r] of m.companions.get(table) ?? []) if (r[column] === actorId) m.companions.get(table)?.delete(key);
    }
  };

  return {
    erase: async (e) => {
      const row = m.actors.get(e.actorId);
      const rows = m.journal.get(e.actorId);
      if (row === undefined || rows === undefined) return undefined;
      if (row.status === 'erased') return { seq: tailOf(rows).seq, fresh: false };
      const seq = close(rows, e, 'thrum.erased', JSON.stringify({ from: `operator:${e.by}` }));
      for (const [key, r] of m.outbox) if (r.actorId === e.actorId) m.outbox.delete(key);
      m.dead.splice(0, m.dead.length, ...m.dead.filter((d) => d.actorId !== e.actorId));
      clear(erasedTables(m.registry, e.kind), e.actorId);
      const audit = m.companions.get(builtins.audit.table) ?? new Map<string, MemRow>();
      m.companions.set(builtins.audit.table, audit);
      const act = { admin: e.by, action: 'actor.erase', reason: e.reason, before_seq: seq - 1, detail: {} };
      audit.set(`${e.actorId}/erased`, { ...act, actor_id: e.actorId, after_seq: seq });
      Object.assign(row, { id: e.pseudonym, status: 'erased' });
      return { seq, fresh: true };
    },
    conclude: async (f) => {
      const row = m.actors.get(f.actorId);
      const rows = m.journal.get(f.actorId);
      if (row?.status !== 'done' || rows === undefined || tailOf(rows).at >= f.before) return false;
      if ([...m.outbox.values()].some((r) => r.actorId === f.actorId)) return false;
      close(rows, f, 'thrum.gone', null);
      const shown = [...m.registry].filter(([name, c]) => 'row' in c && name.startsWith(`${f.kind}/`)).map(([, c]) => c.table);
      clear(
        [builtins.items.table, ...shown].map((table) => ({ table, column: 'actor_id' })),
        f.actorId,
      );
      row.status = 'gone';
      return true;
    },
    prune: async (actors, limit) => {
      const done = { events: 0, snapshots: 0 };
      for (const expired of actors) {
        const { events, snapshots } = pruneOne(m, expired, limit - done.events);
        done.events += events;
        done.snapshots += snapshots;
      }
      return done;
    },
    trim: async (topics, limit) => {
      const table = m.companions.get(builtins.items.table) ?? new Map<string, MemRow>();
      let removed = 0;
      for (const { actorId, view, before, items } of topics) {
        const mine = [...table].filter(([, row]) => row['actor_id'] === actorId && row['view'] === view);
        mine.sort(([, a], [, b]) => Number(a['n']) - Number(b['n']));
        const top = Number(mine.at(-1)?.[1]['n'] ?? 0);
        const old = mine.filter(([, row]) => Number(row['at']) < before || Number(row['n']) <= top - items);
        for (const [key] of old.slice(0, limit - removed)) {
          table.delete(key);
          removed += 1;
        }
      }
      return removed;
    },
  };
}

/** There is no clock here that could guard the last hour; the limit goes to one actor after the other. */
function pruneOne(m: MemTables, { actorId, before, anchors, ended }: Expired, limit: number): { events: number; snapshots: number } {
  const rows = m.journal.get(actorId);
  const snapshots = m.snapshots.get(actorId) ?? [];
  if (rows === undefined) return { events: 0, snapshots: 0 };
  const top = ended === undefined ? snapshots[1] : undefined;
  const cut = top && snapshots.find((s) => s.seq <= top.seq && s.at < (before ?? -Infinity));
  const tail = tailOf(rows);
  const below = ended === undefined ? (cut?.seq ?? 0) : tail.at < ended ? tail.seq : 0;
  const old = [...rows.values()].filter((r) => r.seq < below && r.at < (before ?? -Infinity)).sort((a, b) => a.seq - b.seq);
  const going = old.slice(0, limit);
  for (const { seq, idem } of going) {
    rows.delete(seq);
    if (idem !== null) m.idems.delete(`${actorId}/${idem}`);
  }
  const kept = snapshots.filter((s) => top === undefined || s.at >= anchors || s.seq >= (cut ?? top).seq || (cut === undefined && s.base));
  if (snapshots.length > 0)
    m.snapshots.set(
      actorId,
      kept.map((s) => (s === cut && old.length > 0 ? { ...s, base: true } : s)),
    );
  return { events: going.length, snapshots: snapshots.length - kept.length };
}
