/**
 * The journal store in memory, with the semantics of the database: a batch applies as a whole or not at all, a row that exists is a fence, a
 * key that exists is a duplicate, companion rows may be refused. No clock, timer or chance of its own, so a simulation can drive it.
 */
import type { Registry } from '../companion.ts';
import { builtins } from '../companion.ts';
import { unstorable } from '../columns.ts';
import { slotOf } from '../ids.ts';
import { marksOf } from '../keys.ts';
import type { Json } from '../types.ts';
import { ENDED } from './lifecycle.ts';
import { createMemLifecycle } from './mem-lifecycle.ts';
import type { StoredSnapshot } from './mem-lifecycle.ts';
import { createMemScan, historyRow } from './mem-scan.ts';
import { companionChanges } from './mem-tables.ts';
import { directoryPage } from './directory.ts';
import { createMemAdmin } from './mem-admin.ts';
import { createMemProjections } from './mem-projections.ts';
import type { MemRow, MemTable } from './mem-tables.ts';
import { StoreError } from './store.ts';
import type {
  Batch,
  DeadRow,
  DirectoryRow,
  DueTimer,
  EffectId,
  JournalRow,
  JournalStore,
  Lane,
  Loaded,
  OutboxRow,
  PendingOutbox,
  RingEntry,
} from './store.ts';

/** What becomes of one commit. `fail`: refused as a bad row. `lost-…`: the answer is lost after, or before, the batch was applied. */
export type Fate = 'ok' | 'fail' | 'lost-applied' | 'lost-unapplied' | 'transient' | StoreError;

export interface MemoryOptions {
  readonly registry: Registry;
  readonly tables?: { readonly [table: string]: MemTable };
  /** asked before every commit; `n` counts the commits of the store from 1 */
  readonly fault?: (attempt: { lane: number; batch: Batch; n: number }) => Promise<Fate>;
  readonly dataId?: string;
  /** as {@link JournalStore.relaxes}; default false */
  readonly relaxes?: boolean;
}

