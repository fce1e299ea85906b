/** What only jobs of a cluster can meet: a Redis that is emptied, away or another one, and what Bull does. */
import test from 'ava';
import { z } from 'zod';
import { JobFailure, jobKind } from '../../server/jobs/jobs.ts';
import type { AnyJobKind } from '../../server/jobs/jobs.ts';
import { failingAt, interposed, openRunners } from '../support/job-runners.ts';
import { clientOf, redisUnderTest } from '../support/redis.ts';
import { until } from '../support/until.ts';

const { bull, alone, sets } = await openRunners(test);

const kind = (run: AnyJobKind['run'], more: Partial<AnyJobKind> = {}): AnyJobKind =>
  jobKind({ queue: 'q', kind: 'k', payload: z.object({ n: z.number() }), run, backoff: { base: 20, cap: 40 }, ...more });
const job = (n: number) => ({ queue: 'q', kind: 'k', payload: { n } });

bull('a row that is due and not to be had is not asked for a thousand times', async (t, r) => {
  let asked = 0;
  const knex = interposed(r.database.knex, "set status = 'active'", (ask) => {
    asked += 1;
    return ask();
  });
  const { jobs } = await r.node([kind(async () => undefined)], { knex });
  const id = await jobs.enqueue(r.database.knex, { ...job(1), runAt: Date.now() + 400 });
  await until(async () => (await r.rows())[0]?.['relayed_at'] !== null, 'the relay');
  // its runner has died, and nobody has noticed yet
  await r.database
    .knex('jobs')
    .where({ job_id: id })
    .update({ status: 'active', locked_by: 'gone', lock_until: new Date(Date.now() - 1) });
  await r.settled('done');
  t.true(asked < 20, `${r.name}: ${asked}`);
});

bull('as many queues as there may be listen to one connection without a warning', async (t, r) => {
  const warnings: string[] = [];
  const hear = ({ name }: Error): void => void warnings.push(name);
  process.on('warning', hear);
  t.teardown(() => process.off('warning', hear));
  const ran = new Set<string>();
  const queues = Array.from({ length: 12 }, (_, i) => `q${i}`);
  const { jobs } = await r.node(
    queues.map((queue) => jobKind({ queue, kind: queue, payload: z.object({}), run: async () => void ran.add(queue) })),
  );
  for (const queue of queues) await jobs.enqueue(r.database.knex, { queue, kind: queue, payload: {} });
  await r.settled('done');
  t.is(ran.size, queues.length, r.name);
  t.deepEqual(warnings, []);
});

alone('a job outlives an emptied Redis and runs once (K64)', async (t, r) => {
  const ran: number[] = [];
  const { jobs } = await r.node([kind(async ({ payload }) => void ran.push(payload.n))], { forgottenMs: 200 });
  await jobs.enqueue(r.database.knex, { ...job(1), runAt: Date.now() + 600 });
  await until(async () => (await r.rows())[0]?.['relayed_at'] !== null, 'the relay');
  await r.server!.kill();
  await r.server!.start();
  await r.settled('done');
  t.deepEqual(ran, [1]);
});

alone('while Redis is away the nodes take from the table what is late', async (t, r) => {
  const ran: number[] = [];
  const work = (): AnyJobKind => kind(async ({ payload }) => void ran.push(payload.n));
  const { jobs } = await r.node([work()], { forgottenMs: 200 });
  await r.node([work()], { forgottenMs: 200 });
  await r.server!.kill();
  try {
    for (let n = 0; n < 20; n += 1) await jobs.enqueue(r.database.knex, job(n));
    await r.settled('done');
  } finally {
    await r.server!.start();
  }
  for (let n = 20; n < 40; n += 1) await jobs.enqueue(r.database.knex, job(n));
  t.is((await r.settled('done')).length, 40);
  t.deepEqual(
    ran.toSorted((a, b) => a - b),
    Array.from({ length: 40 }, (_, n) => n),
  );
});

alone('what has piled up while Redis is away is worked off without a pause between the jobs', async (t, r) => {
  const at: number[] = [];
  const { jobs } = await r.node([kind(async () => void at.push(Date.now()))]);
  await r.server!.kill();
  try {
    for (let n = 0; n < 90; n += 1) await jobs.enqueue(r.database.knex, { ...job(n), runAt: 1_000 });
    await r.settled('done');
  } finally {
    await r.server!.start();
  }
  // a look each five seconds that takes three would pause 29 times; a busy machine may do so now and then
  const pauses = at.slice(1).filter((ms, i) => ms - at[i]! > 3_000);
  t.true(pauses.length < 10, String(pauses.length));
});

