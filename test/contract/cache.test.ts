/** What the cache promises in one process, and what nodes that share a Redis promise together, with Redis there and away. */
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { Registry } from 'prom-client';
import { ruleSets } from '../../machines/breaker/rules.ts';
import { createCache } from '../../server/cache/cache.ts';
import type { Cache, NamespaceOptions } from '../../server/cache/cache.ts';
import { packed, redisSecond, unpacked } from '../../server/cache/second.ts';
import type { Second } from '../../server/cache/second.ts';
import { createTags, MOST_TAGS, Told } from '../../server/cache/tags.ts';
import { systemClock } from '../../server/clock.ts';
import { newIds } from '../../server/ids.ts';
import { Circuit } from '../../server/outgoing/circuit.ts';
import { redisChannel } from '../../server/redis/channel.ts';
import { redisKeys } from '../../server/redis/keys.ts';
import type { RedisClient } from '../../server/redis/client.ts';
import type { PrivateRedis } from '../../scripts/private-redis.ts';
import { FakeClock } from '../support/clock.ts';
import { KeptLog } from '../support/kernel.ts';
import { clientOf, namespace, redisUnderTest } from '../support/redis.ts';
import { until } from '../support/until.ts';

interface Node {
  readonly cache: Cache;
  readonly clock: FakeClock;
  readonly registry: Registry;
}
interface Rig {
  /** Another node of the same installation. */
  node(o?: { random?: () => number; bytes?: number; patienceMs?: number }): Promise<Node>;
  readonly redis: PrivateRedis | undefined;
}

const redis = await redisUnderTest();
if ('skip' in redis) test.skip(`the cache over Redis (${redis.skip})`, () => undefined);
else test.after.always(() => redis.stop());

const keep: NamespaceOptions = { name: 'things', version: 1, freshMs: 10_000 };
const ignore = (): void => undefined;

async function run(t: ExecutionContext, server: PrivateRedis | undefined, body: (t: ExecutionContext, r: Rig) => Promise<void>) {
  const ns = namespace();
  const ends: (() => void)[] = [];
  const newId = newIds(() => Date.now());
  const node: Rig['node'] = async ({ random = () => 0.5, bytes = 1_000_000, patienceMs = 30_000 } = {}) => {
    // entries end by this clock; patience with Redis is the real one
    const clock = new FakeClock();
    const registry = new Registry();
    const deps = { clock, random, newId, log: new KeptLog(), registry, bytes };
    let client: RedisClient | undefined;
    if (server !== undefined) client = await clientOf(server);
    const report = { counted: ignore, tripped: ignore, probed: ignore };
    const circuit = new Circuit({ rules: ruleSets.dependency, wall: () => clock.wall(), random, report });
    const keys = redisKeys(ns);
    const cache = createCache(
      client === undefined
        ? deps
        : {
            ...deps,
            second: redisSecond({ redis: client.commands, keys, circuit, clock: systemClock, patienceMs }),
            channel: redisChannel({ client, name: keys.cacheTold, schema: Told, log: new KeptLog() }),
          },
    );
    ends.push(() => {
      cache.stop();
      client?.close();
    });
    return { cache, clock, registry };
  };
  try {
    await body(t, { node, redis: server });
  } finally {
    for (const end of ends) end();
  }
}

function each(title: string, body: (t: ExecutionContext, r: Rig) => Promise<void>): void {
  test.serial(`${title} (memory)`, (t) => run(t, undefined, body));
  if (!('skip' in redis)) test.serial(`${title} (Redis)`, (t) => run(t, redis, body));
}
function shared(title: string, body: (t: ExecutionContext, r: Rig & { readonly redis: PrivateRedis }) => Promise<void>): void {
  if (!('skip' in redis)) test.serial(`${title} (Redis)`, (t) => run(t, redis, (x, r) => body(x, { ...r, redis })));
}

/** A source that counts how often it is asked. */
function source() {
  const s = {
    asked: 0,
    broken: false,
    value: 'a' as string | undefined,
    load: async (): Promise<string | undefined> => {
      s.asked += 1;
      if (s.broken) throw new Error('the source is broken');
      return s.value;
    },
  };
  return s;
}

