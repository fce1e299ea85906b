/** Slots change hands at awkward moments: nobody is refused, or kept waiting, for what is over in a moment. */
import test from 'ava';
import { actorIdOf, SLOTS, slotOf } from '../../actors/ids.ts';
import type { Reply } from '../../actors/types.ts';
import { answered, testCluster } from '../support/cluster.ts';
import type { NodeOptions, TestCluster, TestNode } from '../support/cluster.ts';
import { as, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';
import { promised } from '../support/promised.ts';

const alice = user('alice');
const base = { kinds: [counter], effects: { counter: { work: async () => ({ done: 1 }) } } };
const add = (node: TestNode, ref: string, deadline = 10_000): Promise<Reply> =>
  node.system.ask(ref, { type: 'counter.add', by: 1 }, as(alice, { deadline }));

/** Commits wait for `held`. */
const holding = (held: Promise<void>, on: () => boolean): NodeOptions => ({
  commit: (lane) => async (batch) => {
    if (on()) await held;
    return lane.commit(batch);
  },
});

test('a command is served as soon as a slot has been taken, though its new owner was asked before it was ready', async (t) => {
  const FENCE_MS = 700;
  const clock: { c?: TestCluster } = {};
  const slow: NodeOptions = {
    view: (store) => ({
      ...store,
      fence: async (former) => {
        await new Promise<void>((resolve) => void clock.c?.clock.setTimer(FENCE_MS, resolve));
        return store.fence(former);
      },
    }),
  };
  const c = await testCluster({ ...base, nodes: 3, node: slow });
  clock.c = c;
  await c.clock.advance(20_000);
  const [a, b, x] = c.nodes as [TestNode, TestNode, TestNode];
  const refs = Array.from({ length: 12 }, (_, n) => c.refOf(x, 'counter', n));
  for (const ref of refs) await answered(c, add(x, ref));
  x.kill();
  const waits: number[] = [];
  const killed = c.clock.mono();
  const replies = refs.flatMap((ref) =>
    [a, b].map(async (node) => {
      const reply = await add(node, ref);
      waits.push(c.clock.mono() - killed);
      return reply;
    }),
  );
  for (let ms = 0; ms < 10_000; ms += 50) await c.clock.advance(50);
  for (const reply of await Promise.all(replies)) t.true(reply.ok);
  t.true(Math.max(...waits) <= 500 + FENCE_MS + 200, `${Math.max(...waits)} ms`);
});

test('a node that stops while nobody can take its slots lets others wait for their turn instead of refusing them', async (t) => {
  const held = promised<void>();
  let on = false;
  const c = await testCluster({ ...base, nodes: 1, node: holding(held.promise, () => on) });
  const [a] = c.nodes as [TestNode];
  const ref = c.refOf(a, 'counter');
  await answered(c, add(a, ref));
  on = true;
  const last = add(a, c.refOf(a, 'counter', 1));
  const drained = a.system.drain(8_000);
  await c.clock.advance(100);
  const b = await c.add({ commit: (lane) => (batch) => lane.commit(batch) });
  const asked = add(b, ref);
  await c.clock.advance(1_000);
  held.keep();
  t.like(await answered(c, last), { ok: true });
  t.like(await answered(c, asked), { ok: true, seq: 3 });
  await drained;
});

test('a node whose slots nobody could take at first hands them over when it stops and another is there', async (t) => {
  const c = await testCluster({ ...base, nodes: 1 });
  const [a] = c.nodes as [TestNode];
  await a.system.handOver(5_000);
  const b = await c.add();
  await c.clock.advance(2_000);
  const refs = Array.from({ length: 8 }, (_, n) => c.refOf(a, 'counter', n));
  for (const ref of refs) t.like(await answered(c, add(b, ref)), { ok: true, seq: 2 });
  const drained = a.system.drain(10_000);
  const replies = refs.map((ref) => add(b, ref));
  await c.clock.advance(3_000);
  for (const reply of await Promise.all(replies)) t.like(reply, { ok: true, seq: 3 });
  await drained;
  t.is([...c.leases.state().slots.values()].filter(({ node }) => node === b.id).length, SLOTS);
  t.deepEqual([await a.metric('fence_conflicts_total'), await b.metric('fence_conflicts_total')], [0, 0]);
});

test('a node that stops while the leases are out of reach does not spend its time asking for them', async (t) => {
  const c = await testCluster(base);
  const [a] = c.nodes as [TestNode];
  const ref = c.refOf(a, 'counter');
  await answered(c, add(a, ref));
  a.connect(false);
  const drained = a.system.drain(4_000);
  await c.clock.advance(20_000);
  await drained;
  t.true(a.log.lines.filter((line) => line.message === 'the leases could not be renewed').length <= 60);
});

test('whoever hears of a takeover only from the table tells it all the same (K61)', async (t) => {
  const c = await testCluster(base);
  const [a, b] = c.nodes as [TestNode, TestNode];
  const ref = c.refOf(b, 'counter');
  await answered(c, add(b, ref));
  const taken: number[] = [];
  a.system.onTakeover((slots) => taken.push(...slots));
  b.kill();
  const slots = [...c.leases.state().slots].flatMap(([slot, { node }]) => (node === b.id ? [slot] : []));
  // the answer to this claim of the first node was lost
  await c.leases.leave(b.id);
  await c.leases.claim(slots, a.id);
  await c.clock.advance(2_000);
  t.true(taken.includes(slotOf(actorIdOf(ref))));
  t.deepEqual(
    taken.toSorted((x, y) => x - y),
    slots.toSorted((x, y) => x - y),
    'each once',
  );
});