bull('a node that dies between the add and its mark loses nothing and doubles nothing', async (t, r) => {
  const ran: number[] = [];
  const dying = failingAt(r.database.knex, 'set relayed_at');
  const relayOnly = kind(async () => t.fail('the first node only relays'));
  const first = await r.node([relayOnly], { knex: dying.knex, concurrency: { q: 0 } });
  await first.jobs.enqueue(r.database.knex, job(1));
  await until(() => dying.failed() > 1, 'the add');
  t.is((await r.rows())[0]!['relayed_at'], null);
  await first.jobs.stop();
  await r.node([kind(async ({ payload }) => void ran.push(payload.n))]);
  await r.settled('done');
  const { jobs } = await r.node([kind(async ({ payload }) => void ran.push(payload.n))]);
  await jobs.enqueue(r.database.knex, job(2));
  await r.settled('done');
  t.deepEqual(ran, [1, 2]);
});

bull('dead jobs are listed in Redis too, the last first', async (t, r) => {
  const { jobs } = await r.node([kind(async () => Promise.reject(new JobFailure('NEVER', 'no use', { retryable: false })))]);
  const ids = [];
  for (const n of [1, 2]) {
    ids.unshift(await jobs.enqueue(r.database.knex, job(n)));
    await r.settled('dead');
  }
  const client = await clientOf(r.redis!, r.keys);
  try {
    let listed: string[] = [];
    await until(async () => (listed = await client.commands.lrange(r.keys.deadJobs('q'), 0, -1)).length === 2, 'the list');
    t.deepEqual(
      listed.map((text) => (JSON.parse(text) as { jobId: string; code: string }).jobId),
      ids,
    );
  } finally {
    client.close();
  }
});

test('a connection that waits for work may be asked to connect while it is connected: nobody hears of it, and it works on', async (t) => {
  const server = await redisUnderTest();
  if ('skip' in server) {
    t.pass(`skipped: ${server.skip}`);
    return;
  }
  const client = await clientOf(server);
  t.teardown(async () => {
    client.close();
    await server.stop();
  });
  const waiting = client.connect('jobs-x', 'blocking');
  await waiting.ping();
  await t.notThrowsAsync(waiting.connect());
  t.is(await waiting.ping(), 'PONG');
});

bull('what Bull lets sleep for longer than its row says is woken', async (t, r) => {
  const ran: number[] = [];
  const { jobs } = await r.node([kind(async ({ payload }) => void ran.push(payload.n))], { forgottenMs: 200 });
  await jobs.enqueue(r.database.knex, { ...job(1), runAt: Date.now() + 3_600_000 });
  await until(async () => (await r.rows())[0]?.['relayed_at'] !== null, 'Bull lets it sleep');
  // promoted by a node that Redis did not hear
  await r.database.knex.raw(
    "update jobs set status = 'waiting', run_at = now() - interval '1 minute', relayed_at = now() - interval '1 minute'",
  );
  await r.settled('done');
  t.deepEqual(ran, [1], r.name);
});

sets('jobs outlive a planned change of the primary and its loss, and each runs once (ADR 18)', async (t, r) => {
  const ran = new Map<number, number>();
  const work = (): AnyJobKind => kind(async ({ payload: { n } }) => void ran.set(n, (ran.get(n) ?? 0) + 1));
  const nodes = await Promise.all(['a', 'b'].map(() => r.node([work()], { forgottenMs: 1_000 })));
  const client = await clientOf(r.redis!, r.keys);
  t.teardown(() => client.close());
  /** jobs that Bull knows */
  const known = async (): Promise<number> => (await client.commands.keys(`${r.keys.queues}:q:[0-9a-f]*-*`)).length;
  let made = 0;
  const enqueue = async (delayMs: number): Promise<void> => {
    const { jobs } = nodes[made % nodes.length]!;
    await jobs.enqueue(r.database.knex, { ...job(made), runAt: Date.now() + delayMs });
    made += 1;
    jobs.wake('q');
  };
  // Sentinel takes its time to make a replica of a former primary
  for (const change of r.redis!.cluster === undefined ? (['killPrimary'] as const) : (['handOver', 'killPrimary'] as const)) {
    for (let n = 0; n < 10; n += 1) await enqueue(3_000);
    await until(async () => made - ran.size < 10 || (await known()) >= 10, 'ten jobs sleep in Bull');
    const over = new AbortController();
    const changed = r.set![change](r.keys.queues).finally(() => over.abort());
    while (!over.signal.aborted) {
      await enqueue(0);
      await until(() => over.signal.aborted || made - ran.size < 30, 'some have run');
    }
    await changed;
    t.is((await r.settled('done')).length, made, `${r.name}, ${change}`);
  }
  t.deepEqual(
    [...ran.values()].filter((times) => times !== 1),
    [],
    r.name,
  );
  t.is(ran.size, made);
  // Bull forgets its copy a moment after the attempt; one whose end the lost primary has not heard, when its lock of 30 s is over
  await until(async () => (await known().catch(() => 1)) === 0, 'nothing is left in Redis', 120_000);
});
