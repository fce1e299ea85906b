/** The clock of a node and that of the database (kernel specification 9). */
import test from 'ava';
import { registryOf } from '../../actors/companion.ts';
import { Skew } from '../../actors/skew.ts';
import { createMemoryStore } from '../../actors/store/mem.ts';
import { FakeClock } from '../support/clock.ts';
import { testCluster } from '../support/cluster.ts';
import type { TestNode } from '../support/cluster.ts';
import { as, KeptLog, testKernel, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const alice = user('alice');
const effects = { counter: { work: async () => ({ done: 7 }) } };
const reports = (log: KeptLog) => log.lines.filter(({ fields }) => (fields as { alert?: string }).alert === 'clock_skew');

/** A node whose database has a clock of its own, which is behind by `behind()`; its answers take `slow()` ms. */
async function apart(behind: () => number, slow = () => 0) {
  const clock = new FakeClock();
  const memory = createMemoryStore({ registry: registryOf([counter]) });
  const vitals = async () => {
    const dead = 0;
    const wall = clock.wall() - behind();
    if (slow() > 0) await new Promise((resolve) => clock.setTimer(slow(), () => resolve(undefined)));
    return { dead, wall };
  };
  return testKernel({ kinds: [counter], effects, clock, store: { ...memory, admin: { ...memory.admin, vitals } } });
}

const skew = (k: Awaited<ReturnType<typeof apart>>) => k.metric('clock_skew_seconds');

test('a clock that is more than half a second off that of the database is reported, each half minute, in either direction', async (t) => {
  let behind = 400;
  const k = await apart(() => behind);
  await k.clock.advance(30_000);
  t.deepEqual([await skew(k), reports(k.log).length], [0.4, 0]);
  for (const [ms, count] of [
    [600, 1],
    [-700, 2],
  ] as const) {
    behind = ms;
    await k.clock.advance(30_000);
    t.deepEqual([await skew(k), reports(k.log).length], [ms / 1_000, count]);
    t.like(reports(k.log).at(-1)?.fields, { skewMs: ms });
  }
  behind = 0;
  await k.clock.advance(60_000);
  t.is(reports(k.log).length, 2);
  t.is(k.log.lines.filter((line) => line.message === 'the clock of this node is that of the database again').length, 1);
});

test('a clock that is wrong at the start is reported before the node serves', async (t) => {
  const k = await apart(() => 2_000);
  t.is(reports(k.log).length, 1);
  t.like(await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice)), { ok: true }, 'a single node serves all the same');
});

test('a clock that is set between two looks is noticed at once', async (t) => {
  const k = await apart(() => 0);
  k.clock.setWall(k.clock.wall() + 7_000);
  t.is(await skew(k), 7);
});

test('an answer that took too long says nothing about the clock', async (t) => {
  let slow = 0;
  const k = await apart(
    () => 0,
    () => slow,
  );
  slow = 20_000;
  await k.clock.advance(55_000);
  t.deepEqual([await skew(k), reports(k.log).length], [0, 0]);
});

for (const [what, ahead] of [
  ['forward', 6_000],
  ['back', -6_000],
] as const) {
  test(`a node whose clock is set ${what} by six seconds gives its slots to the others, and gets slots again when it is right`, async (t) => {
    const c = await testCluster({ kinds: [counter], effects });
    const [one, two] = c.nodes as [TestNode, TestNode];
    const ref = c.refOf(one, 'counter');
    t.like(await two.system.ask(ref, { type: 'counter.add', by: 1 }, as(alice)), { ok: true, seq: 2 });
    one.clock.ahead = ahead;
    await c.clock.advance(20_000);
    t.is(await one.metric('slots_owned'), 0);
    t.is(await two.metric('slots_owned'), 1_024);
    t.like(await one.system.ask(ref, { type: 'counter.add', by: 1 }, as(alice)), { ok: true, seq: 3 }, 'it is still a way in');
    t.deepEqual(
      two.system.inspect.cluster().nodes.map(({ id, weight, clock }) => ({ id, weight, clock })),
      [
        { id: 'n1', weight: 0, clock: false },
        { id: 'n2', weight: 1, clock: true },
      ],
    );
    one.clock.ahead = 0;
    await c.clock.advance(40_000);
    t.true((await one.metric('slots_owned')) > 400);
    t.like(await two.system.ask(ref, { type: 'counter.add', by: 1 }, as(alice)), { ok: true, seq: 4 });
  });
}

test('four seconds off is no reason to give up slots; nor is any difference when no clock is better', async (t) => {
  const c = await testCluster({ kinds: [counter], effects });
  const [one, two] = c.nodes as [TestNode, TestNode];
  one.clock.ahead = 4_000;
  await c.clock.advance(40_000);
  t.true((await one.metric('slots_owned')) > 400);
  for (const node of [one, two]) node.clock.ahead = 60_000;
  await c.clock.advance(40_000);
  t.is((await one.metric('slots_owned')) + (await two.metric('slots_owned')), 1_024);
  t.true(reports(two.log).length > 0);
  t.like(await two.system.ask(c.refOf(one, 'counter'), { type: 'counter.add', by: 1 }, as(alice)), { ok: true });
});

test("the database's time is told in whole milliseconds, though the monotonic clock has fractions", (t) => {
  const clock = { wall: () => 5_000, mono: () => 10.7, setTimer: () => 0, clearTimer: () => undefined };
  const skew = new Skew(clock, new KeptLog());
  skew.told(5_000, 10.2);
  t.is(skew.now, 5_000);
});
