/**
 * Many actors, hot then warm, then a part of them at work for a long time on a PostgreSQL whose autovacuum runs as it comes: nothing may grow.
 * The long forms last minutes or hours (`npm run soak`), the short one lasts as many commands as the judgement needs.
 */
import { Registry } from 'prom-client';
import { registryOf } from '../actors/companion.ts';
import { createPgStore } from '../actors/store/pg.ts';
import { createActorSystem } from '../actors/system.ts';
import type { ActorSystem, CommandInput } from '../actors/system.ts';
import type { ActorRef, Principal } from '../actors/types.ts';
import type { Database } from '../server/db/database.ts';
import { median } from './harness.ts';
import { stepCommand, stepKind } from './kind.ts';
import { choreEffects, choreKind, CHORES } from './soak-kind.ts';
import { watched } from './soak-watch.ts';
import type { DatabaseLook } from './soak-watch.ts';
import { benchLog, realClock } from './system.ts';

/** idle actors are looked for every five seconds; turning all of them into text takes a moment more */
const SWEEPS = 10_000;
const IN_FLIGHT = 100;
const TEN_MINUTES = 600_000;
const QUIET_MS = 120_000;
/** for what the last commands have started: effects, messages, timers */
const SETTLE_MS = 1_000;
/** idempotency keys that an actor remembers: until they are full, it grows */
const KEYS = 256;

export interface Sample {
  /** ms since the first round */
  readonly at: number;
  /** commands since the beginning */
  readonly commands: number;
  readonly heap: number;
  readonly rss: number;
  readonly database: DatabaseLook;
}

export interface Soaked {
  /** heap bytes for each actor */
  readonly hot: number;
  readonly warm: number;
  /** bytes outside the heap for each actor when all are warm */
  readonly outside: number;
  /** one after each round, from when every busy actor remembers as many keys as it ever will */
  readonly samples: readonly Sample[];
  /** when all was done and autovacuum had its time */
  readonly rest: DatabaseLook;
}

export interface SoakPlan {
  readonly actors: number;
  /** actors of each kind that work */
  readonly busy: number;
  /** until so much has passed, but whole rounds */
  readonly until: { readonly ms: number } | { readonly rounds: number };
  /** commands of one round */
  readonly round: number;
}

const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** Memory after a full collection. @throws when the process was started without `--expose-gc` */
async function memory(): Promise<NodeJS.MemoryUsage> {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error('start it with --expose-gc');
  for (let i = 0; i < 3; i += 1) {
    gc();
    await sleep(10);
  }
  return process.memoryUsage();
}

const caller: Principal = { kind: 'user', id: 'soak', roles: ['user'] };

let keys = 0;

/** One command. A node that sheds load on a busy machine is asked again. @throws when it is refused */
async function told(system: ActorSystem, ref: ActorRef, command: CommandInput): Promise<void> {
  keys += 1;
  const key = `soak-${process.pid}-${keys}`;
  for (;;) {
    const reply = await system.ask(ref, command, { key, from: caller, deadline: 30_000 });
    if (reply.ok) return;
    if (reply.error.code !== 'OVERLOADED') throw new Error(`${ref} refused: ${reply.error.code} ${reply.error.detail ?? ''}`);
    await sleep(reply.error.retryAfterMs ?? 100);
  }
}

/** So many calls, a number of them at a time. */
async function each(from: number, count: number, call: (i: number) => Promise<void>): Promise<void> {
  let next = from;
  const client = async (): Promise<void> => {
    while (next < from + count) await call((next += 1));
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, client));
}

/** Waits until the tables that must empty have done so and the dead rows are gone, for two minutes at most. */
async function resting(look: () => Promise<DatabaseLook>): Promise<DatabaseLook> {
  const until = Date.now() + QUIET_MS;
  for (;;) {
    const seen = await look();
    if (untidy(seen).length === 0 || Date.now() > until) return seen;
    await sleep(500);
  }
}

