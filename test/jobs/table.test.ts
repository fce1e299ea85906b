import { rm } from 'node:fs/promises';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { z } from 'zod';
import { openDatabase } from '../../server/db/database.ts';
import type { Database } from '../../server/db/database.ts';
import { newIds } from '../../server/ids.ts';
import { backoffMs } from '../../server/jobs/backoff.ts';
import { JobFailure, jobKind } from '../../server/jobs/jobs.ts';
import type { AnyJobKind, Jobs } from '../../server/jobs/jobs.ts';
import { pruneJob } from '../../server/jobs/prune.ts';
import { createTableJobs } from '../../server/jobs/table.ts';
import { FakeClock } from '../support/clock.ts';
import { embeddedDir } from '../support/embedded.ts';
import { KeptLog } from '../support/kernel.ts';
import { until } from '../support/until.ts';

let dir: string;
let database: Database;

test.before(async () => {
  dir = await embeddedDir();
  database = await openDatabase({ dataDir: dir }, new KeptLog());
});
test.beforeEach(async () => {
  await database.knex.raw('delete from jobs');
});
test.after.always(async () => {
  await database.close();
  await rm(dir, { recursive: true, force: true });
});

interface Bench {
  readonly jobs: Jobs;
  readonly clock: FakeClock;
  // oxlint-disable-next-line typescript/no-explicit-any -- rows asserted by value
  readonly rows: () => Promise<Record<string, any>[]>;
  /** advances the clock in steps until `fn` holds */
  readonly until: (fn: () => boolean | Promise<boolean>, stepMs?: number) => Promise<void>;
}

async function bench(
  t: ExecutionContext,
  kinds: readonly AnyJobKind[],
  o: { exclusive?: boolean; clock?: FakeClock; start?: boolean } = {},
): Promise<Bench> {
  const clock = o.clock ?? new FakeClock();
  const jobs = createTableJobs({
    knex: database.knex,
    kinds,
    clock,
    random: () => 0.5,
    newId: newIds(() => clock.wall()),
    log: new KeptLog(),
    concurrency: { q: 3 },
    ...(o.exclusive === undefined ? {} : { exclusive: o.exclusive }),
  });
  if (o.start !== false) await jobs.start();
  t.teardown(() => jobs.stop());
  return {
    jobs,
    clock,
    rows: async () => (await database.knex.raw('select * from jobs order by job_id')).rows,
    until: (fn, stepMs = 0) =>
      until(async () => {
        if (await fn()) return true;
        if (stepMs > 0) await clock.advance(stepMs);
        return false;
      }),
  };
}

const kind = (run: AnyJobKind['run'], more: Partial<AnyJobKind> = {}): AnyJobKind =>
  jobKind({ queue: 'q', kind: 'k', payload: z.object({ n: z.number() }), run, ...more });

test.serial('a job of a committed transaction runs once, one of a rolled back never', async (t) => {
  const ran: number[] = [];
  const { jobs, until, rows } = await bench(t, [kind(async ({ payload }) => void ran.push(payload.n))]);
  await database.knex.transaction(async (tx) => {
    await jobs.enqueue(tx, { queue: 'q', kind: 'k', payload: { n: 1 } });
  });
  await t.throwsAsync(
    database.knex.transaction(async (tx) => {
      await jobs.enqueue(tx, { queue: 'q', kind: 'k', payload: { n: 2 } });
      throw new Error('no');
    }),
  );
  jobs.wake('q');
  await until(async () => (await rows())[0]?.['status'] === 'done');
  t.deepEqual(ran, [1]);
  t.is((await rows()).length, 1);
});

test.serial('an unfinished job with the same dedupe key makes a second one a no-op', async (t) => {
  const { jobs, until, rows } = await bench(t, [kind(async () => undefined)]);
  const job = { queue: 'q', kind: 'k', payload: { n: 1 }, dedupeKey: 'd' };
  t.truthy(await jobs.enqueue(database.knex, { ...job, runAt: Date.UTC(2027, 2, 1, 8, 0, 10) }));
  t.is(await jobs.enqueue(database.knex, job), undefined);
  await until(async () => (await rows())[0]?.['status'] === 'done', 1_000);
  t.truthy(await jobs.enqueue(database.knex, job));
});

