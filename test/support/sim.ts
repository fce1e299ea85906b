/** A whole run of the simulation from one number, and the search for the fewest faults that still make it fail. */
import { fsck } from '../../actors/fsck.ts';
import { SLOTS } from '../../actors/ids.ts';
import { runtimeOf } from '../../actors/runtime.ts';
import type { JournalStore } from '../../actors/store/store.ts';
import { client, followed, History, open, Subscriber } from './sim-clients.ts';
import { lookBack } from './sim-reads.ts';
import { Kills } from './sim-kill.ts';
import type { Kill } from './sim-kill.ts';
import { Violation } from './sim-witness.ts';
import { kinds, World } from './sim-world.ts';
import type { Fuse, WorldOptions } from './sim-world.ts';

export interface RunOptions extends WorldOptions {
  /** where the process dies; only a kernel that asks at its awaits knows */
  readonly kill?: Kill;
  /** virtual ms that the world goes on after the last answer */
  readonly quietMs?: number;
}

export interface Run {
  readonly seed: number;
  readonly fuse: Fuse;
  readonly nodes: number;
  readonly failure: Error | undefined;
  /** names of the faults that happened */
  readonly faults: readonly string[];
  readonly steps: number;
  readonly events: number;
  /** messages that were committed with the event that sends them */
  readonly fused: number;
  /** events that retention has removed */
  readonly removed: number;
  /** actors that had ended and are gone */
  readonly ended: number;
  /** how often each await was reached, and whether the process died at the chosen one */
  readonly reached: ReadonlyMap<string, number>;
  readonly killed: boolean;
}

const MAX_STEPS = 120_000;
const QUIET_MS = 150_000;
const PATIENCE_MS = 90_000;

/** steps between two checks of the whole store */
const FSCK_STEPS = 500;

const runtimes = new Map(kinds.map((kind) => [kind.kind, runtimeOf(kind)]));

/** At any moment the store is what a crash would leave: the check of a database must find nothing in it. */
async function sound(w: World, store: JournalStore = w.store): Promise<void> {
  await fsck(store, runtimes, {
    now: w.wall(),
    found: ({ invariant, ref, what }) => {
      throw new Violation(`${invariant}: fsck says of ${ref}: ${what}`);
    },
  });
}

/**
 * The store for a check that does not ask what the tables show. Among several nodes a commit may come late, from a node that has lost the slot: it
 * is shown by that node in a moment, or by the owner's second look, while the owner's cursor has passed the time of the event.
 */
const unshown = ({ store }: World): JournalStore => ({ ...store, projections: { ...store.projections, cursors: async () => new Map() } });

/** When nothing is under way everything is shown, whatever the cursors say. */
async function shown(w: World): Promise<void> {
  const { projections } = w.store;
  const everything = new Map(Array.from({ length: SLOTS }, (_, slot) => [slot, Number.POSITIVE_INFINITY]));
  const builds = await projections.builds();
  if (builds.length < 2 || builds.some((b) => b.doneAt === null))
    throw new Violation(`I13: not every projection is built: ${JSON.stringify(builds)}`);
  await sound(w, { ...w.store, projections: { ...projections, cursors: async () => everything } });
}

/** Clients do their work; faults happen for a while. */
async function work(
  w: World,
  h: History,
  o: { readonly who: number; readonly ready: Promise<void>; readonly also: () => void },
): Promise<void> {
  const clients = 4 + w.chance.below('shape', 3);
  const ops = w.chance.pick('shape', [15, 30, 30, 60, 120]);
  const left = { clients };
  for (let who = o.who; who < o.who + clients; who += 1) {
    o.ready
      .then(() => client(w, h, who, ops))
      .catch((error: unknown) => w.fail(error))
      .finally(() => {
        left.clients -= 1;
      });
  }
  const healAt = w.loop.time + 30_000;
  while (left.clients > 0) {
    await w.step();
    if (w.loop.steps % FSCK_STEPS === 0) await sound(w, w.cluster !== undefined ? unshown(w) : w.store);
    o.also();
    if (!w.faults.over && w.loop.time > healAt) w.heal();
    if (w.loop.steps > MAX_STEPS) throw new Violation(`${left.clients} clients still wait for an answer`);
  }
  w.heal();
}

