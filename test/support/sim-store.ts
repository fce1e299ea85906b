/** The memory store behind a connection that can be slow, fail, lose answers and die with its process. */
import { MARK } from '../../actors/keys.ts';
import { StoreError } from '../../actors/store/store.ts';
import type { Batch, Former, JournalStore, Lane, SnapshotRow } from '../../actors/store/store.ts';
import type { MemoryStore } from '../../actors/store/mem.ts';
import type { Disk } from './sim-disk.ts';
import type { Faults, SimLoop, SimProcess } from './sim-loop.ts';

export interface SimStoreOptions {
  readonly loop: SimLoop;
  readonly process: SimProcess;
  readonly faults: Faults;
  readonly random: () => number;
  readonly store: MemoryStore;
  /** how often anything goes wrong, 0 to 1 */
  readonly intensity: number;
  /** keys that a load gives back: what the journal remembers beyond them is found by its index alone */
  readonly memory: number;
  /** epoch ms by the clock of the database */
  readonly wall: () => number;
  /** whether the database is out of reach now */
  readonly down: () => boolean;
  /** statements of former processes that are still under way */
  readonly parked: Set<Parked>;
  readonly disk: Disk;
  /** name of the process */
  readonly node: string;
  /** processes whose connections have been ended */
  readonly fenced: Set<string>;
  /** processes that are dead */
  readonly dead: () => readonly string[];
  /** processes with a connection: they live, or have left a statement behind */
  readonly connected: () => readonly string[];
  /** a batch has been applied */
  readonly onApplied: (batch: Batch) => void;
  /** retention has removed something, or nothing */
  readonly onPruned: () => void;
  /** an actor that had ended is gone */
  readonly onConcluded: (actorId: string) => void;
  /** snapshots have just been written */
  readonly onSaved: (rows: readonly SnapshotRow[]) => void;
  readonly onStatement: (batch: Batch, phase: 'sent' | 'ended') => void;
}

/** Never settles: the process that waits for it has died, or its connection hangs. */
const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

/** A statement whose process has died, waiting for the worst moment. */
export interface Parked {
  readonly node: string;
  readonly actors: ReadonlySet<string>;
  readonly land: () => Promise<void>;
}

/** rows that one statement of retention removes here, so that it is seen half done */
const PRUNED = 7;

/** what does not write, and so does not wait for the disk */
const READS = new Set([
  'dataId',
  'load',
  'tails',
  'cidAt',
  'byIdem',
  'timersDue',
  'outboxDue',
  'topicItems',
  'topicFloor',
  'outboxOf',
  'recent',
  'refs',
  'cursors',
  'behind',
  'builds',
  'vitals',
  'kernels',
]);

const CALLS = [
  'dataId',
  'load',
  'tails',
  'cidAt',
  'byIdem',
  'touch',
  'setStatus',
  'timersDue',
  'takeTimers',
  'rearm',
  'outboxDue',
  'takeOutbox',
  'hold',
  'postpone',
  'bury',
  'topicItems',
  'topicFloor',
  'refuse',
  'outboxOf',
  'recent',
  'refs',
] as const;

