import test from 'ava';
import { z } from 'zod';
import { deadJobs } from '../../server/jobs/dead.ts';
import { queueHealth } from '../../server/jobs/health.ts';
import { JobFailure, jobKind } from '../../server/jobs/jobs.ts';
import type { AnyJobKind } from '../../server/jobs/jobs.ts';
import { listJobs } from '../../server/jobs/list.ts';
import { failingAt, interposed, openRunners } from '../support/job-runners.ts';
import { clientOf } from '../support/redis.ts';
import { until } from '../support/until.ts';

const { each } = await openRunners(test);

const kind = (run: AnyJobKind['run'], more: Partial<AnyJobKind> = {}): AnyJobKind =>
  jobKind({ queue: 'q', kind: 'k', payload: z.object({ n: z.number() }), run, backoff: { base: 20, cap: 40 }, ...more });
const job = (n: number) => ({ queue: 'q', kind: 'k', payload: { n } });

each('a job of a committed transaction runs once, one of a rolled back never', async (t, r) => {
  const ran: number[] = [];
  const { jobs } = await r.node([kind(async ({ payload }) => void ran.push(payload.n))]);
  const { knex } = r.database;
  await knex.transaction(async (tx) => void (await jobs.enqueue(tx, job(1))));
  await t.throwsAsync(
    knex.transaction(async (tx) => {
      await jobs.enqueue(tx, job(2));
      throw new Error('no');
    }),
  );
  jobs.wake('q');
  t.is((await r.settled('done')).length, 1);
  t.deepEqual(ran, [1], r.name);
});

each('nobody has to wake the runner, and a delayed job does not run early', async (t, r) => {
  const at: number[] = [];
  const { jobs } = await r.node([kind(async () => void at.push(Date.now()))]);
  const due = Date.now() + 300;
  await jobs.enqueue(r.database.knex, { ...job(1), runAt: due });
  await r.settled('done');
  t.is(at.length, 1);
  t.true(at[0]! >= due, r.name);
});

each('an unfinished job with the same dedupe key makes a second one a no-op', async (t, r) => {
  let finish = (): void => undefined;
  const mayEnd = new Promise<void>((resolve) => (finish = resolve));
  const { jobs } = await r.node([kind(() => mayEnd)]);
  const { knex } = r.database;
  t.truthy(await jobs.enqueue(knex, { ...job(1), dedupeKey: 'd' }));
  t.is(await jobs.enqueue(knex, { ...job(2), dedupeKey: 'd' }), undefined);
  finish();
  await r.settled('done');
  t.truthy(await jobs.enqueue(knex, { ...job(3), dedupeKey: 'd' }), r.name);
  t.is((await r.settled('done')).length, 2);
});

each('a failing job is tried as often as its kind says, keeps its errors and is dead then', async (t, r) => {
  const attempts: number[] = [];
  const failing = kind(
    async ({ attempt }) => {
      attempts.push(attempt);
      throw new Error(`broken ${attempt}`);
    },
    { attempts: 4 },
  );
  const { jobs } = await r.node([failing]);
  await jobs.enqueue(r.database.knex, job(1));
  const [row] = await r.settled('dead');
  t.deepEqual(attempts, [1, 2, 3, 4], r.name);
  t.like(row, { dead_reason: 'max_attempts', attempts: 4 });
  t.deepEqual(
    row!['errors'].map((e: { message: string }) => e.message),
    [1, 2, 3, 4].map((n) => `broken ${n}`),
  );
});

each('an attempt that only had to wait is not counted, and waits as long as it asked', async (t, r) => {
  const at: number[] = [];
  const { jobs } = await r.node([
    kind(
      async () => {
        at.push(Date.now());
        if (at.length <= 3) throw new JobFailure('BUSY', 'later', { counts: false, retryAfterMs: 60 });
      },
      { attempts: 2 },
    ),
  ]);
  await jobs.enqueue(r.database.knex, job(1));
  const [row] = await r.settled('done');
  t.is(row!['attempts'], 1, r.name);
  t.deepEqual(row!['errors'], []);
  for (let i = 1; i < at.length; i += 1) t.true(at[i]! - at[i - 1]! >= 60, String(at));
});

