/** What nodes do in Redis, one act for each of their parts, between two of them; each may be repeated. */
import type { ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import { Registry } from 'prom-client';
import { z } from 'zod';
import type { Frame } from '../../actors/bus/bus.ts';
import type { NodeInfo } from '../../actors/shard/leases.ts';
import { breaker } from '../../machines/breaker/kind.ts';
import { ruleSets } from '../../machines/breaker/rules.ts';
import { createCache } from '../../server/cache/cache.ts';
import type { Cache } from '../../server/cache/cache.ts';
import { redisSecond } from '../../server/cache/second.ts';
import { Told } from '../../server/cache/tags.ts';
import { systemClock } from '../../server/clock.ts';
import { newIds } from '../../server/ids.ts';
import { memoryLocks, MOST_FAILURES } from '../../server/identity/locks.ts';
import { createBullJobs } from '../../server/jobs/bull.ts';
import { JobFailure, jobKind } from '../../server/jobs/jobs.ts';
import { sharedLimiters } from '../../server/limits/shared.ts';
import { Circuit } from '../../server/outgoing/circuit.ts';
import { createCircuits, News } from '../../server/outgoing/circuits.ts';
import type { CircuitsDeps } from '../../server/outgoing/circuits.ts';
import { createRedisBus } from '../../server/redis/bus.ts';
import { redisChannel } from '../../server/redis/channel.ts';
import type { RedisClient } from '../../server/redis/client.ts';
import type { RedisKeys } from '../../server/redis/keys.ts';
import { createRedisLeases } from '../../server/redis/leases.ts';
import { createRedisLocks } from '../../server/redis/locks.ts';
import { createRedisRoster } from '../../server/redis/roster.ts';
import { KeptLog, testKernel } from './kernel.ts';
import { until } from './until.ts';

export interface Ends {
  readonly a: RedisClient;
  readonly b: RedisClient;
  readonly keys: RedisKeys;
  readonly knex: Knex;
}

type Act = (t: ExecutionContext, ends: Ends) => Promise<void>;

const newId = newIds(() => Date.now());
const ignore = (): void => undefined;

const leases: Act = async (t, { a, b, keys }) => {
  const [x, y] = [createRedisLeases({ redis: a.commands, keys }), createRedisLeases({ redis: b.commands, keys })];
  const info = (id: string): NodeInfo => {
    return { id, started: 1, build: 1, versions: {}, weight: 100, database: true, clock: true, address: id };
  };
  const [me, other] = [`x-${newId()}`, `y-${newId()}`];
  await x.renew(info(me));
  t.deepEqual(
    (await y.renew(info(other))).nodes.map((n) => n.id),
    [me, other],
  );
  const granted = await x.claim([1, 2], me);
  t.is(granted.length, 2);
  t.deepEqual(await y.claim([1], other), []);
  t.is((await x.transfer(granted, me, other)).length, 2);
  t.is((await y.table()).slots.get(2)?.node, other);
  await x.leave(me);
  await y.leave(other);
};

const bus: Act = async (t, { a, b, keys }) => {
  const [x, y] = [a, b].map((client) => createRedisBus({ client, keys, log: new KeptLog() })) as [
    ReturnType<typeof createRedisBus>,
    ReturnType<typeof createRedisBus>,
  ];
  const heard: Frame[] = [];
  await x.open('x', ignore);
  await y.open('y', (_, frame) => heard.push(frame));
  await until(async () => (await x.send('y', { f: 'ping' })) === 1, 'the frame has a receiver');
  await x.broadcast({ f: 'table' });
  await until(() => ['ping', 'table'].every((f) => heard.some((frame) => frame.f === f)), 'both frames have come');
  await Promise.all([x.close(), y.close()]);
  t.is(await a.commands.ping(), 'PONG');
};

const limits: Act = async (t, { a, b, keys }) => {
  const [x, y] = [a, b].map(({ commands: redis }) =>
    sharedLimiters({ redis, keys, clock: systemClock })('tries', { perSecond: 0.01, burst: 10 }),
  );
  const key = newId();
  for (let i = 0; i < 10; i += 1) t.true(x?.take(key).ok);
  await until(() => {
    y?.take(key);
    // nothing is asked for: the sum of both nodes is the reason
    return y?.take(key, 0).ok === false;
  }, 'the other node refuses');
  x?.giveBack(key, 5);
};

const locks: Act = async (t, { a, b, keys }) => {
  const [x, y] = [a, b].map(({ commands: redis }) => createRedisLocks({ redis, keys, here: memoryLocks(() => 0) }));
  const key = newId();
  for (let i = 0; i < MOST_FAILURES; i += 1) await (i % 2 === 0 ? x : y)?.failed(key);
  t.true(((await y?.lockedMs(key)) ?? 0) > 0);
  await y?.forget(key);
  t.is(await x?.lockedMs(key), 0);
};

const roster: Act = async (t, { a, b, keys }) => {
  const x = createRedisRoster({ client: a, keys, node: 'x', log: new KeptLog() });
  const y = createRedisRoster({ client: b, keys, node: 'y', log: new KeptLog() });
  const told: string[] = [];
  y.onTold((subjects) => void told.push(...(subjects ?? [])));
  const subject = `user:${newId()}`;
  let n = 0;
  await until(async () => {
    n += 1;
    await x.exchange(new Map([[subject, { say: new Map([['x/1', String(n)]]), list: false }]]), true);
    return told.includes(subject);
  }, 'the other node is told');
  const listed = async () => (await y.exchange(new Map([[subject, { say: new Map(), list: true }]]), false)).get(subject)?.entries;
  t.deepEqual([...((await listed()) ?? [])], [['x/1', String(n)]]);
  await x.exchange(new Map([[subject, { say: new Map([['x/1', undefined]]), list: false }]]), true);
  t.is((await listed())?.size, 0);
  x.close();
  y.close();
};

function cacheOf(client: RedisClient, keys: RedisKeys): Cache {
  const report = { counted: ignore, tripped: ignore, probed: ignore };
  const circuit = new Circuit({ rules: ruleSets.dependency, wall: () => systemClock.wall(), random: () => 0.5, report });
  return createCache({
    clock: systemClock,
    random: () => 0.5,
    newId,
    log: new KeptLog(),
    registry: new Registry(),
    bytes: 1_000_000,
    second: redisSecond({ redis: client.commands, keys, circuit, clock: systemClock, patienceMs: 30_000 }),
    channel: redisChannel({ client, name: keys.cacheTold, schema: Told, log: new KeptLog() }),
  });
}

const cache: Act = async (t, { a, b, keys }) => {
  const [x, y] = [cacheOf(a, keys), cacheOf(b, keys)];
  const [tag, key] = [newId(), newId()];
  const things = (of: Cache) => of.namespace<string>({ name: 'things', version: 1, freshMs: 600_000 });
  const [atX, atY] = [things(x), things(y)];
  t.is(await atX.get(key, async () => 'first', [tag]), 'first');
  await until(async () => (await a.commands.exists(keys.cached(`things:1:${key}`))) === 1, 'Redis has the entry');
  t.is(await atY.get(key, async () => 'of its own', [tag]), 'first');
  await until(async () => {
    // what one node tells the others may be lost
    await y.invalidate([tag]);
    return (await atX.get(key, async () => 'second', [tag])) === 'second';
  }, 'the other node computes again');
  x.stop();
  y.stop();
};

const circuits: Act = async (t, { a, b, keys }) => {
  const k = await testKernel({ kinds: [breaker] });
  const deps = { clock: k.clock, random: () => 0.5, newId, log: new KeptLog() };
  const at = (client: RedisClient, actors: ReturnType<CircuitsDeps['actors']>) => {
    const made = createCircuits({
      ...deps,
      actors: () => actors,
      registry: new Registry(),
      news: redisChannel({ client, name: keys.circuits, schema: News, log: new KeptLog() }),
    });
    made.start();
    return made;
  };
  const { system } = k;
  const near = at(a, system);
  // does not hear what the actor publishes
  const far = at(b, { ask: (...x) => system.ask(...x), read: (...x) => system.read(...x), onPublish: () => ignore });
  // a name that no other act has used: news of the last one may still come
  const names = Array.from({ length: 200 }, () => `push:${newId()}`);
  await until(async () => {
    const name = names.pop();
    if (name === undefined) return true;
    const [here, there] = [near.of(name, 'remote'), far.of(name, 'remote')];
    for (let i = 0; i < 5; i += 1) {
      const leave = here.admit();
      if (leave.ok) here.settle(leave, 'failed', 10);
    }
    await k.clock.advance(0);
    await b.commands.ping();
    return there.state === 'open';
  }, 'the other node has opened too');
  t.true(names.length > 0);
  near.stop();
  far.stop();
};

const jobs: Act = async (t, { a, b, keys, knex }) => {
  const ran: number[] = [];
  const kind = jobKind({
    queue: 'acts',
    kind: 'act',
    payload: z.object({ n: z.number() }),
    attempts: 2,
    backoff: { base: 20, cap: 40 },
    run: async ({ payload: { n }, attempt }) => {
      if (n === 2 && attempt === 1) throw new Error('once');
      if (n === 3) throw new JobFailure('NEVER', 'no use', { retryable: false });
      ran.push(n);
    },
  });
  const runners = [a, b].map((redis) => {
    return createBullJobs({
      knex,
      kinds: [kind],
      clock: systemClock,
      random: () => 0.5,
      newId,
      log: new KeptLog(),
      redis,
      keys,
      pollMs: 50,
    });
  });
  for (const runner of runners) await runner.start();
  const [first] = runners;
  await knex.raw('delete from jobs');
  const ids: (string | undefined)[] = [];
  for (const n of [1, 2, 3])
    ids.push(await first?.enqueue(knex, { queue: 'acts', kind: 'act', payload: { n }, runAt: Date.now() + 100 * n }));
  first?.wake('acts');
  const dead = async (): Promise<number> => a.commands.llen(keys.deadJobs('acts'));
  await until(async () => ran.length === 2 && (await dead()) === 1, 'two are done and one is dead');
  t.deepEqual(
    ran.toSorted((x, y) => x - y),
    [1, 2],
  );
  t.true(await first?.discard('acts', ids[2] ?? ''));
  t.is(await dead(), 0);
  for (const runner of runners) {
    await runner.drain(10);
    await runner.stop();
  }
};

export const acts: { readonly [name: string]: Act } = { leases, bus, limits, locks, roster, cache, circuits, jobs };
