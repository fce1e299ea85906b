import test from 'ava';
import type { ExecutionContext } from 'ava';
import { LEASE_TTL_MS } from '../../actors/shard/leases.ts';
import type { Leases, NodeInfo } from '../../actors/shard/leases.ts';
import { createMemoryLeases } from '../../actors/shard/mem.ts';
import { redisKeys } from '../../server/redis/keys.ts';
import { createRedisLeases } from '../../server/redis/leases.ts';
import { clientOf, namespace, redisUnderTest } from '../support/redis.ts';

const redis = await redisUnderTest();
if ('skip' in redis) test.skip(`leases in Redis (${redis.skip})`, () => undefined);
else test.after.always(() => redis.stop());

/** A driver with what a test does to its store. */
interface Driver {
  readonly leases: Leases;
  /** the node has not renewed for longer than its lease */
  expire(node: string): Promise<void>;
  /** the store comes back empty */
  wipe(): Promise<void>;
  close(): Promise<void>;
}

const drivers: { readonly name: string; readonly open: () => Promise<Driver> }[] = [
  {
    name: 'memory',
    open: async () => {
      let now = 1_000_000;
      const store = createMemoryLeases(() => now);
      const others = new Map<string, NodeInfo>();
      const leases: Leases = {
        ...store,
        renew: async (node) => {
          others.set(node.id, node);
          return store.renew(node);
        },
        leave: async (node) => {
          others.delete(node);
          await store.leave(node);
        },
      };
      return {
        leases,
        // everybody else renews in time
        expire: async (node) => {
          now += LEASE_TTL_MS / 2;
          others.delete(node);
          for (const other of others.values()) await store.renew(other);
          now += LEASE_TTL_MS / 2 + 1;
        },
        wipe: async () => store.forget(),
        close: async () => undefined,
      };
    },
  },
];

if (!('skip' in redis)) {
  drivers.push({
    name: 'Redis',
    open: async () => {
      const keys = redisKeys(namespace());
      const client = await clientOf(redis);
      const { commands } = client;
      return {
        leases: createRedisLeases({ redis: commands, keys }),
        expire: async (node) => void (await commands.pexpire(keys.node(node), 0)),
        wipe: async () => void (await commands.del(...(await commands.keys(`${keys.node('')}*`)), keys.nodes, keys.slots, keys.version)),
        close: async () => client.close(),
      };
    },
  });
}

function each(title: string, body: (t: ExecutionContext, d: Driver) => Promise<void>): void {
  for (const { name, open } of drivers) {
    test(`${title} (${name})`, async (t) => {
      const driver = await open();
      try {
        await body(t, driver);
      } finally {
        await driver.close();
      }
    });
  }
}

const info = (id: string, o: Partial<NodeInfo> = {}): NodeInfo => ({
  id,
  started: 1,
  build: 1,
  versions: { room: 2 },
  weight: 1,
  database: true,
  clock: true,
  address: id,
  ...o,
});
const ids = (r: { nodes: readonly NodeInfo[] }): string[] => r.nodes.map((n) => n.id);
const slotsOf = (list: readonly { slot: number }[]): number[] => list.map((g) => g.slot);

each('a node that renews is seen by all, with what it says of itself', async (t, { leases }) => {
  t.deepEqual(ids(await leases.renew(info('b'))), ['b']);
  const both = await leases.renew(info('a', { build: 7, weight: 0, database: false }));
  t.deepEqual(both.nodes, [info('a', { build: 7, weight: 0, database: false }), info('b')]);
  t.deepEqual((await leases.renew(info('b'))).nodes, both.nodes);
});