each('a value is computed once and served until it is no longer fresh', async (t, r) => {
  const { cache, clock } = await r.node();
  const things = cache.namespace<string>(keep);
  const s = source();
  t.is(await things.get('x', s.load), 'a');
  await clock.advance(9_000);
  t.is(await things.get('x', s.load), 'a');
  t.is(s.asked, 1);
  await clock.advance(1_001);
  s.value = 'b';
  t.is(await things.get('x', s.load), 'b');
  t.is(s.asked, 2);
});

each('five hundred that ask at once for a cold key cause one computation (R-33)', async (t, r) => {
  const { cache } = await r.node();
  const things = cache.namespace<string>(keep);
  const s = source();
  const all = await Promise.all(Array.from({ length: 500 }, () => things.get('x', s.load)));
  t.true(all.every((v) => v === 'a'));
  t.is(s.asked, 1);
  if (r.redis === undefined) t.is(cache.stampede.coalesced, 499);
});

each('between fresh and stale the old value is served at once and renewed behind', async (t, r) => {
  const { cache, clock } = await r.node();
  const things = cache.namespace<string>({ ...keep, staleMs: 10_000 });
  const s = source();
  await things.get('x', s.load);
  await clock.advance(11_000);
  s.value = 'b';
  t.is(await things.get('x', s.load), 'a');
  await until(() => s.asked === 2, 'the renewal');
  await until(async () => (await things.get('x', s.load)) === 'b', 'the new value');
  t.is(s.asked, 2);
});

each('when its source fails an old value is served for the time of grace, then the failure is', async (t, r) => {
  const { cache, clock } = await r.node();
  const things = cache.namespace<string>({ ...keep, graceMs: 60_000 });
  const s = source();
  await things.get('x', s.load);
  await clock.advance(30_000);
  s.broken = true;
  t.is(await things.get('x', s.load), 'a');
  await clock.advance(60_000);
  await t.throwsAsync(things.get('x', s.load), { message: 'the source is broken' });
  s.broken = false;
  t.is(await things.get('x', s.load), 'a');
});

each('that there is nothing is remembered only where it was declared, and for its own time', async (t, r) => {
  const { cache, clock } = await r.node();
  const [forgets, remembers] = [cache.namespace<string>(keep), cache.namespace<string>({ ...keep, name: 'others', negativeMs: 2_000 })];
  const s = source();
  s.value = undefined;
  for (let i = 0; i < 3; i += 1) t.is(await forgets.get('x', s.load), undefined);
  t.is(s.asked, 3);
  for (let i = 0; i < 3; i += 1) t.is(await remembers.get('x', s.load), undefined);
  t.is(s.asked, 4);
  await clock.advance(2_001);
  await remembers.get('x', s.load);
  t.is(s.asked, 5);
});

each('an invalidated tag makes its entries void for the very next reader, and no others', async (t, r) => {
  const { cache } = await r.node();
  const things = cache.namespace<string>(keep);
  const [s, other] = [source(), source()];
  await things.get('x', s.load, ['user:1', 'rooms']);
  await things.get('y', other.load, ['user:2']);
  s.value = 'b';
  await cache.invalidate(['rooms']);
  t.is(await things.get('x', s.load, ['user:1', 'rooms']), 'b');
  await things.get('y', other.load, ['user:2']);
  t.deepEqual([s.asked, other.asked], [2, 1]);
  await cache.clear();
  await things.get('y', other.load, ['user:2']);
  t.is(other.asked, 2);
});

each('what was computed from before an invalidation is served to nobody after it', async (t, r) => {
  const { cache } = await r.node();
  const things = cache.namespace<string>(keep);
  let end: (v: string) => void = ignore;
  const slow = things.get('x', () => new Promise<string>((resolve) => (end = resolve)), ['rooms']);
  await until(() => end !== ignore, 'the first computation');
  await cache.invalidate(['rooms']);
  const s = source();
  s.value = 'new';
  t.is(await things.get('x', s.load, ['rooms']), 'new');
  end('old');
  t.is(await slow, 'old', 'its own reader asked before');
  t.is(await things.get('x', s.load, ['rooms']), 'new');
});

