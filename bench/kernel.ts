/** The kernel against its baselines (kernel.md 15.3, P1 to P5 and P9), on PostgreSQL and on the embedded database. */
import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { registryOf } from '../actors/companion.ts';
import { createPgStore } from '../actors/store/pg.ts';
import type { JournalRow } from '../actors/store/store.ts';
import type { ActorSystem } from '../actors/system.ts';
import { startPostgres } from '../scripts/private-postgres.ts';
import { openDatabase } from '../server/db/database.ts';
import type { Database } from '../server/db/database.ts';
import { naive, rawJournal } from './baselines.ts';
import { alternate, compare, flood, format } from './harness.ts';
import type { Contender, Plan, Row } from './harness.ts';
import type { HeapResult } from './heap.ts';
import { stepKind } from './kind.ts';
import { nullStore } from './null-store.ts';
import { plainActors } from './plain.ts';
import type { Bench } from './run.ts';
import { benchLog, populate, spread, step, stepSystem } from './system.ts';

const ACTORS = 10_000;
const IN_FLIGHT = 1_000;
const HOT_IN_FLIGHT = 256;
const NAIVE_CONNECTIONS = 32;
const SAMPLE_ROWS = 20_480;
/** on the disk, where the temporary folder may be memory */
const DISK = '/var/tmp';

type Say = (line: string) => void;

/** Journal rows as the kernel writes them for this load. */
async function journalSample(): Promise<readonly JournalRow[]> {
  const rows: JournalRow[] = [];
  const system = stepSystem(nullStore((batch) => rows.push(...batch.journal)));
  await system.start();
  await populate(system, ACTORS, IN_FLIGHT);
  rows.length = 0;
  while (rows.length < SAMPLE_ROWS) await spread(system, ACTORS, IN_FLIGHT, 100);
  await system.drain(5_000);
  return rows.slice(0, SAMPLE_ROWS);
}

const everywhere = (name: string, system: ActorSystem): Contender => ({
  name,
  run: (ms) => spread(system, ACTORS, IN_FLIGHT, ms),
});

const hot = (name: string, system: ActorSystem): Contender => ({
  name,
  run: (ms) => flood(HOT_IN_FLIGHT, ms, (i) => step(system, 'hot', i)),
});

/** Kernel, raw inserts and the naive design on one database, in turns. */
async function onDatabase(db: Database, sample: readonly JournalRow[], plan: Plan, say: Say) {
  const store = createPgStore(db, registryOf([stepKind]));
  const system = stepSystem(store);
  const connect = () => db.connect({ pipeline: false });
  await system.start();
  await populate(system, ACTORS, IN_FLIGHT);
  const contenders = [
    everywhere('kernel', system),
    rawJournal('R', connect, 1, sample),
    naive('N', connect, db.engine === 'pglite' ? 1 : NAIVE_CONNECTIONS, ACTORS),
    hot('hot', system),
  ];
  const rates = await alternate(contenders, plan, say);
  await system.drain(10_000);
  for (const { close } of contenders) await close?.();
  await store.stop();
  return rates;
}

async function postgres(sample: readonly JournalRow[], plan: Plan, say: Say): Promise<{ rows: Row[]; note: string }> {
  const server = await startPostgres({ shared_buffers: '256MB', max_wal_size: '4GB' }, DISK);
  if (server === undefined) return { rows: [], note: 'PostgreSQL: not installed, P1, P3 and P4 not measured' };
  try {
    const db = await openDatabase({ url: server.url, dataDir: DISK }, benchLog);
    say(`PostgreSQL ${db.version}`);
    const rates = await onDatabase(db, sample, plan, say);
    await db.close();
    return {
      rows: [
        compare(rates, { id: 'P1', what: 'durable commands, PostgreSQL, against R', of: 'kernel', by: 'R', atLeast: 0.4 }),
        compare(rates, { id: 'P3', what: 'the same against the naive design, 32 connections', of: 'kernel', by: 'N', atLeast: 10 }),
        compare(rates, { id: 'P4', what: 'one hot actor against P1', of: 'hot', by: 'kernel', atLeast: 0.5 }),
      ],
      note: `PostgreSQL ${db.version}, durability ${db.durability}, private, data on ${DISK}`,
    };
  } finally {
    await server.stop();
  }
}

async function embedded(sample: readonly JournalRow[], plan: Plan, say: Say): Promise<{ rows: Row[]; note: string }> {
  const dir = await mkdtemp(join(DISK, 'thrum-bench-'));
  try {
    const db = await openDatabase({ dataDir: dir }, benchLog);
    say(`PGlite, PostgreSQL ${db.version}`);
    const rates = await onDatabase(db, sample, plan, say);
    await db.close();
    return {
      rows: [
        compare(rates, { id: 'P2', what: 'durable commands, PGlite in a worker, against R', of: 'kernel', by: 'R', atLeast: 0.35 }),
        compare(rates, { id: 'P2n', what: 'the same against the naive design, one connection', of: 'kernel', by: 'N' }),
        compare(rates, { id: 'P2h', what: 'one hot actor against P2', of: 'hot', by: 'kernel' }),
      ],
      note: `PGlite with PostgreSQL ${db.version}, durability ${db.durability}, data on ${DISK}`,
    };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function memory(plan: Plan, say: Say): Promise<Row[]> {
  say('no database');
  const system = stepSystem(nullStore());
  await system.start();
  await populate(system, ACTORS, IN_FLIGHT);
  const rates = await alternate([everywhere('kernel', system), plainActors(ACTORS)], plan, say);
  await system.drain(5_000);
  return [compare(rates, { id: 'P5', what: 'kernel with a null store against plain XState actors', of: 'kernel', by: 'A', atLeast: 0.2 })];
}

async function heap(say: Say): Promise<Row> {
  const child = fork(fileURLToPath(new URL('heap.js', import.meta.url)), { execArgv: ['--expose-gc'] });
  const { kernel, plain } = await new Promise<HeapResult>((resolve, reject) => {
    child.once('message', (message) => resolve(message as HeapResult));
    child.once('exit', (code) => reject(new Error(`the heap measurement ended with ${code}`)));
  });
  say(`  heap of an idle actor beyond its context: ${format(kernel)} bytes; of a started XState actor: ${format(plain)} bytes`);
  const off = Math.max(kernel / 1_536, kernel / (0.4 * plain));
  return {
    id: 'P9',
    what: 'heap of a hot idle actor beyond its context, against XState',
    value: kernel,
    min: kernel,
    unit: 'bytes',
    baseline: plain,
    ratio: kernel / plain,
    target: '<= 0.4 and <= 1,536',
    ok: off <= 1,
    broken: off > 1.3,
  };
}

export const kernelBench: Bench = async (plan, say) => {
  const sample = await journalSample();
  const pg = await postgres(sample, plan, say);
  const lite = await embedded(sample, plan, say);
  return {
    rows: [...pg.rows, ...lite.rows, ...(await memory(plan, say)), await heap(say)],
    notes: [pg.note, lite.note, `${ACTORS} actors, ${IN_FLIGHT} in flight, one lane; R: rows in batches of 256 on one connection`],
  };
};