/** @param say is told of the progress */
export async function soak(db: Database, plan: SoakPlan, say: (line: string) => void): Promise<Soaked> {
  const { actors, busy } = plan;
  await db.knex.raw(CHORES);
  const { source, look } = watched(db);
  const kinds = [stepKind, choreKind];
  const store = createPgStore(source, registryOf(kinds));
  // Longer than it takes to bring them into being, so that all are hot when they are measured.
  const warmAfter = Math.max(2_000, actors / 5);
  const system = createActorSystem({
    kinds,
    effects: choreEffects,
    store,
    clock: realClock,
    random: Math.random,
    log: benchLog,
    metrics: new Registry(),
    lanes: 2,
    limits: { activations: actors * 2, activationBytes: 2 ** 32, warmAfter },
  });
  await system.start();
  // Buffers, compiled code and prepared statements are not counted as actors.
  const born = (i: number): Promise<void> => told(system, `step:${i}`, stepCommand(i));
  const first = Math.ceil(actors / 20);
  await each(0, first, born);
  await sleep(warmAfter + SWEEPS);
  const before = await memory();
  const grown = actors - first;
  await each(first, grown, born);
  const hot = ((await memory()).heapUsed - before.heapUsed) / grown;
  say(`${actors} actors hot: ${Math.round(hot)} bytes of heap each`);
  await sleep(warmAfter + SWEEPS);
  const cooled = await memory();
  const warm = (cooled.heapUsed - before.heapUsed) / grown;
  const outside = (cooled.arrayBuffers - before.arrayBuffers) / grown;
  say(`${actors} actors warm: ${Math.round(warm)} bytes of heap each, ${Math.round(outside)} outside`);

  let commands = 0;
  // every second command does a chore, the others are plain steps
  const work = (i: number): Promise<void> => {
    const who = (i >> 1) % busy;
    if (i % 2 === 0) return told(system, `step:${who + 1}`, stepCommand(i));
    return told(system, `chore:${who}`, { type: 'chore.do', to: `chore:${(who + 1) % busy}` });
  };
  const round = async (count: number): Promise<void> => {
    await each(commands, count, work);
    commands += count;
    await sleep(SETTLE_MS);
  };
  // a chore is remembered with the note that it sends and the timer that follows
  await round(2 * busy * KEYS);
  say(`${commands} commands, and every busy actor remembers all it can`);
  const begin = Date.now();
  const samples: Sample[] = [];
  const enough = (): boolean => ('ms' in plan.until ? Date.now() - begin >= plan.until.ms : samples.length >= plan.until.rounds);
  while (!enough()) {
    await round(plan.round);
    const { heapUsed: heap, rss } = await memory();
    const database = await look();
    const at = Date.now() - begin;
    samples.push({ at, commands, heap, rss, database });
    say(`${Math.round(at / 1_000)} s: ${commands} commands, heap ${mib(heap)}, process ${mib(rss)}, ${described(database)}`);
  }
  const rest = await resting(look);
  say(`at rest: ${described(rest)}`);
  await system.drain(30_000);
  await store.stop();
  return { hot, warm, outside, samples, rest };
}

export const mib = (bytes: number): string => `${(bytes / 1_048_576).toFixed(1)} MiB`;

const described = ({ tables, prepared, backends }: DatabaseLook): string =>
  `dead ${tables.map((t) => `${t.table.replace(/^(thrum|soak)_/, '')} ${t.dead}`).join(', ')}; tables ${mib(
    tables.reduce((sum, t) => sum + t.size, 0),
  )}, ${prepared} statements, ${mib(backends)} in backends`;

// ------------------------------------------------------------------------------------------------------------- judgement

/** Growth from `x` to `y` by least squares. */
function lineOf(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (at: 0 | 1): number => points.reduce((sum, p) => sum + p[at], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const over = points.reduce((sum, p) => sum + (p[0] - x) * (p[1] - y), 0);
  const under = points.reduce((sum, p) => sum + (p[0] - x) ** 2, 0);
  return under === 0 ? 0 : over / under;
}

type Of = (s: Sample) => number;

/** Growth in ten minutes as a part of the median, over the samples after the first third: the median of all pairs, so that one odd sample is none. */
export function slope(samples: readonly Sample[], of: Of): number {
  const used = samples.slice(Math.ceil(samples.length / 3));
  const pairs = used.flatMap((s, i) => used.slice(i + 1).map((later) => (of(later) - of(s)) / (later.at - s.at)));
  return (median(pairs) * TEN_MINUTES) / median(used.map(of));
}

/** Bytes that each command leaves on the heap, over the samples after the first third. */
export const leftByCommand = (samples: readonly Sample[]): number =>
  lineOf(samples.slice(Math.ceil(samples.length / 3)).map((s) => [s.commands, s.heap]));

/** Tables in which something is left when all is done: rows that should have gone, or dead ones that nobody could clear. */
export const untidy = ({ tables }: DatabaseLook): string[] =>
  tables.flatMap(({ table, live, dead }) => {
    const empties = ['thrum_timer', 'thrum_outbox', 'soak_claims'].includes(table);
    // what autovacuum leaves alone by its own rule
    const most = 50 + 0.2 * live;
    return [...(empties && live > 0 ? [`${table}: ${live} rows left`] : []), ...(dead > most ? [`${table}: ${dead} dead rows`] : [])];
  });

/** Tables whose dead rows, or whose bytes, were clearly more in the last third than in the middle one. */
export function growing(samples: readonly Sample[]): string[] {
  const third = Math.floor(samples.length / 3);
  const [middle, last] = [samples.slice(third, 2 * third), samples.slice(2 * third)];
  const most = (part: readonly Sample[], table: string, of: 'dead' | 'size'): number =>
    Math.max(0, ...part.flatMap((s) => s.database.tables.filter((t) => t.table === table).map((t) => t[of])));
  const names = samples.at(-1)?.database.tables.map((t) => t.table) ?? [];
  return names.flatMap((table) =>
    (['dead', 'size'] as const).flatMap((of) => {
      const [then, now] = [most(middle, table, of), most(last, table, of)];
      return now > 1.5 * then + (of === 'dead' ? 1_000 : 1_048_576) ? [`${table}: ${of} from ${then} to ${now}`] : [];
    }),
  );
}