each('what cannot be retried, is unknown or has a bad payload is dead at once', async (t, r) => {
  const { jobs } = await r.node([
    kind(async () => {
      throw new JobFailure('NEVER', 'no use', { retryable: false });
    }),
  ]);
  for (const one of [job(1), { ...job(2), payload: { n: 'one' } }, { ...job(3), kind: 'unknown' }])
    await jobs.enqueue(r.database.knex, one);
  const rows = await r.settled('dead');
  t.deepEqual(rows.map((row) => String(row['errors'][0]?.code)).toSorted(), ['BAD_PAYLOAD', 'NEVER', 'UNKNOWN_KIND'], r.name);
});

each('no more jobs of a queue run at once than it has places', async (t, r) => {
  let running = 0;
  let most = 0;
  const { jobs } = await r.node([
    kind(async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
    }),
  ]);
  for (let n = 0; n < 30; n += 1) await jobs.enqueue(r.database.knex, { ...job(n), priority: n });
  jobs.wake('q');
  t.is((await r.settled('done')).length, 30);
  t.true(most >= 1 && most <= 3, `${r.name}: ${most}`);
});

each('the urgent job of a backlog goes first', async (t, r) => {
  const order: number[] = [];
  const { jobs } = await r.node([kind(async ({ payload }) => void order.push(payload.n))], { concurrency: { q: 1 }, start: false });
  for (const n of [1, 9, 5, 7]) await jobs.enqueue(r.database.knex, { ...job(n), priority: n, runAt: 1_000 });
  await jobs.start();
  await r.settled('done');
  // Bull hands out the first before the second is known to it
  t.deepEqual(
    r.redis === undefined ? order : order.slice(1),
    r.redis === undefined ? [9, 7, 5, 1] : order.slice(1).toSorted((a, b) => b - a),
    r.name,
  );
});

each('a time-out aborts the attempt and counts', async (t, r) => {
  const signals: AbortSignal[] = [];
  const stuck = kind(
    ({ signal }) => {
      signals.push(signal);
      return new Promise(() => undefined);
    },
    { timeout: 100, attempts: 1 },
  );
  const { jobs } = await r.node([stuck]);
  await jobs.enqueue(r.database.knex, job(1));
  const [row] = await r.settled('dead');
  t.true(signals[0]?.aborted, r.name);
  t.is(row!['errors'][0]?.code, 'TIMEOUT');
});

each('draining gives back what does not end, and the attempt does not count; the next node runs it', async (t, r) => {
  let started = 0;
  let ended = 0;
  const endless = kind(({ signal }) => {
    started += 1;
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
  });
  const first = await r.node([endless]);
  await first.jobs.enqueue(r.database.knex, job(1));
  await until(() => started === 1, 'the attempt');
  await first.jobs.drain(10);
  t.like((await r.rows())[0], { status: 'waiting', attempts: 0 }, r.name);
  await first.jobs.stop();
  await r.node([kind(async () => void (ended += 1))]);
  const [row] = await r.settled('done');
  t.is(row!['attempts'], 1);
  t.is(ended, 1);
});

each('several nodes share the work, and each job runs once', async (t, r) => {
  const ran = new Map<number, string[]>();
  const nodes = [];
  for (const name of r.many ? ['a', 'b', 'c'] : ['a'])
    nodes.push(await r.node([kind(async ({ payload }) => void ran.set(payload.n, [...(ran.get(payload.n) ?? []), name]))]));
  for (let n = 0; n < 120; n += 1) {
    const { jobs } = nodes[n % nodes.length]!;
    await jobs.enqueue(r.database.knex, job(n));
    jobs.wake('q');
  }
  t.is((await r.settled('done')).length, 120);
  t.is(ran.size, 120, r.name);
  t.true([...ran.values()].every((names) => names.length === 1));
});

