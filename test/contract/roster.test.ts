/** What a roster promises to the nodes that share it, in memory and in Redis (realtime R12). */
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { keyOf, LISTED, memoryRosters, SAMPLE, UNSEEN } from '../../server/live/roster.ts';
import type { Asking, Heard, Roster } from '../../server/live/roster.ts';
import { redisKeys } from '../../server/redis/keys.ts';
import type { RedisClient } from '../../server/redis/client.ts';
import { createRedisRoster } from '../../server/redis/roster.ts';
import { KeptLog } from '../support/kernel.ts';
import { clientOf, namespace, redisUnderTest } from '../support/redis.ts';
import { until } from '../support/until.ts';

const redis = await redisUnderTest();
const clients: RedisClient[] = [];
if ('skip' in redis) test.skip(`the roster in Redis (${redis.skip})`, () => undefined);
else {
  test.after.always(async () => {
    for (const client of clients) client.close();
    await redis.stop();
  });
}

/** Each call opens one installation; what it gives opens a node's end. */
const drivers: { readonly name: string; readonly open: () => (node: string) => Promise<Roster> }[] = [
  {
    name: 'memory',
    open: () => {
      const end = memoryRosters();
      return async () => end();
    },
  },
];
const inRedis = (keys = redisKeys(namespace())): ((node: string) => Promise<Roster>) => {
  return async (node) => {
    if ('skip' in redis) throw new Error(redis.skip);
    const client = await clientOf(redis);
    clients.push(client);
    return createRedisRoster({ client, keys, node, log: new KeptLog() });
  };
};
if (!('skip' in redis)) drivers.push({ name: 'Redis', open: () => inRedis() });

function each(title: string, body: (t: ExecutionContext, node: (id: string) => Promise<Roster>) => Promise<void>): void {
  for (const { name, open } of drivers) {
    test.serial(`${title} (${name})`, async (t) => {
      const opened: Roster[] = [];
      const node = open();
      await body(t, async (id) => {
        const roster = await node(id);
        opened.push(roster);
        return roster;
      });
      for (const roster of opened) roster.close();
    });
  }
}

const asking = (say: Record<string, string | undefined>, list: boolean): Asking => ({ say: new Map(Object.entries(say)), list });
const say = (r: Roster, subject: string, entries: Record<string, string | undefined>): Promise<unknown> =>
  r.exchange(new Map([[subject, asking(entries, false)]]), true);
async function list(r: Roster, subject: string): Promise<Heard> {
  const heard = (await r.exchange(new Map([[subject, asking({}, true)]]), false)).get(subject);
  return heard ?? { entries: new Map() };
}
const listed = async (r: Roster, subject: string): Promise<object> => Object.fromEntries((await list(r, subject)).entries);

each('what one node says is heard by all, until it takes it back', async (t, node) => {
  const [a, b] = [await node('a'), await node('b')];
  await say(a, 'user:1', { 'a/x': '{"n":1}', 'a/y': 'two "quoted" words 😀' });
  await say(b, 'user:1', { 'b/x': '3' });
  for (const r of [a, b]) t.deepEqual(await listed(r, 'user:1'), { 'a/x': '{"n":1}', 'a/y': 'two "quoted" words 😀', 'b/x': '3' });
  await say(a, 'user:1', { 'a/x': undefined, 'a/y': 'other' });
  for (const r of [a, b]) t.deepEqual(await listed(r, 'user:1'), { 'a/y': 'other', 'b/x': '3' });
  t.deepEqual(await listed(b, 'user:2'), {});
});

each('a person and an organisation of one name are two subjects', async (t, node) => {
  const a = await node('a');
  await say(a, 'user:acme', { 'a/x': '1' });
  await say(a, 'org:acme', { 'a/1': '2' });
  t.deepEqual(await listed(a, 'user:acme'), { 'a/x': '1' });
  t.deepEqual(await listed(a, 'org:acme'), { 'a/1': '2' });
});

each('writing and asking for many subjects is one exchange, which lists what is wanted alone', async (t, node) => {
  const [a, b] = [await node('a'), await node('b')];
  await say(b, 'user:3', { 'b/x': 'b' });
  const all = new Map(Array.from({ length: 2_500 }, (_, i) => [`user:${i}`, asking({ 'a/x': String(i) }, i % 1_000 === 3)]));
  const heard = await a.exchange(all, true);
  t.deepEqual([...heard.keys()], ['user:3', 'user:1003', 'user:2003']);
  t.deepEqual(Object.fromEntries(heard.get('user:3')?.entries ?? []), { 'b/x': 'b', 'a/x': '3' });
  t.deepEqual(await listed(b, 'user:2499'), { 'a/x': '2499' });
});

