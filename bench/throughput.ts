/** P1 to P4 and P7: durable commands on a database against raw rows and the naive design, and their latency at half of that load. */
import { registryOf } from '../actors/companion.ts';
import { createPgStore } from '../actors/store/pg.ts';
import type { JournalRow } from '../actors/store/store.ts';
import type { ActorSystem } from '../actors/system.ts';
import type { Database } from '../server/db/database.ts';
import { naive, rawJournal } from './baselines.ts';
import type { Connect } from './baselines.ts';
import { alternate, bounded, compare, flood, median, quantile } from './harness.ts';
import type { Contender, Plan, Rates, Row } from './harness.ts';
import { stepKind } from './kind.ts';
import { nullStore } from './null-store.ts';
import { ACTORS, IN_FLIGHT, populate, spread, step, stepSystem } from './system.ts';

const HOT_IN_FLIGHT = 256;
const NAIVE_CONNECTIONS = 32;
const SAMPLE_ROWS = 20_480;

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

export const everywhere = (name: string, system: ActorSystem): Contender => ({
  name,
  run: (ms) => spread(system, ACTORS, IN_FLIGHT, ms),
});

const hot = (name: string, system: ActorSystem): Contender => ({
  name,
  run: (ms) => flood(HOT_IN_FLIGHT, ms, (i) => step(system, 'hot', i)),
});

/** Milliseconds of each of the commands that are sent evenly at `rate` per second, whether or not those before them are answered. */
async function paced(system: ActorSystem, rate: number, ms: number): Promise<number[]> {
  const times: number[] = [];
  const under: Promise<void>[] = [];
  const began = performance.now();
  const one = async (i: number): Promise<void> => {
    const due = began + (i / rate) * 1_000;
    await step(system, i % ACTORS, i);
    times.push(performance.now() - due);
  };
  for (let i = 0; performance.now() < began + ms;) {
    for (; i < ((performance.now() - began) / 1_000) * rate; i += 1) under.push(one(i));
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  await Promise.all(under);
  return times;
}

/** Milliseconds of commits of `rows` journal rows each, one after the other. */
async function rawCommits(connect: Connect, sample: readonly JournalRow[], rows: number, ms: number): Promise<number[]> {
  const times: number[] = [];
  const raw = rawJournal('commit', connect, 1, sample, { batch: rows, seen: (took) => times.push(took) });
  await raw.run(ms);
  await raw.close?.();
  return times;
}

async function latency(db: Database, system: ActorSystem, sample: readonly JournalRow[], rate: number, plan: Plan): Promise<Row[]> {
  const connect = () => db.connect({ pipeline: false });
  const own: { p50: number[]; p99: number[] } = { p50: [], p99: [] };
  const raw: { p50: number[]; p99: number[] } = { p50: [], p99: [] };
  const note = (to: typeof own, times: readonly number[]): void => {
    to.p50.push(quantile(times, 0.5));
    to.p99.push(quantile(times, 0.99));
  };
  for (let round = 0; round < plan.rounds; round += 1) {
    const times = await paced(system, rate / 2, plan.ms);
    note(own, times);
    // as many rows as arrive while one commit is under way
    const rows = Math.max(1, Math.round((rate / 2 / 1_000) * (quantile(times, 0.5) / 1.5)));
    note(raw, await rawCommits(connect, sample, rows, plan.ms / 2));
  }
  const what = `latency at ${Math.round(rate / 2).toLocaleString('en-US')} commands/s, against commits of as many rows`;
  return [
    bounded({ id: 'P7', what: `${what}, median`, values: own.p50, by: raw.p50, unit: 'ms', atMost: 2 }),
    bounded({ id: 'P7p99', what: `${what}, 99th percentile`, values: own.p99, by: raw.p99, unit: 'ms', atMost: 4 }),
  ];
}

/** Kernel, raw inserts and the naive design on one database, in turns; afterwards `more` on the same kernel. */
async function measure(
  db: Database,
  plan: Plan,
  say: Say,
  more: (rates: Rates, system: ActorSystem, sample: readonly JournalRow[]) => Promise<readonly Row[]>,
): Promise<readonly Row[]> {
  const sample = await journalSample();
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
  const rows = await more(rates, system, sample);
  await system.drain(10_000);
  for (const { close } of contenders) await close?.();
  await store.stop();
  return rows;
}

export const onServer = (db: Database, plan: Plan, say: Say, wanted: (id: string) => boolean): Promise<readonly Row[]> =>
  measure(db, plan, say, async (rates, system, sample) => [
    compare(rates, { id: 'P1', what: 'durable commands, PostgreSQL, against R', of: 'kernel', by: 'R', atLeast: 0.45 }),
    compare(rates, { id: 'P3', what: 'the same against the naive design, 32 connections', of: 'kernel', by: 'N', atLeast: 7 }),
    compare(rates, { id: 'P4', what: 'one hot actor against P1', of: 'hot', by: 'kernel', atLeast: 0.8 }),
    ...(wanted('P7') ? await latency(db, system, sample, median(rates.get('kernel') ?? []), plan) : []),
  ]);

export const onWorker = (db: Database, plan: Plan, say: Say): Promise<readonly Row[]> =>
  measure(db, plan, say, async (rates) => [
    compare(rates, { id: 'P2', what: 'durable commands, PGlite in a worker, against R', of: 'kernel', by: 'R', atLeast: 0.45 }),
    compare(rates, { id: 'P2n', what: 'the same against the naive design, one connection', of: 'kernel', by: 'N' }),
    compare(rates, { id: 'P2h', what: 'one hot actor against P2', of: 'hot', by: 'kernel' }),
  ]);