each('the version changes with the nodes, with what they say and with the table, and with nothing else', async (t, d) => {
  const { leases } = d;
  const seen = [(await leases.renew(info('a'))).version];
  const same = (await leases.renew(info('a'))).version;
  t.is(same, seen[0]!);
  seen.push((await leases.renew(info('b'))).version);
  seen.push((await leases.renew(info('b', { weight: 0 }))).version);
  await leases.claim([1], 'a');
  seen.push((await leases.renew(info('a'))).version);
  t.is((await leases.table()).version, seen.at(-1)!);
  await leases.leave('b');
  seen.push((await leases.renew(info('a'))).version);
  await leases.renew(info('c'));
  const before = (await leases.renew(info('a'))).version;
  await d.expire('c');
  const after = await leases.renew(info('a'));
  t.deepEqual(ids(after), ['a']);
  t.not(after.version, before);
  t.is(new Set(seen).size, seen.length);
});

each('a free slot goes to the first who claims it, and keeps its epoch when claimed again', async (t, { leases }) => {
  await leases.renew(info('a'));
  await leases.renew(info('b'));
  const first = await leases.claim([3, 4], 'a');
  t.deepEqual(slotsOf(first), [3, 4]);
  t.deepEqual(slotsOf(await leases.claim([4, 5], 'b')), [5]);
  t.deepEqual(await leases.claim([3, 4, 5], 'a'), first);
  const { slots } = await leases.table();
  t.deepEqual(
    [3, 4, 5, 6].map((slot) => slots.get(slot)?.node),
    ['a', 'a', 'b', undefined],
  );
  t.is(slots.get(3)!.epoch, first[0]!.epoch);
});

each('the slots of a node that is gone, left or suspected can be claimed, each time with a greater epoch', async (t, d) => {
  const { leases } = d;
  for (const id of ['a', 'b', 'c', 'd']) await leases.renew(info(id));
  const epochs = (await leases.claim([1], 'a')).map((g) => g.epoch);
  t.deepEqual(await leases.claim([1], 'b', 'c'), [], 'another is suspected');
  epochs.push(...(await leases.claim([1], 'b', 'a')).map((g) => g.epoch));
  await leases.leave('b');
  epochs.push(...(await leases.claim([1], 'c')).map((g) => g.epoch));
  await d.expire('c');
  await leases.renew(info('d'));
  epochs.push(...(await leases.claim([1], 'd')).map((g) => g.epoch));
  t.is(epochs.length, 4);
  t.deepEqual(
    epochs,
    epochs.toSorted((x, y) => x - y),
  );
  t.is(new Set(epochs).size, 4);
});

each('a node that is not registered claims nothing', async (t, { leases }) => {
  t.deepEqual(await leases.claim([1], 'a'), []);
  t.deepEqual([...(await leases.table()).slots], []);
});

each('a slot is transferred by its owner alone, at its epoch, to a node that lives', async (t, { leases }) => {
  await leases.renew(info('a'));
  await leases.renew(info('b'));
  const [grant] = await leases.claim([9], 'a');
  t.truthy(grant);
  const { epoch } = grant!;
  t.deepEqual(await leases.transfer([{ slot: 9, epoch }], 'b', 'b'), [], 'not its owner');
  t.deepEqual(await leases.transfer([{ slot: 9, epoch: epoch - 1 }], 'a', 'b'), [], 'an old epoch');
  t.deepEqual(await leases.transfer([{ slot: 9, epoch }], 'a', 'nobody'), [], 'nobody there');
  const [moved] = await leases.transfer([{ slot: 9, epoch }], 'a', 'b');
  t.true((moved?.epoch ?? 0) > epoch);
  t.deepEqual((await leases.table()).slots.get(9), { node: 'b', epoch: moved!.epoch });
  t.deepEqual(await leases.claim([9], 'a'), []);
});

each('epochs grow even when the store has lost everything (K20)', async (t, d) => {
  const { leases } = d;
  await leases.renew(info('a'));
  const before = (await leases.claim([2], 'a'))[0]!.epoch;
  await d.wipe();
  t.deepEqual([...(await leases.table()).slots], []);
  await leases.renew(info('b'));
  const [after] = await leases.claim([2], 'b');
  t.true(after!.epoch >= before);
});