/** The memory store and what tests look into. */
export interface MemoryStore extends JournalStore {
  /** Rows of a companion table, in no particular order. */
  rows(table: string): readonly MemRow[];
  /** Journal rows of one actor, ascending. */
  journal(actorId: string): readonly (JournalRow & { readonly cid: string })[];
  timers(): readonly Omit<DueTimer, 'kind' | 'id'>[];
  outbox(): readonly Omit<PendingOutbox, 'kind' | 'id'>[];
  dead(): readonly DeadRow[];
  snapshots(actorId: string): readonly StoredSnapshot[];
  /** What a crash of a database that did not wait for the disk does: the events after `seq` were never there. */
  takeBack(actorId: string, seq: number): void;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type StoredTimer = Omit<DueTimer, 'kind' | 'id'>;
type StoredOutbox = OutboxRow & { attempts: number; error: string | null };
type Stored = JournalRow & { readonly cid: string };

const idOf = (e: EffectId): string => `${e.actorId}/${e.seq}/${e.n}`;
const parse = (text: string | null): Json => (text === null ? null : (JSON.parse(text) as Json));
/** @throws StoreError for what the database does not take */
function checkKept(value: object): void {
  if (unstorable(JSON.stringify(value))) throw new StoreError('bad-row', 'unsupported Unicode escape sequence');
}
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const compareEffects = (a: EffectId, b: EffectId): number => compare(a.actorId, b.actorId) || a.seq - b.seq || a.n - b.n;

export function createMemoryStore({ registry, tables = {}, fault, dataId = '0'.repeat(32), relaxes = false }: MemoryOptions): MemoryStore {
  const actors = new Map<string, Mutable<DirectoryRow>>();
  const journal = new Map<string, Map<number, Stored>>();
  const idems = new Map<string, number>();
  /** keys that were taken by a refusal */
  const refused = new Map<string, RingEntry>();
  const snapshots = new Map<string, StoredSnapshot[]>();
  const timers = new Map<string, StoredTimer>();
  const outbox = new Map<string, StoredOutbox>();
  const dead: DeadRow[] = [];
  /** when timers were taken that their owner had left behind */
  const taken = new Map<string, number>();
  const companions = new Map<string, Map<string, MemRow>>();
  const all = { registry, actors, journal, idems, snapshots, timers, outbox, dead, companions };
  let commits = 0;

  const items = (): Map<string, MemRow> => companions.get(builtins.items.table) ?? new Map();
  const ended = (actorId: string): boolean => ENDED.has(actors.get(actorId)?.status ?? '');
  const rowsOf = (actorId: string): Stored[] => [...(journal.get(actorId)?.values() ?? [])].sort((a, b) => a.seq - b.seq);
  const cidAt = (actorId: string, seq: number): string | undefined => journal.get(actorId)?.get(seq)?.cid;
  const ofActor = (actorId: string): { kind: string; id: string } => {
    const { kind, id } = actors.get(actorId) ?? { kind: '', id: '' };
    return { kind, id };
  };

  const pendingRow = ({ error: _error, ...row }: StoredOutbox): PendingOutbox => ({
    ...row,
    payload: JSON.stringify(parse(row.payload)),
    ...ofActor(row.actorId),
  });

  /** All or nothing: everything that can fail comes before the first change. */
  function apply(batch: Batch): void {
    const seen = new Set<string>();
    for (const row of batch.journal) {
      if (unstorable(row.event) || unstorable(row.patch) || (row.reply !== null && unstorable(row.reply))) {
        throw new StoreError('bad-row', 'unsupported Unicode escape sequence');
      }
    }
    for (const { actorId, seq, idem } of batch.journal) {
      if (journal.get(actorId)?.has(seq) || seen.has(`${actorId}/${seq}`)) throw new StoreError('fence', `${actorId} has a row ${seq}`);
      const key = `${actorId}/${idem}`;
      if (idem !== null && (idems.has(key) || refused.has(key) || seen.has(key)))
        throw new StoreError('duplicate', `${actorId} knows the key ${idem}`);
      seen.add(`${actorId}/${seq}`).add(key);
    }
    for (const { actorId, seq, cid } of batch.follows ?? []) {
      if (cid === undefined || cidAt(actorId, seq) !== cid) throw new StoreError('fence', `${actorId} has another row ${seq}`);
    }
    const overlay = companionChanges(batch, registry, companions, tables);

    for (const row of batch.journal) {
      let rows = journal.get(row.actorId);
      if (!rows) journal.set(row.actorId, (rows = new Map()));
      rows.set(row.seq, { ...row, cid: batch.cid });
      if (row.idem !== null) idems.set(`${row.actorId}/${row.idem}`, row.seq);
    }
    for (const { actorId, kind, id, slot, mver } of batch.born) {
      const createdAt = batch.journal.find((row) => row.actorId === actorId)?.at ?? 0;
      if (!actors.has(actorId))
        actors.set(actorId, { actorId, kind, id, slot, status: 'active', mver, state: null, lastSeq: 0, lastAt: null, createdAt });
    }
    for (const { actorId, timerId, armedSeq } of batch.timersGone) {
      const key = `${actorId}/${timerId}`;
      if (armedSeq === undefined || timers.get(key)?.armedSeq === armedSeq) timers.delete(key);
    }
    for (const { actorId, timerId, set } of batch.timersSet) {
      timers.set(`${actorId}/${timerId}`, { actorId, timerId, due: set.due, armedSeq: set.armedSeq, type: set.type });
    }
    for (const id of batch.outboxDone) outbox.delete(idOf(id));
    for (const row of batch.outbox) outbox.set(idOf(row), { ...row, attempts: 0, error: null });
    for (const [name, changes] of overlay) {
      let table = companions.get(name);
      if (!table) companions.set(name, (table = new Map()));
      for (const [key, row] of changes) {
        if (row) table.set(key, row);
        else table.delete(key);
      }
    }
  }

  async function commit(lane: number, batch: Batch): Promise<void> {
    const n = ++commits;
    const fate = fault ? await fault({ lane, batch, n }) : 'ok';
    if (fate instanceof StoreError) throw fate;
    if (fate === 'fail') throw new StoreError('bad-row', 'the commit failed');
    if (fate === 'transient') throw new StoreError('transient', 'could not serialize access');
    if (fate === 'lost-unapplied') throw new StoreError('in-doubt', 'connection lost');
    if (fate === 'ok') return apply(batch);
    try {
      apply(batch);
    } catch {
      // the answer is lost, whatever it was
    }
    throw new StoreError('in-doubt', 'connection lost');
  }

  function loadOne(actorId: string, relaxed: readonly string[]): Loaded | undefined {
    const rows = rowsOf(actorId);
    const last = rows.at(-1);
    if (!last) return undefined;
    const snapshot = snapshots.get(actorId)?.[0];
    const tail = rows.filter((row) => row.seq > (snapshot?.seq ?? 0));
    return {
      status: actors.get(actorId)?.status ?? 'active',
      mver: actors.get(actorId)?.mver ?? last.mver,
      ...(snapshot
        ? {
            snapshot: {
              seq: snapshot.seq,
              mver: snapshot.mver,
              state: JSON.parse(snapshot.state) as NonNullable<Loaded['snapshot']>['state'],
              heads: snapshot.heads,
            },
          }
        : {}),
      tail: tail.map(({ seq, at, patch, mver }) => ({ seq, at, patch: parse(patch), mver })),
      lastAt: last.at,
      ...(relaxed.includes(actors.get(actorId)?.kind ?? '') ? { cid: last.cid } : {}),
      keys: marksOf(
        snapshot?.keys ?? '',
        (snapshot?.keys === undefined ? rows : tail).flatMap(({ idem }) => idem ?? []),
      ),
      sends: [...outbox.values()].some((row) => row.actorId === actorId),
    };
  }

  return {
    durability: 'none',
    relaxes,
    scan: createMemScan({ ...all, rules: tables }),
    start: async () => undefined,
    stop: async () => undefined,
    fence: async () => 0,
    kernels: async () => [],
    openLane: async (n): Promise<Lane> => ({ commit: (batch) => commit(n, batch), close: async () => undefined }),
    dataId: async () => dataId,

    load: async (actorIds, relaxed = []) => {
      const loaded = new Map<string, Loaded>();
      for (const actorId of actorIds) {
        const one = loadOne(actorId, relaxed);
        if (one) loaded.set(actorId, one);
      }
      return loaded;
    },
    tails: async (actorIds) =>
      new Map(actorIds.flatMap((id) => (journal.has(id) ? [[id, Math.max(...(journal.get(id)?.keys() ?? []))]] : []))),
    cidAt: async (actorId, seq) => cidAt(actorId, seq),
    byIdem: async (actorId, idem) => {
      const row = journal.get(actorId)?.get(idems.get(`${actorId}/${idem}`) ?? -1);
      return row ? ringEntry(row) : refused.get(`${actorId}/${idem}`);
    },
    refuse: async (actorId, { idem, type, error }) => {
      checkKept(error);
      const row = journal.get(actorId)?.get(idems.get(`${actorId}/${idem}`) ?? -1);
      if (row) return ringEntry(row);
      refused.set(`${actorId}/${idem}`, { idem, seq: -1, type, reply: { $refused: error as unknown as Json }, chk: 0 });
      return undefined;
    },

    saveSnapshots: async (rows) => {
      for (const row of rows) {
        if (row.cid !== undefined && cidAt(row.actorId, row.seq) !== row.cid) continue;
        const standing = snapshots.get(row.actorId) ?? [];
        if (ended(row.actorId) || standing.filter((other) => other.seq > row.seq).length > 1) continue;
        const base = standing.find((other) => other.seq === row.seq)?.base ?? false;
        const others = standing.filter((other) => other.seq !== row.seq);
        snapshots.set(row.actorId, keptSnapshots([...others, { ...row, base }]));
      }
    },
    touch: async (rows) => {
      const lost: string[] = [];
      for (const { actorId, state, lastSeq, lastAt, done, mver, cid } of rows) {
        if (cid !== undefined && cidAt(actorId, lastSeq) !== cid) {
          lost.push(actorId);
          continue;
        }
        const row = actors.get(actorId);
        if (!row || row.lastSeq > lastSeq || ended(actorId)) continue;
        Object.assign(row, { state, lastSeq, lastAt, mver, status: done && row.status === 'active' ? 'done' : row.status });
      }
      return lost;
    },
    setStatus: async (actorId, status, mver) => {
      const row = actors.get(actorId);
      if (row && !ended(actorId)) Object.assign(row, { status, mver: mver ?? row.mver });
    },

    timersDue: async (before, limit, after, slots) =>
      [...timers.values()]
        .filter((t) => t.due < before && (!after || compareTimers(t, after) > 0) && (!slots || slots.includes(slotOf(t.actorId))))
        .sort(compareTimers)
        .slice(0, limit)
        .map((t) => ({ ...t, ...ofActor(t.actorId) })),
    takeTimers: async (before, at, limit) => {
      const keyOf = (t: StoredTimer): string => `${t.actorId}/${t.timerId}`;
      const found = [...timers.values()].filter((t) => t.due < before && (taken.get(keyOf(t)) ?? 0) < before);
      const mine = found.sort(compareTimers).slice(0, limit);
      for (const t of mine) taken.set(keyOf(t), at);
      return mine.map((t) => ({ ...t, ...ofActor(t.actorId) }));
    },
    rearm: async ({ actorId, timerId, rowSeq, due, armedSeq }) => {
      const row = timers.get(`${actorId}/${timerId}`);
      if (row?.armedSeq === rowSeq) timers.set(`${actorId}/${timerId}`, { ...row, due, armedSeq });
    },
    outboxDue: async (before, limit, after, slots) =>
      [...outbox.values()]
        .filter((row) => row.nextAt < before && (!after || compareEffects(row, after) > 0) && (!slots || slots.includes(row.slot)))
        .sort(compareEffects)
        .slice(0, limit)
        .map(pendingRow),
    outboxOf: async (actorIds) =>
      [...outbox.values()]
        .filter((row) => actorIds.includes(row.actorId))
        .sort(compareEffects)
        .map(pendingRow),
    takeOutbox: async (before, until, limit) => {
      const rows = [...outbox.values()].sort(compareEffects);
      const tells = rows.filter((row) => row.op === 'tell');
      const heads = tells.filter((row, i) => tells[i - 1]?.actorId !== row.actorId);
      const due = (some: StoredOutbox[]): StoredOutbox[] =>
        some
          .filter((row) => row.nextAt < before)
          .sort((a, b) => a.nextAt - b.nextAt || compareEffects(a, b))
          .slice(0, limit);
      const senders = new Set(due(heads).map((row) => row.actorId));
      const effects = due(rows.filter((row) => row.op === 'effect'));
      const mine = [...effects, ...tells.filter((row) => senders.has(row.actorId))].sort(compareEffects);
      return mine.map((row) => {
        const moved = { ...row, nextAt: until };
        outbox.set(idOf(row), moved);
        return pendingRow(moved);
      });
    },
    hold: async (rows, nextAt) => {
      for (const id of rows) {
        const row = outbox.get(idOf(id));
        if (row) outbox.set(idOf(id), { ...row, nextAt });
      }
    },
    postpone: async (rows) => {
      checkKept(rows);
      if (!rows.every(({ nextAt }) => Number.isInteger(nextAt))) throw new StoreError('bad-row', 'invalid input syntax for type bigint');
      for (const { attempts, nextAt, error, ...id } of rows) {
        const row = outbox.get(idOf(id));
        if (row) outbox.set(idOf(id), { ...row, attempts, nextAt, error });
      }
    },
    bury: async (row, id) => {
      checkKept(row);
      if ((id === undefined || outbox.delete(idOf(id))) && actors.get(row.actorId)?.status !== 'erased') dead.push(row);
    },

    topicItems: async (actorId, view, q) => {
      const all = [...items().values()].filter((row) => row['actor_id'] === actorId && row['view'] === view).map(topicItem);
      all.sort((a, b) => a.n - b.n);
      return 'last' in q ? all.slice(Math.max(0, all.length - q.last)) : all.filter(({ n }) => n > q.after).slice(0, q.limit);
    },
    topicFloor: async (actorId, view) => {
      const numbers = [...items().values()]
        .filter((row) => row['actor_id'] === actorId && row['view'] === view)
        .map((row) => Number(row['n']));
      return numbers.length === 0 ? undefined : Math.min(...numbers);
    },
    directory: async (q) => directoryPage(actors.values(), q).map((a) => ({ ...a })),
    entry: async (actorId) => {
      const row = actors.get(actorId);
      return row && { ...row };
    },
    history: async (actorId, { before = Infinity, after = 0, limit }) =>
      rowsOf(actorId)
        .filter((row) => row.seq < before && row.seq > after)
        .reverse()
        .slice(0, limit)
        .map(historyRow),
    admin: createMemAdmin({
      dead,
      tail: (actorId) => rowsOf(actorId).map(({ seq, at, patch, mver }) => ({ seq, at, patch: parse(patch), mver })),
      snapshots: (actorId) => snapshots.get(actorId) ?? [],
      outbox: (actorId) =>
        [...outbox.values()]
          .filter((row) => row.actorId === actorId)
          .sort(compareEffects)
          .map((row) => ({ ...row, payload: JSON.stringify(parse(row.payload)), state: 'pending' })),
      audited: () => companions.get(builtins.audit.table)?.values() ?? [],
    }),
    lifecycle: createMemLifecycle(all),
    projections: createMemProjections(all),
    recent: async (since, slots) => {
      if (!Number.isInteger(since)) throw new RangeError(`recent: ${since} is not a whole number of ms`);
      const found: { actorId: string; seq: number }[] = [];
      for (const actorId of journal.keys()) {
        if (slots && !slots.includes(slotOf(actorId))) continue;
        const seq = Math.max(0, ...rowsOf(actorId).flatMap((row) => (row.at >= since ? [row.seq] : [])));
        if (seq > 0) found.push({ actorId, seq });
      }
      return found;
    },
    refs: async (actorIds) =>
      new Map(
        actorIds.flatMap((actorId) => {
          const row = actors.get(actorId);
          return row ? [[actorId, `${row.kind}:${row.id}`] as const] : [];
        }),
      ),

    rows: (table) => [...(companions.get(table)?.values() ?? [])],
    journal: rowsOf,
    timers: () => [...timers.values()],
    outbox: () => [...outbox.values()],
    dead: () => dead,
    snapshots: (actorId) => snapshots.get(actorId) ?? [],
    takeBack: (actorId, seq) => {
      for (const row of rowsOf(actorId)) {
        if (row.seq <= seq) continue;
        journal.get(actorId)?.delete(row.seq);
        if (row.idem !== null) idems.delete(`${actorId}/${row.idem}`);
      }
      if (seq > 0) return;
      journal.delete(actorId);
      actors.delete(actorId);
    },
  };
}

/** The newest two, and those of the others that are the last of their day or the beginning of the history. */
function keptSnapshots(all: readonly StoredSnapshot[]): StoredSnapshot[] {
  const dayOf = (s: StoredSnapshot | undefined): number => Math.floor((s?.at ?? 0) / 86_400_000);
  const sorted = [...all].sort((a, b) => b.seq - a.seq);
  return sorted.filter((s, i) => i < 2 || s.base || dayOf(s) !== dayOf(sorted[i - 1]));
}

function ringEntry(row: Stored): RingEntry {
  const meta = parse(row.meta) as { readonly chk?: number } | null;
  return { idem: row.idem ?? '', seq: row.seq, type: row.type, reply: parse(row.reply), chk: meta?.chk ?? 0 };
}

const topicItem = (row: MemRow): { n: number; item: Json } => ({ n: Number(row['n']), item: row['item'] ?? null });

function compareTimers(a: { due: number; actorId: string; timerId: string }, b: typeof a): number {
  return a.due - b.due || compare(a.actorId, b.actorId) || compare(a.timerId, b.timerId);
}
