/**
 * `npm run soak -- [--minutes 10] [--actors 100000]`: many actors, hot then warm, then a part of them at work for a long time, on a private
 * PostgreSQL. Ends with 1 when an actor takes more memory than it may, or when heap or memory of the process grow.
 */
import { parseArgs } from 'node:util';
import { registryOf } from '../actors/companion.ts';
import { createPgStore } from '../actors/store/pg.ts';
import type { JournalStore } from '../actors/store/store.ts';
import { startPostgres } from '../scripts/private-postgres.ts';
import { openDatabase } from '../server/db/database.ts';
import { stepKind } from './kind.ts';
import { nullStore } from './null-store.ts';
import { benchLog, populate, spread, stepSystem } from './system.ts';

/** Heap bytes of an idle actor with its context of eight keys; of a warm one what is left of it on the heap. */
export const HOT_BYTES = 2_560;
export const WARM_BYTES = 256;
/** growth of heap and of the memory of the process, as a part of it in ten minutes */
const SLOPE = 0.01;
/** idle actors are looked for every five seconds; turning all of them into text takes a moment more */
const SWEEPS = 10_000;
const ROUND = 15_000;
const IN_FLIGHT = 200;
const BUSY = 0.02;
const TEN_MINUTES = 600_000;

export interface Sample {
  /** ms since the beginning */
  readonly at: number;
  readonly heap: number;
  readonly rss: number;
}

export interface Soaked {
  /** heap bytes for each actor */
  readonly hot: number;
  readonly warm: number;
  /** bytes outside the heap for each actor when all are warm */
  readonly outside: number;
  readonly samples: readonly Sample[];
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

/** @param ms how long a part of the actors works after all have become warm */
export async function soak(store: JournalStore, actors: number, ms: number, say: (line: string) => void): Promise<Soaked> {
  // Longer than it takes to bring them into being, so that all are hot when they are measured.
  const warmAfter = Math.max(2_000, actors / 5);
  const system = stepSystem(store, 1, { activations: actors * 2, activationBytes: 2 ** 32, warmAfter });
  await system.start();
  // Buffers, compiled code and prepared statements are not counted as actors.
  await populate(system, Math.ceil(actors / 20), IN_FLIGHT);
  await sleep(warmAfter + SWEEPS);
  const before = await memory();
  const grown = actors - Math.ceil(actors / 20);
  await populate(system, actors, IN_FLIGHT);
  const hot = ((await memory()).heapUsed - before.heapUsed) / grown;
  say(`${actors} actors hot: ${Math.round(hot)} bytes of heap each`);
  await sleep(warmAfter + SWEEPS);
  const cooled = await memory();
  const warm = (cooled.heapUsed - before.heapUsed) / grown;
  const outside = (cooled.arrayBuffers - before.arrayBuffers) / grown;
  say(`${actors} actors warm: ${Math.round(warm)} bytes of heap each, ${Math.round(outside)} outside`);
  const samples: Sample[] = [];
  const begin = Date.now();
  while (Date.now() - begin < ms) {
    const rate = await spread(system, Math.ceil(actors * BUSY), IN_FLIGHT, Math.min(ROUND, ms));
    const { heapUsed: heap, rss } = await memory();
    samples.push({ at: Date.now() - begin, heap, rss });
    say(`${Math.round((Date.now() - begin) / 1_000)} s: ${Math.round(rate)} commands/s, heap ${mib(heap)}, process ${mib(rss)}`);
  }
  await system.drain(30_000);
  return { hot, warm, outside, samples };
}

const mib = (bytes: number): string => `${(bytes / 1_048_576).toFixed(1)} MiB`;

/** Growth in ten minutes as a part of the mean, by least squares over the samples after the first third. */
export function slope(samples: readonly Sample[], of: 'heap' | 'rss'): number {
  const used = samples.slice(Math.ceil(samples.length / 3));
  const mean = (pick: (s: Sample) => number): number => used.reduce((sum, s) => sum + pick(s), 0) / used.length;
  const [x, y] = [mean((s) => s.at), mean((s) => s[of])];
  const over = used.reduce((sum, s) => sum + (s.at - x) * (s[of] - y), 0);
  const under = used.reduce((sum, s) => sum + (s.at - x) ** 2, 0);
  return under === 0 ? 0 : ((over / under) * TEN_MINUTES) / y;
}

export async function main(): Promise<number> {
  const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' }, actors: { type: 'string', default: '100000' } } });
  const [ms, actors] = [Number(values.minutes) * 60_000, Number(values.actors)];
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const server = await startPostgres({ fsync: 'off' }, '/var/tmp');
  const db = server === undefined ? undefined : await openDatabase({ url: server.url, dataDir: '/var/tmp' }, benchLog);
  say(db === undefined ? 'no PostgreSQL: nothing is stored' : `PostgreSQL ${db.version}`);
  const store = db === undefined ? nullStore() : createPgStore(db, registryOf([stepKind]));
  try {
    const { hot, warm, samples } = await soak(store, actors, ms, say);
    const [heap, rss] = [slope(samples, 'heap'), slope(samples, 'rss')];
    say(`growth in ten minutes: heap ${(heap * 100).toFixed(2)} %, process ${(rss * 100).toFixed(2)} %`);
    const ok = hot <= HOT_BYTES && warm <= WARM_BYTES && heap < SLOPE && rss < SLOPE;
    say(ok ? 'within the bounds' : 'beyond the bounds');
    return ok ? 0 : 1;
  } finally {
    await store.stop();
    await db?.close();
    await server?.stop();
  }
}