test.serial('a failing job is tried at 0, 5, 15, 35 and 75 s and is dead then (A65)', async (t) => {
  const at: number[] = [];
  let clock: FakeClock;
  const b = await bench(t, [
    kind(
      async () => {
        at.push(clock.wall());
        throw new Error('broken');
      },
      { attempts: 5, backoff: { base: 5_000, cap: 60_000 } },
    ),
  ]);
  clock = b.clock;
  const start = clock.wall();
  await b.jobs.enqueue(database.knex, { queue: 'q', kind: 'k', payload: { n: 1 } });
  b.jobs.wake('q');
  for (let n = 1; n <= 5; n += 1) {
    await b.until(async () => {
      const row = (await b.rows())[0]!;
      return row.attempts === n && row.status !== 'active';
    }, 500);
  }
  const waited = at.map((x) => Math.floor((x - start) / 1_000));
  t.is(waited.length, 5);
  for (const [i, s] of [0, 5, 15, 35, 75].entries()) t.true(Math.abs(waited[i]! - s) <= 8, waited.join(' '));
  const row = (await b.rows())[0]!;
  t.like(row, { status: 'dead', dead_reason: 'max_attempts', attempts: 5 });
  t.is(row['errors'].length, 5);
});

test('waits double up to the cap, listed waits are taken as listed, both within a fifth', (t) => {
  t.deepEqual(
    [1, 2, 3, 4].map((n) => backoffMs({ base: 5_000, cap: 30_000 }, n, 0.5)),
    [5_000, 10_000, 20_000, 30_000],
  );
  t.is(backoffMs({ base: 5_000, cap: 30_000 }, 1, 0), 4_000);
  t.is(backoffMs({ delays: [5_000, 300_000], jitter: 0.1 }, 2, 0), 270_000);
});

test.serial('what cannot be retried, is unknown or has a bad payload is dead at once', async (t) => {
  const { jobs, until, rows } = await bench(t, [
    kind(async () => {
      throw new JobFailure('NEVER', 'no use', { retryable: false });
    }),
  ]);
  for (const job of [
    { kind: 'k', payload: { n: 1 } },
    { kind: 'k', payload: { n: 'one' } },
    { kind: 'unknown', payload: {} },
  ])
    await jobs.enqueue(database.knex, { queue: 'q', ...job });
  jobs.wake('q');
  await until(async () => (await rows()).every((r) => r['status'] === 'dead'));
  t.deepEqual((await rows()).map((r) => String(r['errors'][0]?.code)).sort(), ['BAD_PAYLOAD', 'NEVER', 'UNKNOWN_KIND']);
});

test.serial('at most so many jobs of a queue run at once, the urgent first', async (t) => {
  const order: number[] = [];
  let running = 0;
  let most = 0;
  const { jobs, until, rows } = await bench(
    t,
    [
      kind(async ({ payload }) => {
        running += 1;
        most = Math.max(most, running);
        order.push(payload.n);
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
        running -= 1;
      }),
    ],
    {},
  );
  for (let n = 0; n < 9; n += 1) await jobs.enqueue(database.knex, { queue: 'q', kind: 'k', payload: { n }, priority: n });
  jobs.wake('q');
  await until(async () => (await rows()).every((r) => r['status'] === 'done'));
  t.true(most <= 3);
  t.deepEqual(order.slice(0, 3), [8, 7, 6]);
});

test.serial('a time-out aborts the attempt and counts', async (t) => {
  const signals: AbortSignal[] = [];
  const stuck = kind(
    ({ signal }) => {
      signals.push(signal);
      return new Promise(() => undefined);
    },
    { timeout: 2_000, attempts: 1 },
  );
  const { jobs, until, rows } = await bench(t, [stuck]);
  await jobs.enqueue(database.knex, { queue: 'q', kind: 'k', payload: { n: 1 } });
  jobs.wake('q');
  await until(async () => (await rows())[0]?.['status'] === 'dead', 500);
  t.true(signals[0]?.aborted);
  t.is((await rows())[0]!['errors'][0]?.code, 'TIMEOUT');
});