each('a hot value is renewed before it ends, behind a hit', async (t, r) => {
  const { cache, clock } = await r.node({ random: () => 0.999_999 });
  const things = cache.namespace<string>(keep);
  let n = 0;
  const load = async (): Promise<string> => {
    n += 1;
    await clock.advance(500);
    return String(n);
  };
  await things.get('x', load);
  await clock.advance(5_000);
  t.is(await things.get('x', load), '1');
  await until(() => n === 2, 'the renewal');
  t.is(cache.stampede.earlyRefreshes, 1);
});

each('the tier in the process holds no more bytes than it may; what was not used for longest goes first', async (t, r) => {
  const { cache } = await r.node({ bytes: 10_000 });
  const things = cache.namespace<string>(keep);
  for (let i = 0; i < 100; i += 1) {
    await things.get(`k${i}`, async () => 'x'.repeat(400));
    await things.get('k0', async () => 'x'.repeat(400));
  }
  t.true(cache.tiers.l1.bytes <= 10_000);
  t.is(cache.tiers.l1.entries, 9);
  t.is(cache.tiers.l1.evictions, 91);
});

each('statistics and the metric count each read once, and no reads give no rate', async (t, r) => {
  const { cache, clock, registry } = await r.node();
  t.is(cache.stats.over('5m').size, 0);
  const things = cache.namespace<string>({ ...keep, staleMs: 10_000 });
  const s = source();
  await things.get('x', s.load);
  await things.get('x', s.load);
  await clock.advance(11_000);
  await things.get('x', s.load);
  t.like(cache.stats.over('5m').get('things'), { hits: 2, staleHits: 1, misses: 1 });
  const text = await registry.getSingleMetricAsString('thrum_cache_requests_total');
  for (const [result, n] of [
    ['hit', 1],
    ['stale', 1],
    ['miss', 1],
  ] as const)
    t.true(text.includes(`{ns="things",result="${result}"} ${n}`), text);
  await clock.advance(6 * 60_000);
  t.deepEqual(cache.stats.over('5m').get('things'), { hits: 0, staleHits: 0, misses: 0, p50Ms: null, p95Ms: null });
  t.is(cache.stats.over('1h').get('things')?.misses, 1);
});

shared('what one node has computed another one reads, and an invalidation reaches it within a second', async (t, r) => {
  const [a, b] = await Promise.all([r.node(), r.node()]);
  const [thingsA, thingsB] = [a.cache.namespace<string>(keep), b.cache.namespace<string>(keep)];
  const s = source();
  await thingsA.get('x', s.load, ['rooms']);
  await until(async () => {
    const before = s.asked;
    await b.cache.namespace<string>({ ...keep, name: 'warm' }).get('x', async () => 'x');
    return (await thingsB.get('x', s.load, ['rooms'])) === 'a' && s.asked === before;
  }, 'the second node');
  s.value = 'b';
  const before = s.asked;
  await a.cache.invalidate(['rooms']);
  await b.clock.advance(1_000);
  t.is(await thingsB.get('x', s.load, ['rooms']), 'b');
  t.is(s.asked, before + 1);
});

shared('a slow computation is made by one of the nodes that need it at once', async (t, r) => {
  const nodes = await Promise.all([r.node(), r.node()]);
  const spaces = nodes.map((n) => n.cache.namespace<string>(keep));
  // each has seen that it takes long
  for (const [i, n] of nodes.entries())
    await spaces[i]!.get(`warm${i}`, async () => {
      await n.clock.advance(50);
      return 'x';
    });
  let asked = 0;
  const load = async (): Promise<string> => {
    asked += 1;
    return 'a';
  };
  const waited = Promise.all(spaces.map((s) => s.get('x', load)));
  let over = false;
  void waited.then(() => (over = true));
  await until(async () => {
    for (const n of nodes) await n.clock.advance(25);
    return over;
  }, 'both nodes');
  t.deepEqual(await waited, ['a', 'a']);
  t.is(asked, 1);
});

shared('with Redis killed nothing fails and nobody waits; what was invalidated meanwhile stays so when it is back', async (t, r) => {
  const { cache } = await r.node();
  const things = cache.namespace<string>(keep);
  const s = source();
  await things.get('x', s.load, ['rooms']);
  await r.redis.kill();
  t.is(await things.get('x', s.load, ['rooms']), 'a');
  s.value = 'b';
  await cache.invalidate(['rooms']);
  t.is(await things.get('x', s.load, ['rooms']), 'b');
  for (let i = 0; i < 100; i += 1) t.is(await things.get(`k${i}`, s.load, ['rooms']), 'b');
  const asked = s.asked;
  for (let i = 0; i < 100; i += 1) await things.get(`k${i}`, s.load, ['rooms']);
  t.is(s.asked, asked, 'the tier in the process goes on');
  t.deepEqual(cache.tiers.l2, { up: false });
  await r.redis.start();
  t.is(await things.get('x', s.load, ['rooms']), 'b');
});