export function simStore(o: SimStoreOptions): JournalStore {
  const { loop, process, faults, random, store, intensity } = o;
  const relaxed = new Set<Lane>();
  const latency = (): number => 0.2 + random() * 2;
  const slow = (kind: string): number => (faults.happens(kind, 0.02 * intensity) ? 20 + random() * 1_500 : 0);

  /** A request: on its way, at the database, and its answer on the way back. */
  function call<T>(kind: string, run: () => Promise<T>): Promise<T> {
    if (!process.alive) return never();
    return new Promise<T>((resolve, reject) => {
      const fails = o.down() || faults.happens(`${kind} fails`, 0.01 * intensity);
      const there = latency() / 2 + slow(`${kind} slow`);
      const back = latency() / 2;
      process.later(there, () => {
        if (fails || o.down()) {
          process.later(back, () => reject(new Error('the database is out of reach')));
          return;
        }
        if (!READS.has(kind)) o.disk.written();
        run().then(
          (value) => process.later(back, () => resolve(value)),
          (error: unknown) => process.later(back, () => reject(error instanceof Error ? error : new Error(String(error)))),
        );
      });
    });
  }

  async function apply(lane: Lane, batch: Batch): Promise<void> {
    await lane.commit(batch);
    if (relaxed.has(lane)) o.disk.later(batch, loop.time);
    else o.disk.written();
    o.onApplied(batch);
  }

  /** Whether one of the rows is there already: the journal is asked before any companion table. */
  const standing = (batch: Batch): boolean => batch.journal.some(({ actorId, seq }) => (store.journal(actorId).at(-1)?.seq ?? 0) >= seq);

  /** A statement that has reached the database lives on without the process that sent it. @param line the connection; `drop` gives it up */
  function commit(lane: Lane, batch: Batch, line: { drop?: () => void }): Promise<void> {
    if (!process.alive) return never();
    o.onStatement(batch, 'sent');
    return new Promise<void>((resolve, reject) => {
      let over = false;
      const ended = (fn: () => void): void => {
        if (over) return;
        over = true;
        o.onStatement(batch, 'ended');
        fn();
      };
      const end = (fn: () => void): void => void process.later(latency() / 2, () => ended(fn));
      line.drop = () => ended(() => reject(new StoreError('in-doubt', 'connection given up')));
      const lost = (): void => end(() => reject(new StoreError('in-doubt', 'connection lost')));
      if (o.down()) return lost();
      if (faults.happens('commit transient', 0.02 * intensity))
        return end(() => reject(new StoreError('transient', 'could not serialize access')));
      if (faults.happens('commit lost-unapplied', 0.02 * intensity)) return lost();
      // A constraint of a companion table that names nobody; two events of one actor are sent one by one then, and go through.
      const unnamed = batch.companions.length > 0 && batch.journal.length > 2 && faults.happens('commit unnamed', 0.02 * intensity);
      const there = latency() / 2 + slow('commit slow');
      const answerLost = faults.happens('commit lost-applied', 0.03 * intensity);
      // The connection breaks first and the statement ends later. It cannot outlive what companions of others were decided on, see 7.4.
      const lingers = batch.companions.length === 0 && faults.happens('commit lost-late', 0.01 * intensity);
      if (lingers) lost();
      const land = (): void => {
        if (o.fenced.has(o.node) || (over && !lingers)) return;
        if (!process.alive && faults.happens('commit dies with its process', 0.4)) return;
        if (!process.alive && faults.happens('commit outlives its process', 0.6)) {
          const actors = new Set(batch.journal.map((row) => row.actorId));
          const last: Parked = {
            node: o.node,
            actors,
            land: async () => {
              if (o.parked.delete(last) && !o.fenced.has(o.node)) await apply(lane, batch).catch(() => undefined);
            },
          };
          o.parked.add(last);
          loop.plan(random() * 8_000, () => void last.land());
          return;
        }
        const answered = async (): Promise<void> => {
          try {
            // The worst moment is just before another statement for the same actor.
            if (unnamed && !standing(batch)) throw new StoreError('companion', 'a constraint of a companion table fired');
            for (const other of o.parked) if (batch.journal.some((row) => other.actors.has(row.actorId))) await other.land();
            await apply(lane, batch);
            if (answerLost && !lingers) lost();
            else if (!lingers) end(resolve);
          } catch (error) {
            if (!lingers) end(() => reject(error instanceof Error ? error : new Error(String(error))));
          }
        };
        void answered();
      };
      loop.plan(lingers ? there + random() * 100 : there, land);
    });
  }

  const wrapped: Partial<Record<string, unknown>> = {
    ...store,
    start: async () => undefined,
    stop: async () => undefined,
    fence: (former?: Former) =>
      call('fence', async () => {
        const ended = o.dead().filter((node) => former?.nodes.includes(node) ?? true);
        for (const node of ended) o.fenced.add(node);
        return ended.length;
      }),
    kernels: () => call('kernels', async () => o.connected()),
    openLane: async (n: number, loose = false): Promise<Lane> => {
      const lane = await store.openLane(n, loose);
      if (loose) relaxed.add(lane);
      const line: { drop?: () => void } = {};
      return { commit: (batch) => commit(lane, batch, line), drop: () => line.drop?.(), close: async () => undefined };
    },
  };
  for (const name of CALLS) {
    const inner = store[name] as (...args: unknown[]) => Promise<unknown>;
    wrapped[name] = (...args: unknown[]) => call(name, () => inner(...args));
  }
  wrapped['projections'] = Object.fromEntries(
    Object.entries(store.projections as unknown as { [name: string]: (...args: unknown[]) => Promise<unknown> }).map(([name, inner]) => [
      name,
      (...args: unknown[]) => call(name, () => inner(...args)),
    ]),
  );
  wrapped['saveSnapshots'] = (rows: readonly SnapshotRow[]) =>
    call('saveSnapshots', async () => {
      await store.saveSnapshots(rows);
      o.onSaved(rows);
    });
  const { lifecycle, admin } = store;
  wrapped['admin'] = { ...admin, vitals: () => call('vitals', async () => ({ ...(await admin.vitals()), wall: o.wall() })) };
  wrapped['lifecycle'] = {
    ...lifecycle,
    prune: (actors: Parameters<typeof lifecycle.prune>[0]) =>
      call('prune', async () => {
        const done = await lifecycle.prune(actors, PRUNED);
        o.onPruned();
        return done;
      }),
    conclude: (farewell: Parameters<typeof lifecycle.conclude>[0]) =>
      call('conclude', async () => {
        const done = await lifecycle.conclude(farewell);
        if (done) o.onConcluded(farewell.actorId);
        return done;
      }),
    trim: (...args: Parameters<typeof lifecycle.trim>) => call('trim', () => lifecycle.trim(...args)),
  } satisfies Partial<JournalStore['lifecycle']>;
  const load: JournalStore['load'] = async (ids, relaxed) => {
    const found = await store.load(ids, relaxed);
    return new Map([...found].map(([id, one]) => [id, { ...one, keys: one.keys.slice(Math.max(0, one.keys.length - MARK * o.memory)) }]));
  };
  wrapped['load'] = (...args: Parameters<JournalStore['load']>) => call('load', () => load(...args));
  return wrapped as unknown as JournalStore;
}
