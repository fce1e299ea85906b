/** Subscribers may be connected to any node: how the one that serves an actor learns that somebody follows its topics. */
import test from 'ava';
import type { Publication } from '../../actors/system.ts';
import type { Reply } from '../../actors/types.ts';
import { settle } from '../support/clock.ts';
import { answered, testCluster } from '../support/cluster.ts';
import type { TestCluster, TestNode } from '../support/cluster.ts';
import { as, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const alice = user('alice');
const base = { kinds: [counter], effects: { counter: { work: async () => ({ done: 1 }) } } };

const add = (c: TestCluster, node: TestNode, ref: string): Promise<Reply> =>
  answered(c, node.system.ask(ref, { type: 'counter.add', by: 1 }, as(alice)));

/** The edge of a node: what it follows, and what it has heard. */
function edge(node: TestNode): { follows: Set<string>; published: Publication[]; announced: string[]; changed: string[] } {
  const e = { follows: new Set<string>(), published: [] as Publication[], announced: [] as string[], changed: [] as string[] };
  node.system.follow({
    of: (ref) => [...e.follows].filter((t) => t.startsWith(`${ref}/`)),
    topics: () => e.follows,
    changed: (ref) => void e.changed.push(ref),
    announce: (topics) => void e.announced.push(...topics),
  });
  node.system.onPublish((p) => void e.published.push(p));
  return e;
}

/** Twelve actors of a node, each with a follower there. */
async function followedAt(c: TestCluster, node: TestNode): Promise<string[]> {
  const here = edge(node);
  const refs = Array.from({ length: 12 }, (_, i) => `counter:${i}`);
  for (const ref of refs) {
    await add(c, node, ref);
    here.follows.add(`${ref}/value`);
    await node.system.slice(`${ref}/value`);
  }
  return refs;
}

test('an owner that has forgotten an actor publishes for subscribers of another node all the same', async (t) => {
  const c = await testCluster(base);
  const [a, b] = c.nodes as [TestNode, TestNode];
  const [atA, atB] = [edge(a), edge(b)];
  const ref = c.refOf(a, 'counter');
  await add(c, a, ref);
  const topic = `${ref}/value`;
  atB.follows.add(topic);
  t.like(await b.system.slice(topic), { m: 'snap', s: 2 });
  for (let s = 0; s < 300; s += 10) await c.clock.advance(10_000);
  atA.published.length = 0;
  await add(c, b, ref);
  await c.clock.advance(500);
  t.like(atA.published, [{ t: topic, s: 3 }]);
  t.deepEqual(atB.published, [], 'the owner publishes, nobody else');
  t.true(atB.changed.includes(ref), 'who may read is asked again where the reader is');
});

test('nobody is told of topics that nobody has followed for a minute', async (t) => {
  const c = await testCluster(base);
  const [a, b] = c.nodes as [TestNode, TestNode];
  const atA = edge(a);
  const atB = edge(b);
  const ref = c.refOf(a, 'counter');
  await add(c, a, ref);
  await b.system.slice(`${ref}/value`);
  for (let s = 0; s < 300; s += 10) await c.clock.advance(10_000);
  atA.published.length = 0;
  await add(c, a, ref);
  await c.clock.advance(500);
  t.deepEqual(atA.published, []);
  t.deepEqual(atB.changed, []);
});

test('the successor of a crashed owner announces what was committed last, and publishes what comes (K61)', async (t) => {
  const c = await testCluster({ ...base, nodes: 3 });
  const [a, b, d] = c.nodes as [TestNode, TestNode, TestNode];
  const edges = new Map([a, b, d].map((n) => [n, edge(n)]));
  const ref = c.refOf(a, 'counter');
  const topic = `${ref}/value`;
  await add(c, a, ref);
  edges.get(b)!.follows.add(topic);
  await b.system.slice(topic);
  await add(c, a, ref);
  a.kill();
  await c.clock.advance(9_000);
  const owner = c.owner(ref);
  t.not(owner, a);
  t.deepEqual([...new Set(edges.get(owner)!.announced)], [topic]);
  for (const e of edges.values()) e.published.length = 0;
  await add(c, d, ref);
  await c.clock.advance(500);
  t.like(edges.get(owner)!.published, [{ t: topic, s: 4 }]);
});

test('what a crashed owner committed last is announced although the database is away during the takeover (K61)', async (t) => {
  let away = false;
  const c = await testCluster({
    ...base,
    node: {
      view: (store) => ({
        ...store,
        recent: async (...q) => {
          if (away) throw new Error('the database is out of reach');
          return store.recent(...q);
        },
      }),
    },
  });
  const [a, b] = c.nodes as [TestNode, TestNode];
  const atB = edge(b);
  const ref = c.refOf(a, 'counter');
  const topic = `${ref}/value`;
  await add(c, a, ref);
  atB.follows.add(topic);
  await b.system.slice(topic);
  await c.clock.advance(100_000);
  await add(c, a, ref);
  away = true;
  a.kill();
  await c.clock.advance(7_000);
  t.is(c.owner(ref), b);
  t.deepEqual(atB.announced, []);
  away = false;
  await c.clock.advance(3_000);
  t.true(atB.announced.includes(topic));
});

test('after a planned move the new owner publishes from the first commit that it hears a follower for, and says where the topic stands', async (t) => {
  const c = await testCluster({ ...base, nodes: 1 });
  const [a] = c.nodes as [TestNode];
  const refs = await followedAt(c, a);
  const b = await c.add();
  const atB = edge(b);
  await c.clock.advance(20_000);
  const moved = refs.filter((ref) => c.owner(ref) === b);
  t.true(moved.length > 0);
  atB.published.length = 0;
  for (const ref of moved) await add(c, a, ref);
  await c.clock.advance(500);
  t.deepEqual(atB.published.map((p) => p.t).toSorted(), moved.map((ref) => `${ref}/value`).toSorted());
});

test('nodes that cannot hear each other compare what is followed with the journal every ten seconds', async (t) => {
  const c = await testCluster(base);
  const [a, b] = c.nodes as [TestNode, TestNode];
  const atB = edge(b);
  edge(a);
  const ref = c.refOf(a, 'counter');
  const topic = `${ref}/value`;
  await add(c, a, ref);
  atB.follows.add(topic);
  await b.system.slice(topic);
  for (const node of c.nodes) node.connect(false);
  await c.clock.advance(5_000);
  await b.system.slice(topic);
  await add(c, a, ref);
  await c.clock.advance(11_000);
  await settle();
  t.true(atB.announced.includes(topic));
  t.like(await b.system.slice(topic), { s: 3 });
});

test('an owner that never lost the leases learns what a node wrote that had, and its subscribers hear where the topic stands', async (t) => {
  const c = await testCluster({ ...base, nodes: 3 });
  const [a, b, x] = c.nodes as [TestNode, TestNode, TestNode];
  const atA = edge(a);
  const atB = edge(b);
  edge(x);
  const ref = c.refOf(a, 'counter');
  const topic = `${ref}/value`;
  await add(c, a, ref);
  atB.follows.add(topic);
  t.like(await b.system.slice(topic), { s: 2 });
  x.connect(false);
  await c.clock.advance(5_000);
  t.like(await add(c, x, ref), { ok: true, seq: 3 });
  x.connect(true);
  atA.announced.length = 0;
  await c.clock.advance(12_000);
  await settle();
  t.is(c.owner(ref), a);
  t.true(atA.announced.includes(topic));
  t.like(await b.system.slice(topic), { s: 3 });
});

test('what a new owner published to nobody, because it did not know of them yet, is announced though the actor has left the memory', async (t) => {
  let lost = true;
  const hasty = { ...counter, passivateAfter: 2_000 };
  const c = await testCluster({ ...base, kinds: [hasty], nodes: 1, drop: ({ frame }) => lost && frame.f === 'follow' });
  const [a] = c.nodes as [TestNode];
  const refs = await followedAt(c, a);
  const b = await c.add();
  const atB = edge(b);
  await c.clock.advance(14_000);
  const moved = refs.filter((ref) => c.owner(ref) === b);
  t.true(moved.length > 0);
  for (const ref of moved) await add(c, a, ref);
  await c.clock.advance(6_000);
  t.is(await b.metric('activations'), 0, 'they are not in memory any more');
  t.deepEqual(atB.announced, []);
  lost = false;
  await c.clock.advance(21_000);
  t.deepEqual(atB.announced.toSorted(), moved.map((ref) => `${ref}/value`).toSorted());
});

test('a pause by an operator at one node holds on all', async (t) => {
  const c = await testCluster(base);
  const [a, b] = c.nodes as [TestNode, TestNode];
  const ref = c.refOf(a, 'counter');
  await add(c, a, ref);
  await b.system.operate.pauseAll('kind:counter', { id: 'op', roles: [], reason: 'maintenance' });
  await settle();
  t.like(await add(c, b, ref), { ok: false, error: { code: 'ACTOR_PAUSED' } });
  await b.system.operate.resumeAll('kind:counter', { id: 'op', roles: [], reason: 'done' });
  await settle();
  t.like(await add(c, b, ref), { ok: true, seq: 3 });
});