each('the other nodes are told of what was said, and nobody of a question or a repetition', async (t, node) => {
  const [a, b] = [await node('a'), await node('b')];
  const told: (readonly string[])[] = [];
  const toldA: unknown[] = [];
  b.onTold((subjects) => void (subjects !== undefined && told.push(subjects)));
  a.onTold((subjects) => void (subjects !== undefined && toldA.push(subjects)));
  // until the subscription is made nobody hears
  await until(async () => (await say(a, 'user:0', { 'a/x': String(told.length) }), told.length > 0), 'the other node hears');
  told.length = 0;
  const nothing = asking({}, true);
  await a.exchange(new Map([['user:5', nothing]]), true);
  await a.exchange(new Map([['user:6', asking({ 'a/x': '1' }, true)]]), false);
  await a.exchange(
    new Map([
      ['user:7', asking({ 'a/x': '1' }, false)],
      ['user:8', nothing],
      ['user:9', asking({ 'a/x': undefined }, false)],
    ]),
    true,
  );
  await until(() => told.flat().includes('user:9'), 'the other node hears');
  t.deepEqual(
    told.filter((subjects) => !subjects.includes('user:0')),
    [['user:7', 'user:9']],
  );
  t.deepEqual(toldA, [], 'a node does not hear itself');
});

each('of more keys than are listed, their number and the first of them are given; those who hide are not counted', async (t, node) => {
  const [a, b] = [await node('a'), await node('b')];
  const key = (i: number): string => `k${String(i).padStart(5, '0')}`;
  const many = (id: string, from: number, to: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: to - from }, (_, i) => [`${id}/${key(from + i)}`, `${id}${from + i}`]));
  await say(a, 'org:1', many('a', 0, LISTED));
  await say(b, 'org:1', { ...many('b', 0, 5), [`b/${key(LISTED)}`]: UNSEEN });
  const all = await list(a, 'org:1');
  t.is(all.count, undefined);
  t.is(all.entries.size, LISTED + 6);
  await say(b, 'org:1', { [`b/${key(LISTED)}`]: 'seen', [`b/${key(3)}`]: UNSEEN });
  const some = await list(a, 'org:1');
  t.is(some.count, LISTED + 1);
  t.deepEqual(
    [...new Set([...some.entries.keys()].map(keyOf))].sort(),
    Array.from({ length: SAMPLE }, (_, i) => key(i)),
  );
  t.deepEqual(
    Object.fromEntries([...some.entries].filter(([id]) => id.startsWith('b/'))),
    Object.fromEntries([0, 1, 2, 4].map((i) => [`b/${key(i)}`, `b${i}`])),
  );
});

if (!('skip' in redis)) {
  test.serial('what a node does not repeat is forgotten, what it repeats is not, and nothing is left behind', async (t) => {
    const keys = redisKeys(namespace());
    const end = inRedis(keys);
    const [a, b] = [await end('a'), await end('b')];
    const { commands } = await clientOf(redis).then((c) => (clients.push(c), c));
    await say(a, 'user:1', { 'a/x': '1' });
    await say(b, 'user:1', { 'b/x': '2' });
    const left = await commands.pttl(keys.presence('user:1'));
    t.true(left > 20_000 && left <= 60_000, String(left));
    const expire = (entry: string): Promise<unknown> => commands.zadd(keys.presence('user:1'), 1, entry);
    await expire('b/x');
    t.deepEqual(await listed(a, 'user:1'), { 'a/x': '1' });
    await expire('a/x');
    await say(a, 'user:1', { 'a/x': '1' });
    t.deepEqual(await listed(b, 'user:1'), { 'a/x': '1' });
    await say(a, 'user:1', { 'a/x': undefined });
    t.deepEqual(await commands.keys(`${keys.presence('user:1')}*`), []);
    t.is(await commands.exists(keys.presenceFacts('user:1')), 0);
  });

  test.serial('without Redis an exchange is rejected; when it is back, a node hears that anything may have changed', async (t) => {
    const roster = await inRedis()('a');
    let times = 0;
    roster.onTold((subjects) => void (subjects === undefined && (times += 1)));
    await say(roster, 'user:1', { 'a/x': '1' });
    await redis.kill();
    await t.throwsAsync(list(roster, 'user:1'));
    await redis.start();
    const answers = async (): Promise<boolean> =>
      list(roster, 'user:1').then(
        () => true,
        () => false,
      );
    await until(async () => times > 0 && (await answers()), 'Redis is back');
    t.deepEqual(await listed(roster, 'user:1'), {});
    await say(roster, 'user:1', { 'a/x': '2' });
    t.deepEqual(await listed(roster, 'user:1'), { 'a/x': '2' });
  });
}
