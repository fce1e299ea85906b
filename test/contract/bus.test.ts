import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Bus, Frame } from '../../actors/bus/bus.ts';
import { createMemoryBus } from '../../actors/bus/mem.ts';
import type { Json } from '../../actors/types.ts';
import { createRedisBus } from '../../server/redis/bus.ts';
import { redisKeys } from '../../server/redis/keys.ts';
import type { RedisClient } from '../../server/redis/client.ts';
import { KeptLog } from '../support/kernel.ts';
import { clientOf, namespace, redisUnderTest } from '../support/redis.ts';
import { until } from '../support/until.ts';

const redis = await redisUnderTest();
if ('skip' in redis) test.skip(`the bus over Redis (${redis.skip})`, () => undefined);
else test.after.always(() => redis.stop());

/** Every call gives another node's end of one bus. */
const drivers: { readonly name: string; readonly open: () => Promise<{ end: () => Promise<Bus>; close: () => Promise<void> }> }[] = [
  {
    name: 'memory',
    open: async () => {
      const end = createMemoryBus({ later: (fn) => void setImmediate(fn) });
      return { end: async () => end(), close: async () => undefined };
    },
  },
];

if (!('skip' in redis)) {
  drivers.push({
    name: 'Redis',
    open: async () => {
      const keys = redisKeys(namespace());
      const clients: RedisClient[] = [];
      return {
        end: async () => {
          const client = await clientOf(redis);
          clients.push(client);
          return createRedisBus({ client, keys, log: new KeptLog() });
        },
        close: async () => {
          for (const client of clients) client.close();
        },
      };
    },
  });
}

/** A node that remembers what it has heard. */
async function listen(bus: Bus, id: string): Promise<{ bus: Bus; heard: [string, Frame][] }> {
  const heard: [string, Frame][] = [];
  await bus.open(id, (from, frame) => heard.push([from, frame]));
  return { bus, heard };
}

function each(title: string, body: (t: ExecutionContext, end: () => Promise<Bus>) => Promise<void>): void {
  for (const { name, open } of drivers) {
    test(`${title} (${name})`, async (t) => {
      const { end, close } = await open();
      const opened: Bus[] = [];
      try {
        await body(t, async () => {
          const bus = await end();
          opened.push(bus);
          return bus;
        });
      } finally {
        for (const bus of opened) await bus.close();
        await close();
      }
    });
  }
}

const command: Frame = {
  f: 'cmd',
  rid: 7,
  slot: 1_023,
  epoch: 1_793_000_000_000,
  left: 9_876.5,
  command: {
    ref: 'room:1',
    type: 'room.take',
    text: '{"text":"quotes \' \\" \\\\ 😀","deep":[1,null,{"a":1.5}]}',
    idem: 'ab'.repeat(16),
    chk: 4_294_967_295,
    from: { kind: 'operator', id: 'u', roles: ['user', 'staff'], org: 'acme', reason: 'because "it" hangs 😀' },
    expect: 41,
    trace: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  },
};

each('a frame reaches the node that it is for, unchanged and with its sender', async (t, end) => {
  const [a, b, c] = [await listen(await end(), 'a'), await listen(await end(), 'b'), await listen(await end(), 'c')];
  t.is(await a.bus.send('b', command), 1);
  const answer: Frame = { f: 'replies', rid: 7, replies: [{ ok: true, seq: 3, reply: { n: [1, 'two', null] } }] };
  t.is(await b.bus.send('a', answer), 1);
  await until(() => a.heard.length === 1 && b.heard.length === 1, 'both have heard');
  t.deepEqual(b.heard, [['a', command]]);
  t.deepEqual(a.heard, [['b', answer]]);
  t.deepEqual(c.heard, []);
});

each('nobody receives what is sent to a node that is not there or has closed', async (t, end) => {
  const [a, b] = [await listen(await end(), 'a'), await listen(await end(), 'b')];
  t.is(await a.bus.send('nobody', { f: 'ping' }), 0);
  await b.bus.close();
  t.is(await a.bus.send('b', { f: 'ping' }), 0);
});

each('frames of one node to another arrive in the order in which they were sent, many and large ones too', async (t, end) => {
  const [a, b] = [await listen(await end(), 'a'), await listen(await end(), 'b')];
  const big = 'x'.repeat(200_000);
  const sent: Promise<number>[] = [];
  for (let rid = 0; rid < 300; rid += 1) sent.push(a.bus.send('b', { f: 'ack', rid, value: rid % 100 === 0 ? big : rid }));
  t.deepEqual(new Set(await Promise.all(sent)), new Set([1]));
  await until(() => b.heard.length === 300, 'all have come');
  t.deepEqual(
    b.heard.map(([, frame]) => (frame as { rid: number }).rid),
    Array.from({ length: 300 }, (_, i) => i),
  );
  t.deepEqual(b.heard[100], ['a', { f: 'ack', rid: 100, value: big }]);
});

each('what an actor says may be nested deeply', async (t, end) => {
  const [a, b] = [await listen(await end(), 'a'), await listen(await end(), 'b')];
  let value: Json = 'within';
  for (let i = 0; i < 500; i += 1) value = i % 2 === 0 ? [value] : { value };
  t.is(await a.bus.send('b', { f: 'ack', rid: 1, value }), 1);
  await until(() => b.heard.length === 1, 'it is heard');
  t.deepEqual(JSON.stringify(b.heard[0]?.[1]), JSON.stringify({ f: 'ack', rid: 1, value }));
});

each('what is broadcast reaches every other node', async (t, end) => {
  const [a, b, c] = [await listen(await end(), 'a'), await listen(await end(), 'b'), await listen(await end(), 'c')];
  await a.bus.broadcast({ f: 'table' });
  await until(() => b.heard.length === 1 && c.heard.length === 1, 'both have heard');
  t.deepEqual([a.heard, b.heard, c.heard], [[], [['a', { f: 'table' }]], [['a', { f: 'table' }]]]);
});