shared('a Redis that stands still costs readers at most its patience until its circuit opens, then nothing', async (t, r) => {
  const { cache } = await r.node({ patienceMs: 50 });
  const things = cache.namespace<string>(keep);
  const s = source();
  r.redis.signal('SIGSTOP');
  try {
    for (let i = 0; i < 40; i += 1) t.is(await things.get(`k${i}`, s.load), 'a');
    t.is(s.asked, 40);
    t.deepEqual(cache.tiers.l2, { up: false });
  } finally {
    r.redis.signal('SIGCONT');
  }
});

test('values are compressed from a kilobyte on, where that saves a fifth', (t) => {
  const [small, large] = ['x'.repeat(500), 'abc '.repeat(1_000)];
  t.is(packed(small).length, 501);
  t.true(packed(large).length < large.length / 2);
  for (const text of [small, large, '']) t.is(unpacked(packed(text)), text);
});

test('when more tags are known than may be, all are forgotten, and nothing that was void is valid again', async (t) => {
  const d = { clock: new FakeClock(), newId: newIds(() => Date.now()), second: undefined, channel: undefined };
  let forgotten = 0;
  const tags = createTags({ ...d, forgotten: () => (forgotten += 1) });
  const before = tags.known(['rooms']);
  await tags.invalidate(['rooms']);
  const after = tags.known(['rooms']);
  await tags.invalidate(Array.from({ length: MOST_TAGS - 1 }, (_, i) => `user:${i}`));
  t.is(tags.known(['rooms']), after);
  t.is(forgotten, 0);
  await tags.invalidate(['one more']);
  t.is(forgotten, 1);
  t.is([before, after].indexOf(tags.known(['rooms'])), -1);
});

const second = (more: Partial<Second>): Second => ({
  up: true,
  read: async (_, names) => ({ text: undefined, versions: names.map(() => '') }),
  write: ignore,
  mark: async () => true,
  lock: async () => true,
  unlock: ignore,
  ...more,
});

test('Redis has a new version before the others hear of it, and who invalidates waits for a silent Redis once', async (t) => {
  const acts: string[] = [];
  let answers = true;
  const d = { clock: new FakeClock(), newId: newIds(() => Date.now()), forgotten: ignore };
  const tags = createTags({
    ...d,
    second: second({ mark: async (tag) => (acts.push(tag), answers) }),
    channel: { tell: ({ tags: told }) => void acts.push(`told ${told.join()}`), onMessage: () => ignore },
  });
  await tags.invalidate(['a', 'b']);
  t.deepEqual(acts.splice(0), ['a', 'b', 'told a,b']);
  answers = false;
  await tags.invalidate(['a', 'b']);
  t.deepEqual(acts.splice(0), ['a', 'told a,b']);
  answers = true;
  await d.clock.advance(1_000);
  t.deepEqual(acts, ['a', 'b'], 'Redis hears of it later');
  tags.stop();
});

test('who has waited in vain for another node leaves that its turn', async (t) => {
  const clock = new FakeClock();
  let [turns, unlocked] = [0, 0];
  const cache = createCache({
    clock,
    random: () => 0.5,
    newId: newIds(() => Date.now()),
    log: new KeptLog(),
    registry: new Registry(),
    bytes: 1_000_000,
    second: second({ lock: async () => (turns += 1) > 1_000, unlock: () => void (unlocked += 1) }),
  });
  const things = cache.namespace<string>(keep);
  await things.get('warm', async () => (await clock.advance(50), 'it takes long'));
  const waiting = things.get('x', async () => 'own');
  let over = false;
  void waiting.then(() => (over = true));
  await until(async () => (await clock.advance(25), over), 'its patience ends');
  t.is(await waiting, 'own');
  t.is(turns, 1);
  t.is(unlocked, 0);
  cache.stop();
});