test.serial('the locks of a dead process expire, or are void at once when it was the only one', async (t) => {
  const clock = new FakeClock();
  const never = await bench(t, [kind(() => new Promise(() => undefined), { timeout: 600_000 })], { clock });
  await never.jobs.enqueue(database.knex, { queue: 'q', kind: 'k', payload: { n: 1 } });
  never.jobs.wake('q');
  await never.until(async () => (await never.rows())[0]?.['status'] === 'active');
  let ran = 0;
  const heir = await bench(t, [kind(async () => void (ran += 1))], { clock, exclusive: true });
  heir.jobs.wake('q');
  await heir.until(async () => (await heir.rows())[0]?.['status'] === 'done');
  t.is(ran, 1);
  t.is((await heir.rows())[0]?.['attempts'], 2);
});

test.serial('draining waits for what runs and gives the rest back', async (t) => {
  const b = await bench(t, [
    kind(({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))), {
      timeout: 600_000,
    }),
  ]);
  await b.jobs.enqueue(database.knex, { queue: 'q', kind: 'k', payload: { n: 1 } });
  b.jobs.wake('q');
  await b.until(async () => (await b.rows())[0]?.['status'] === 'active');
  const drained = b.jobs.drain(1_000);
  await b.clock.advance(1_000);
  await drained;
  t.like((await b.rows())[0]!, { status: 'waiting', attempts: 0 });
});

test.serial('a standing job has one row for ever and comes back after its interval, failed or not', async (t) => {
  let ran = 0;
  const b = await bench(t, [
    kind(
      async () => {
        ran += 1;
        if (ran === 1) throw new Error('once');
      },
      { every: 60_000, payload: z.object({}) },
    ),
  ]);
  await b.until(() => ran === 1, 100);
  await b.until(() => ran === 3, 5_000);
  t.is((await b.rows()).length, 1);
  t.true(b.clock.wall() - Date.UTC(2027, 2, 1, 8) >= 120_000);
});

test.serial('records of finished jobs go after a week; dead ones wait for an operator', async (t) => {
  const clock = new FakeClock();
  const at = (daysAgo: number): Date => new Date(clock.wall() - daysAgo * 86_400_000);
  const row = (job_id: string, status: string, daysAgo: number) => ({
    job_id,
    queue: 'q',
    kind: 'k',
    payload: '{}',
    status,
    max_attempts: 8,
    run_at: at(daysAgo),
    finished_at: at(daysAgo),
  });
  const id = (n: number): string => `00000000-0000-4000-8000-00000000000${n}`;
  await database.knex('jobs').insert([row(id(1), 'done', 8), row(id(2), 'done', 6), row(id(3), 'dead', 30)]);
  const { run } = pruneJob({ knex: database.knex, clock });
  await run({} as never);
  const left = (await database.knex('jobs').orderBy('job_id').select('job_id')) as { job_id: string }[];
  t.deepEqual(
    left.map((r) => r.job_id),
    [id(2), id(3)],
  );
});

test.serial('a runner that is stopped right after its start has ended its questions, and gives back what it had just taken', async (t) => {
  const { jobs } = await bench(t, [kind(async () => t.fail('a stopped runner started a job'))], { start: false });
  await jobs.enqueue(database.knex, { queue: 'q', kind: 'k', payload: { n: 1 } });
  const asked: string[] = [];
  const note = ({ sql }: { sql: string }): void => void asked.push(sql);
  await jobs.start();
  await jobs.stop();
  database.knex.on('query', note);
  t.teardown(() => database.knex.off('query', note));
  const { rows } = (await database.knex.raw('select status, attempts from jobs')) as { rows: object[] };
  t.deepEqual(rows, [{ status: 'waiting', attempts: 0 }]);
  t.is(asked.length, 1, 'nobody asks after the stop');
});
