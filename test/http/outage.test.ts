/** What an operator reads while something is away: the cause, once, and its end. */
import test from 'ava';
import { Registry } from 'prom-client';
import { calm } from '../../server/observe/calm.ts';
import { watchDatabase } from '../../server/observe/database.ts';
import { FakeClock, settle } from '../support/clock.ts';
import { KeptLog } from '../support/kernel.ts';

const told = (log: KeptLog): string[] => log.lines.flatMap(({ level, message }) => (level === 'debug' ? [] : [`${level} ${message}`]));

test('a warning about an error is told once a minute, with the number of those that were not', async (t) => {
  const clock = new FakeClock();
  const kept = new KeptLog();
  const log = calm(kept, clock);
  for (let s = 0; s < 61; s += 1) {
    log.warn({ err: new Error(`refused ${s}`) }, 'jobs cannot be taken');
    await clock.advance(1_000);
  }
  t.deepEqual(
    kept.lines.flatMap(({ level, fields }) => (level === 'warn' ? [(fields as { repeated?: number }).repeated] : [])),
    [undefined, 59],
  );
  t.is(kept.lines.length, 61, 'all of them at debug');
});

test('warnings of different works, warnings without an error and errors are all told', (t) => {
  const kept = new KeptLog();
  const log = calm(kept, new FakeClock());
  const err = new Error('refused');
  for (const work of ['cursors', 'directory']) log.warn({ err, work }, 'upkeep failed');
  for (let i = 0; i < 2; i += 1) log.warn({ ms: 300 }, 'slow turn');
  for (let i = 0; i < 2; i += 1) log.error({ err }, 'request failed');
  t.is(told(kept).length, 6);
});

test('a database that goes and comes back is told twice, and counted as away in between', async (t) => {
  const clock = new FakeClock();
  const log = new KeptLog();
  const registry = new Registry();
  let way: 'answers' | 'refuses' | 'hangs' = 'answers';
  const ask = (): Promise<unknown> =>
    way === 'hangs' ? new Promise(() => undefined) : way === 'answers' ? Promise.resolve() : Promise.reject(new Error('refused'));
  const up = async (): Promise<unknown> => (await registry.getSingleMetric('thrum_database_up')?.get())?.values[0]?.value;
  const news = watchDatabase({ ask, clock, log, registry });
  news.start();
  await clock.advance(10_000);
  t.is(await up(), 1);
  t.deepEqual(told(log), []);
  for (const ill of ['refuses', 'hangs'] as const) {
    way = ill;
    await clock.advance(20_000);
    t.is(await up(), 0, ill);
    t.deepEqual(told(log), ['error the database does not answer'], ill);
    way = 'answers';
    await clock.advance(7_000);
    t.is(await up(), 1, ill);
    t.deepEqual(told(log), ['error the database does not answer', 'info the database answers again'], ill);
    log.lines.length = 0;
  }
  news.stop();
  await settle();
  t.is(clock.pending, 0);
});
