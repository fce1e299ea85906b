/** What nodes without a lease have written, and did not live to tell: the owners find it in the journal. */
import test from 'ava';
import { actorIdOf } from '../../actors/ids.ts';
import type { Reply } from '../../actors/types.ts';
import { settle } from '../support/clock.ts';
import { answered, testCluster } from '../support/cluster.ts';
import type { TestCluster, TestNode } from '../support/cluster.ts';
import { as, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';
import { promised } from '../support/promised.ts';

const alice = user('alice');
const base = { kinds: [counter], effects: { counter: { work: async () => ({ done: 1 }) } } };

const add = (c: TestCluster, node: TestNode, ref: string): Promise<Reply> =>
  answered(c, node.system.ask(ref, { type: 'counter.add', by: 1 }, as(alice)));
const listed = async (c: TestCluster, ref: string) => (await c.store.entry(actorIdOf(ref)))?.lastSeq;

/** Three nodes; the last one roams and has written an actor of the first. */
async function roamed(): Promise<{ c: TestCluster; a: TestNode; x: TestNode; ref: string; topic: string; announced: string[] }> {
  const c = await testCluster({ ...base, nodes: 3 });
  const [a, , x] = c.nodes as [TestNode, TestNode, TestNode];
  await c.clock.advance(20_000);
  const ref = c.refOf(a, 'counter');
  const topic = `${ref}/value`;
  const announced: string[] = [];
  a.system.follow({
    of: (one) => (one === ref ? [topic] : []),
    topics: () => [topic],
    changed: () => undefined,
    announce: (topics) => void announced.push(...topics),
  });
  await add(c, a, ref);
  await a.system.slice(topic);
  await c.clock.advance(5_000);
  x.connect(false);
  await c.clock.advance(5_000);
  const reply = await add(c, x, ref);
  if (!reply.ok || reply.seq !== 3) throw new Error(`the roaming node did not write: ${JSON.stringify(reply)}`);
  return { c, a, x, ref, topic, announced };
}

test('an owner shows what a roaming node has written that has died since', async (t) => {
  const { c, a, x, ref, topic, announced } = await roamed();
  x.kill();
  t.like(await a.system.slice(topic), { s: 2 }, 'nobody has told it');
  await c.clock.advance(10_000);
  await settle();
  t.true(announced.includes(topic));
  t.like(await a.system.slice(topic), { s: 3, d: { n: 2 } });
  t.deepEqual(await a.system.read(ref, 'n', {}, { from: alice }), { seq: 3, value: 2 });
  t.like(await add(c, a, ref), { ok: true, seq: 4 });
  t.is(await a.metric('fence_conflicts_total'), 0);
});

test('an owner that has just come shows what a node has written that died, at fractions of a ms', async (t) => {
  const c = await testCluster({ ...base, nodes: 2 });
  const [a, x] = c.nodes as [TestNode, TestNode];
  await c.clock.advance(20_000);
  const ref = c.refOf(x, 'counter');
  await add(c, x, ref);
  x.connect(false);
  await c.clock.advance(10_000);
  t.is(c.owner(ref), a);
  c.clock.sleep(1_500.3); // its ticks come late, as they do
  t.like(await add(c, x, ref), { ok: true, seq: 3 });
  x.kill();
  t.is(await listed(c, ref), 2);
  await c.clock.advance(15_000);
  t.is(await listed(c, ref), 3);
});

test('an owner shows what a node writes that roams for long', async (t) => {
  const { c, a, x, ref, topic } = await roamed();
  await c.clock.advance(20_000);
  t.like(await a.system.slice(topic), { s: 3 });
  t.like(await add(c, x, ref), { ok: true, seq: 4 });
  await c.clock.advance(12_000);
  t.like(await a.system.slice(topic), { s: 4 });
});

test('the directory shows what a roaming node has written that died before it could show it', async (t) => {
  const { c, x, ref } = await roamed();
  x.kill();
  t.is(await listed(c, ref), 2);
  await c.clock.advance(15_000);
  t.is(await listed(c, ref), 3);
});

test('the directory shows a commit that came long after the takeover, from a node that died before it could show it', async (t) => {
  const held = promised<void>();
  let holding = false;
  const c = await testCluster({ ...base, nodes: 1 });
  const [a] = c.nodes as [TestNode];
  const x = await c.add({
    commit: (lane) => async (batch) => {
      if (holding) await held.promise;
      return lane.commit(batch);
    },
  });
  await c.clock.advance(25_000);
  const ref = c.refOf(x, 'counter');
  await add(c, x, ref);
  await c.clock.advance(10_000);
  t.is(await listed(c, ref), 2);
  holding = true;
  void x.system.ask(ref, { type: 'counter.add', by: 1 }, as(alice, { deadline: 30_000 }));
  await settle();
  x.connect(false);
  await c.clock.advance(60_000);
  t.is(c.owner(ref), a);
  held.keep();
  await settle();
  x.kill();
  t.is(c.store.journal(actorIdOf(ref)).length, 3);
  await c.clock.advance(20_000);
  t.is(await listed(c, ref), 3);
});

test('an owner reads nothing anew because another node has been stopped', async (t) => {
  const c = await testCluster({ ...base, nodes: 3 });
  const [a, , x] = c.nodes as [TestNode, TestNode, TestNode];
  await c.clock.advance(20_000);
  const ref = c.refOf(a, 'counter');
  await add(c, a, ref);
  await c.clock.advance(5_000);
  const loads = await a.metric('activations_total');
  void x.system.drain(10_000);
  await c.clock.advance(20_000);
  t.is(new Set([...c.leases.state().slots.values()].map((o) => o.node)).has(x.id), false);
  t.is(await a.metric('activations_total'), loads);
});
