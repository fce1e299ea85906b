/** The gauges of the jobs table, also while the database is silent. */
import { rm } from 'node:fs/promises';
import test from 'ava';
import type { Knex } from 'knex';
import { Counter, Registry } from 'prom-client';
import { z } from 'zod';
import { openDatabase } from '../../server/db/database.ts';
import { newIds } from '../../server/ids.ts';
import { jobKind } from '../../server/jobs/jobs.ts';
import { queueMetrics } from '../../server/jobs/metrics.ts';
import { createTableJobs } from '../../server/jobs/table.ts';
import { FakeClock } from '../support/clock.ts';
import { embeddedDir } from '../support/embedded.ts';
import { KeptLog } from '../support/kernel.ts';

const gauges = (text: string): string[] =>
  text.split('\n').filter((line) => /^thrum_queue_(depth|dlq_size|oldest_waiting_seconds)\{/.test(line));

test('all gauges of one scrape are of one count', async (t) => {
  const dir = await embeddedDir();
  const log = new KeptLog();
  const database = await openDatabase({ dataDir: dir }, log);
  t.teardown(async () => {
    await database.close();
    await rm(dir, { recursive: true, force: true });
  });
  const clock = new FakeClock();
  const registry = new Registry();
  queueMetrics({ registry, knex: database.knex, clock, log });
  const kind = jobKind({ queue: 'q', kind: 'k', payload: z.strictObject({}), run: async () => undefined });
  const jobs = createTableJobs({ knex: database.knex, kinds: [kind], clock, random: () => 0.5, newId: newIds(() => clock.wall()), log });
  await jobs.enqueue(database.knex, { queue: 'q', kind: 'k', payload: {} });
  await clock.advance(7_000);
  t.deepEqual(gauges(await registry.metrics()).toSorted(), [
    'thrum_queue_depth{queue="q",status="waiting"} 1',
    'thrum_queue_oldest_waiting_seconds{queue="q"} 7',
  ]);
  await database.knex.raw(`update jobs set status = 'dead', dead_at = now(), finished_at = now()`);
  t.deepEqual(gauges(await registry.metrics()).toSorted(), [
    'thrum_queue_depth{queue="q",status="dead"} 1',
    'thrum_queue_dlq_size{queue="q"} 1',
  ]);
});

for (const [what, raw] of [
  ['is silent', () => new Promise(() => undefined)],
  ['refuses', () => Promise.reject(new Error('no connection'))],
] as const)
  test(`a database that ${what} costs a scrape its own gauges and a second, not the others`, async (t) => {
    const clock = new FakeClock();
    const registry = new Registry();
    const log = new KeptLog();
    new Counter({ name: 'thrum_other_total', help: 'another', registers: [registry] }).inc();
    queueMetrics({ registry, knex: { raw } as unknown as Knex, clock, log });
    const scraped = registry.metrics();
    await clock.advance(1_000);
    const text = await scraped;
    t.regex(text, /^thrum_other_total 1$/m);
    t.deepEqual(gauges(text), []);
    t.deepEqual(
      log.lines.map((l) => l.level),
      ['warn'],
    );
  });