each('a standing job has one row for ever and runs once each interval, however many nodes there are', async (t, r) => {
  const at: number[] = [];
  let running = 0;
  let most = 0;
  const standing = (): AnyJobKind =>
    kind(
      async () => {
        running += 1;
        most = Math.max(most, running);
        at.push(Date.now());
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
        if (at.length === 2) throw new Error('once');
      },
      { every: 150, payload: z.object({}) },
    );
  for (let n = 0; n < (r.many ? 3 : 1); n += 1) await r.node([standing()]);
  await until(() => at.length >= 5, 'five runs');
  t.is(most, 1, r.name);
  t.is((await r.rows()).length, 1);
  for (let i = 1; i < at.length; i += 1) t.true(at[i]! - at[i - 1]! >= 145, String(at));
});

each('a job whose runner has died runs again elsewhere, and is dead at the third time', async (t, r) => {
  const { jobs } = await r.node([kind(async () => undefined)], { start: false, lockMs: 3_000 });
  const id = await jobs.enqueue(r.database.knex, job(1));
  const died = { status: 'active', locked_by: 'gone', lock_until: new Date(Date.now() - 1) };
  await r.database.knex('jobs').where({ job_id: id }).update(died);
  await jobs.start();
  const [row] = await r.settled('done');
  t.like(row, { stalls: 1 }, r.name);
  const poison = await jobs.enqueue(r.database.knex, { ...job(2), runAt: Date.now() + 3_600_000 });
  await r.database
    .knex('jobs')
    .where({ job_id: poison })
    .update({ ...died, stalls: 2 });
  await r.settled('done', 'dead');
  t.is((await r.rows()).find((x) => x['job_id'] === poison)?.['dead_reason'], 'poison');
});

each('a standing job may lose its runner now and then, for ever: a run that ends makes up for it', async (t, r) => {
  let runs = 0;
  await r.node([jobKind({ queue: 'q', kind: 'stand', payload: z.object({}), every: 50, run: async () => void (runs += 1) })]);
  await until(() => runs > 0, 'the first run');
  await r.database.knex.raw('update jobs set stalls = 2');
  await until(async () => (await r.rows())[0]?.['stalls'] === 0, 'a run that ends');
  t.is((await r.rows()).length, 1, r.name);
});

each('a job that was being taken while the runner was told to stop goes back, and does not run', async (t, r) => {
  let taken = (): void => undefined;
  let answer = (): void => undefined;
  const isTaken = new Promise<void>((resolve) => (taken = resolve));
  const mayAnswer = new Promise<void>((resolve) => (answer = resolve));
  const knex = interposed(r.database.knex, "set status = 'active'", async (ask) => {
    const rows = await ask();
    if ((rows as { rows: unknown[] }).rows.length > 0) {
      taken();
      await mayAnswer;
    }
    return rows;
  });
  let ran = 0;
  const { jobs } = await r.node([kind(async () => void (ran += 1))], { knex });
  await jobs.enqueue(r.database.knex, job(1));
  await isTaken;
  await jobs.drain(10);
  answer();
  await jobs.stop();
  t.like((await r.rows())[0], { status: 'waiting', attempts: 0, locked_by: null, stalls: 0 }, r.name);
  t.is(ran, 0, r.name);
});

each('a runner stops although its database does not answer, and aborts what runs', async (t, r) => {
  const signals: AbortSignal[] = [];
  const endless = kind(({ signal }) => {
    signals.push(signal);
    return new Promise(() => undefined);
  });
  const dying = failingAt(r.database.knex, 'greatest(attempts - 1');
  const { jobs } = await r.node([endless], { knex: dying.knex });
  await jobs.enqueue(r.database.knex, job(1));
  await until(() => signals.length === 1, 'the attempt');
  await t.notThrowsAsync(jobs.drain(10), r.name);
  t.true(signals[0]?.aborted);
  t.is(dying.failed(), 1);
});

each('what was done and could not be written down is done again, and was no failed attempt', async (t, r) => {
  const dying = failingAt(r.database.knex, "set status = 'done'", 1);
  let ran = 0;
  const { jobs } = await r.node([kind(async () => void (ran += 1), { attempts: 1 })], { knex: dying.knex, lockMs: 3_000 });
  await jobs.enqueue(r.database.knex, job(1));
  const [row] = await r.settled('done', 'dead');
  t.like(row, { status: 'done', stalls: 1 }, r.name);
  t.is(ran, 2);
});