/** The next day: what was done is old, and retention removes some of it while clients work and look back. */
async function nextDay(w: World, h: History): Promise<void> {
  await quiet(w);
  await w.nextDay();
  await until(w, w.loop.time + 40_000 + w.chance.below('days', 20_000));
  w.reopen();
  const also = (): void => {
    if (w.loop.steps % 50 === 0) lookBack(w).catch((error: unknown) => w.fail(error));
  };
  await work(w, h, { who: 10, ready: Promise.resolve(), also });
}

async function live(w: World, quietMs: number): Promise<void> {
  const h = new History(w);
  let over = false;
  const subscribers = followed.map((t) => new Subscriber(w, t));
  w.start();
  const opened = open(w, h);
  const working = work(w, h, { who: 0, ready: opened, also: () => undefined });
  for (const s of subscribers) s.follow(() => over).catch((error: unknown) => w.fail(error));
  await working;
  if (w.chance.below('days', 4) === 0) await nextDay(w, h);
  await until(w, w.loop.time + quietMs);
  over = true;
  await quiet(w);
  const end = { settled: false };
  Promise.all(subscribers.map((s) => s.settle()))
    .catch((error: unknown) => w.fail(error))
    .finally(() => {
      end.settled = true;
    });
  while (!end.settled) await w.step();
  w.check();
  await shown(w);
  h.check(w);
}

async function until(w: World, time: number): Promise<void> {
  while (w.loop.time < time) {
    await w.step();
    if (w.loop.steps > MAX_STEPS) throw new Violation('the node is never done');
  }
}

/** Everything must come to rest; what has not after a while never will. */
async function quiet(w: World): Promise<void> {
  const last = w.loop.time + PATIENCE_MS;
  for (;;) {
    try {
      w.witness.quiet();
      return;
    } catch (error) {
      if (w.loop.time > last) throw error;
    }
    await until(w, w.loop.time + 5_000);
  }
}

export async function simulate(o: RunOptions): Promise<Run> {
  const w = new World(o);
  const kills = new Kills(o.kill, () => w.crashRunning());
  const onRejection = (reason: unknown): void => w.fail(reason);
  process.on('unhandledRejection', onRejection);
  let failure: Error | undefined;
  try {
    kills.install();
    await live(w, o.quietMs ?? QUIET_MS);
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
  } finally {
    process.off('unhandledRejection', onRejection);
    kills.remove();
  }
  const { events, fused, removed, ended } = w.witness;
  const faults = w.faults.fired;
  return {
    seed: o.seed,
    fuse: o.fuse ?? 'coin',
    nodes: o.nodes ?? 1,
    failure,
    faults,
    steps: w.loop.steps,
    events,
    fused,
    removed,
    ended,
    reached: kills.reached,
    killed: kills.done,
  };
}

/** The invariant that a message names. */
const kindOf = (failure: Error | undefined): string => failure?.message.split(':')[0] ?? '';

/** The fewest faults, found by leaving out halves, quarters and so on, with which the seed still fails. */
export async function shrink(failed: Run, budget = 150): Promise<Run> {
  const { seed, fuse, nodes } = failed;
  const same = (run: Run): boolean => run.failure !== undefined && kindOf(run.failure) === kindOf(failed.failure);
  let best = failed;
  let parts = 2;
  let runs = 0;
  while (best.faults.length > 0 && runs < budget) {
    const now = best.faults;
    const size = Math.max(1, Math.ceil(now.length / parts));
    let smaller: Run | undefined;
    for (let i = 0; i < now.length && runs < budget; i += size) {
      const kept = now.filter((_, at) => at < i || at >= i + size);
      runs += 1;
      const run = await simulate({ seed, fuse, nodes, only: new Set(kept) });
      if (same(run)) {
        smaller = run;
        break;
      }
    }
    if (smaller !== undefined) best = smaller;
    else if (size === 1) break;
    else parts = Math.min(now.length, parts * 2);
  }
  return best;
}

export const replayLine = (run: Run): string =>
  `npm run simulate -- --seed ${run.seed} --nodes ${run.nodes} --fuse ${run.fuse}${run.faults.length > 60 ? '' : ` --only '${run.faults.join(',')}'`} --trace`;
