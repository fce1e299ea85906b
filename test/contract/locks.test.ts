/** What locks of accounts promise, at one node and at several that share a Redis (biosync B0b.2). */
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { memoryLocks, MOST_FAILURES, WINDOW_MS } from '../../server/identity/locks.ts';
import type { Locks } from '../../server/identity/locks.ts';
import { redisKeys } from '../../server/redis/keys.ts';
import type { RedisClient } from '../../server/redis/client.ts';
import { createRedisLocks } from '../../server/redis/locks.ts';
import { clientOf, namespace, redisUnderTest } from '../support/redis.ts';

const redis = await redisUnderTest();
const clients: RedisClient[] = [];
if ('skip' in redis) test.skip(`locks over Redis (${redis.skip})`, () => undefined);
else {
  test.after.always(async () => {
    for (const client of clients) client.close();
    await redis.stop();
  });
}

interface Driver {
  /** nodes that are attacked in turn */
  readonly nodes: readonly Locks[];
  /** the lock of the key is over */
  unlock(key: string): Promise<void>;
}

const drivers: { readonly name: string; readonly open: () => Promise<Driver> }[] = [
  {
    name: 'memory',
    open: async () => {
      let now = 1_000;
      const locks = memoryLocks(() => now);
      return { nodes: [locks], unlock: async (key) => void (now += await locks.lockedMs(key)) };
    },
  },
];

async function inRedis(): Promise<Driver & { readonly client: RedisClient }> {
  if ('skip' in redis) throw new Error(redis.skip);
  const keys = redisKeys(namespace());
  const client = await clientOf(redis);
  clients.push(client);
  const node = (): Locks => createRedisLocks({ redis: client.commands, keys, here: memoryLocks(() => 0) });
  return { client, nodes: [node(), node(), node()], unlock: async (key) => void (await client.commands.del(keys.login('lock', key))) };
}
if (!('skip' in redis)) drivers.push({ name: 'Redis, three nodes', open: inRedis });

function each(title: string, body: (t: ExecutionContext, d: Driver) => Promise<void>): void {
  for (const { name, open } of drivers) test.serial(`${title} (${name})`, async (t) => body(t, await open()));
}

async function fail({ nodes }: Driver, key: string, times: number): Promise<void> {
  for (let i = 0; i < times; i += 1) await nodes[i % nodes.length]!.failed(key);
}
/** rounded to minutes, by node */
const locked = ({ nodes }: Driver, key: string): Promise<number[]> =>
  Promise.all(nodes.map(async (n) => Math.ceil((await n.lockedMs(key)) / 60_000)));
const everywhere = ({ nodes }: Driver, minutes: number): number[] => nodes.map(() => minutes);

each('five failures lock for a quarter of an hour at every node, wherever they happened, and no other key', async (t, d) => {
  await fail(d, 'k', MOST_FAILURES - 1);
  t.deepEqual(await locked(d, 'k'), everywhere(d, 0));
  await fail(d, 'k', 1);
  t.deepEqual(await locked(d, 'k'), everywhere(d, WINDOW_MS / 60_000));
  t.deepEqual(await locked(d, 'other'), everywhere(d, 0));
});

each('each further lock is twice as long, a day at most', async (t, d) => {
  for (const minutes of [15, 30, 60, 120, 240, 480, 960, 1_440, 1_440]) {
    await fail(d, 'k', MOST_FAILURES);
    t.deepEqual(await locked(d, 'k'), everywhere(d, minutes));
    await d.unlock('k');
  }
});

each('the right password forgets all failures and locks', async (t, d) => {
  await fail(d, 'k', MOST_FAILURES);
  await d.unlock('k');
  await fail(d, 'k', MOST_FAILURES - 1);
  await d.nodes.at(-1)!.forget('k');
  await fail(d, 'k', MOST_FAILURES - 1);
  t.deepEqual(await locked(d, 'k'), everywhere(d, 0));
  await fail(d, 'k', 1);
  t.deepEqual(await locked(d, 'k'), everywhere(d, 15));
});

if (!('skip' in redis)) {
  test.serial('while Redis is away a node locks by the failures that it has seen itself', async (t) => {
    const d = await inRedis();
    const [a, b] = d.nodes as [Locks, Locks];
    for (let i = 0; i < 3; i += 1) await a.failed('k');
    await redis.kill();
    try {
      for (let i = 0; i < 2; i += 1) await a.failed('k');
      t.is(await a.lockedMs('k'), WINDOW_MS);
      t.is(await b.lockedMs('k'), 0);
      await b.forget('k');
    } finally {
      await redis.start();
    }
  });
}