each('a dead job that is replayed does its work as a new one, once; a discarded one never runs again', async (t, r) => {
  const ran: number[] = [];
  let works = false;
  const { jobs } = await r.node([
    kind(
      async ({ payload }) => {
        if (!works) throw new JobFailure('BROKEN', 'no', { retryable: false });
        ran.push(payload.n);
      },
      { attempts: 1 },
    ),
  ]);
  const { knex } = r.database;
  const first = (await jobs.enqueue(knex, { ...job(1), dedupeKey: 'd' }))!;
  const second = (await jobs.enqueue(knex, job(2)))!;
  await r.settled('dead');
  const health = async () => (await queueHealth(knex, jobs.queues, Date.now())).find((q) => q.queue === 'q')!;
  t.like(await health(), { status: 'yellow', dead: 2, waiting: 0, active: 0 });
  t.deepEqual((await deadJobs(knex, { queue: 'q', limit: 9 })).map((d) => d.jobId).toSorted(), [first, second].toSorted());
  t.is((await deadJobs(knex, { queue: 'q', limit: 1 })).length, 1);
  const [newest] = await deadJobs(knex, { queue: 'q', limit: 1 });
  t.is((await deadJobs(knex, { queue: 'q', before: newest!.jobId, limit: 9 })).length, 1, r.name);

  const client = r.redis === undefined ? undefined : await clientOf(r.redis, r.keys);
  const listed = async (): Promise<number | undefined> => client?.commands.llen(r.keys.deadJobs('q'));
  await until(async () => client === undefined || (await listed()) === 2, 'the list of dead jobs');
  works = true;
  const replay = await jobs.replay('q', first, Date.now());
  t.is(replay.is, 'replayed');
  t.deepEqual(await jobs.replay('q', first, Date.now()), { is: 'unknown' }, 'only once');
  t.deepEqual(await jobs.replay('other', second, Date.now()), { is: 'unknown' }, 'of its own queue only');
  t.true(await jobs.discard('q', second));
  t.false(await jobs.discard('q', second));
  t.deepEqual(await jobs.replay('q', second, Date.now()), { is: 'unknown' });
  const rows = await r.settled('done', 'cancelled');
  t.deepEqual(ran, [1], r.name);
  const done = rows.find((row) => row['status'] === 'done')!;
  t.like(done, { replay_of: first, attempts: 1, dedupe_key: 'd' });
  t.is(rows.find((row) => row['job_id'] === first)!['replayed_by'], done['job_id']);
  t.like(await health(), { status: 'green', dead: 0, perMinute: 1 });
  t.is(await listed(), client === undefined ? undefined : 0);
  client?.close();
});

each('a dead job is not replayed while another one with its dedupe key is unfinished, nor before its time', async (t, r) => {
  const at: number[] = [];
  const { jobs } = await r.node([
    kind(async ({ payload }) => {
      at.push(Date.now());
      if (payload.n === 1 && at.length === 1) throw new JobFailure('BROKEN', 'no', { retryable: false });
    }),
  ]);
  const { knex } = r.database;
  const dead = (await jobs.enqueue(knex, { ...job(1), dedupeKey: 'd' }))!;
  await r.settled('dead');
  const other = (await jobs.enqueue(knex, { ...job(2), dedupeKey: 'd', runAt: Date.now() + 3_600_000 }))!;
  t.deepEqual(await jobs.replay('q', dead, Date.now()), { is: 'waiting' });
  await knex.raw('delete from jobs where job_id = ?', [other]);
  const due = Date.now() + 300;
  t.is((await jobs.replay('q', dead, due)).is, 'replayed');
  await r.settled('done', 'cancelled');
  t.true(at[1]! >= due, r.name);
});

each('of a stopped queue nothing begins at any node; it goes on where it stood', async (t, r) => {
  const ran: string[] = [];
  const work = (): AnyJobKind[] => [
    kind(async ({ payload }) => void ran.push(`q${payload.n}`)),
    kind(async ({ payload }) => void ran.push(`other${payload.n}`), { queue: 'other', kind: 'o' }),
  ];
  const nodes = await Promise.all((r.many ? ['a', 'b'] : ['a']).map(() => r.node(work())));
  const [first, last] = [nodes[0]!.jobs, nodes.at(-1)!.jobs];
  const { knex } = r.database;
  const pause = { by: 'mia', reason: 'the disk is full', since: 1_000 };
  await first.pause('q', pause);
  await first.pause('q', { ...pause, reason: 'the first reason stays' });
  for (let n = 0; n < 6; n += 1) {
    for (const { jobs } of nodes) await jobs.enqueue(knex, { ...job(n), runAt: 1_000 });
    for (const { jobs } of nodes) jobs.wake('q');
    // another queue works, so somebody has looked
    await last.enqueue(knex, { queue: 'other', kind: 'o', payload: { n } });
    await until(() => ran.includes(`other${n}`), 'the other queue works');
  }
  t.is(ran.length, 6, r.name);
  const health = async () => (await queueHealth(knex, first.queues, Date.now())).find((q) => q.queue === 'q');
  t.like(await health(), { waiting: 6 * nodes.length, active: 0, paused: pause });
  t.true(await last.resume('q'));
  t.false(await first.resume('q'));
  t.is((await r.settled('done')).length, 6 + 6 * nodes.length);
  t.is(ran.length, 6 + 6 * nodes.length, r.name);
  t.is((await health())?.paused, undefined);
});

each('a job that is promoted does not wait for its time; one that has not begun can be given up, a standing one cannot', async (t, r) => {
  const ran: number[] = [];
  const standing = jobKind({ queue: 'q', kind: 's', payload: z.object({}), every: 3_600_000, run: async () => undefined });
  const { jobs } = await r.node([kind(async ({ payload }) => void ran.push(payload.n)), standing]);
  const { knex } = r.database;
  const later = { runAt: Date.now() + 3_600_000 };
  const [promoted, discarded] = [await jobs.enqueue(knex, { ...job(1), ...later }), await jobs.enqueue(knex, { ...job(2), ...later })];
  if (r.redis !== undefined) await until(async () => (await r.rows()).every((row) => row['relayed_at'] !== null), 'Bull lets them sleep');
  const listed = async (o: object) =>
    (await listJobs(knex, { queue: 'q', limit: 9, now: Date.now(), ...o })).map(({ jobId, state }) => `${jobId} ${state}`);
  t.deepEqual((await listed({ state: 'delayed' })).slice(0, 2).toSorted(), [`${promoted} delayed`, `${discarded} delayed`].toSorted());
  t.false(await jobs.promote('other', promoted!), 'of its own queue only');
  t.true(await jobs.promote('q', promoted!));
  await until(() => ran.length === 1, 'it runs');
  await until(async () => (await listed({ of: promoted }))[0] === `${promoted} done`, 'it is done');
  t.false(await jobs.promote('q', promoted!));
  t.true(await jobs.discard('q', discarded!));
  t.deepEqual(await listed({ state: 'cancelled' }), [`${discarded} cancelled`]);
  t.false(await jobs.promote('q', discarded!));
  const stands = (await r.rows()).find((row) => row['kind'] === 's')!;
  t.false(await jobs.discard('q', stands['job_id'] as string), r.name);
  t.deepEqual(ran, [1], r.name);
});

each('a queue is red when a job has been due for five minutes, yellow after one', async (t, r) => {
  const { jobs } = await r.node([kind(async () => undefined)], { start: false });
  await jobs.enqueue(r.database.knex, job(1));
  const statusIn = async (ms: number) => (await queueHealth(r.database.knex, ['idle', 'q'], Date.now() + ms)).map((q) => q.status);
  t.deepEqual(await statusIn(1_000), ['green', 'green']);
  t.deepEqual(await statusIn(62_000), ['green', 'yellow']);
  t.deepEqual(await statusIn(302_000), ['green', 'red'], r.name);
  const counted = async () => (await queueHealth(r.database.knex, ['q'], Date.now() + 60_500))[0]!;
  t.like(await counted(), { waiting: 1, delayed: 0, retrying: 0 });
  t.true(Number.isInteger((await counted()).oldestWaitingAgeS), 'whole seconds');
  await r.database.knex.raw(`update jobs set attempts = 2, status = 'delayed', run_at = now() + interval '1 hour'`);
  t.like(await counted(), { waiting: 0, delayed: 1, retrying: 1, oldestWaitingAgeS: 0 });
});
