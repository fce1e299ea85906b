/** What an operator is told of one actor and of the nodes (kernel specification 13.1). */
import test from 'ava';
import { SLOTS } from '../../actors/ids.ts';
import { testCluster } from '../support/cluster.ts';
import type { TestCluster, TestNode } from '../support/cluster.ts';
import { as, system, testKernel } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const never = { counter: { work: () => new Promise<never>(() => undefined) } };
const add = { type: 'counter.add', by: 1 };

test('one actor is told with its node, memory, mailbox, outbox, faults and newest errors', async (t) => {
  const k = await testKernel({ kinds: [counter], effects: never });
  await k.system.ask('counter:a', add, as(system));
  await k.system.ask('counter:a', { type: 'counter.throw' }, as(system));
  await k.system.ask('counter:a', { type: 'counter.start' }, as(system));
  await k.system.slice('counter:a/value');
  const a = await k.system.inspect.one('counter:a');
  t.like(a, { owner: 'solo', status: 'active', seq: 3 });
  t.like(a.standing, {
    node: 'solo',
    epoch: 0,
    temperature: 'hot',
    mailbox: 0,
    uncommitted: 0,
    faults: 1,
    closed: null,
    idleMs: 0,
    hotTopics: ['value'],
  });
  t.true((a.standing?.bytes ?? 0) > 500 && (a.standing?.keys ?? 0) >= 2);
  t.like(a.outbox, [{ seq: 3, op: 'effect', target: 'work' }]);
  t.like(a.letters, [{ source: 'command', event: { type: 'counter.throw' } }]);
  t.is(a.letters.length, 1);

  await k.system.ask('counter:b', add, as(system));
  await k.clock.advance(200_000);
  t.like((await k.system.inspect.one('counter:b')).standing, { temperature: 'cold', idleMs: null, bytes: 0, hotTopics: [] });
});

test('a single node tells of itself like a cluster of one', async (t) => {
  const k = await testKernel({ kinds: [counter], effects: never });
  await k.system.ask('counter:a', add, as(system));
  t.like(k.system.inspect.cluster(), { mode: 'solo', node: 'solo', nodes: [{ id: 'solo', slots: SLOTS, versions: { counter: 1 } }] });
  t.like((await k.system.inspect.workloads()).found, [
    { node: 'solo', hot: 1, warm: 0, inflight: 0, lanes: [{ uncommitted: 0, troubledMs: 0 }], conflicts: 0, inDoubt: 0, roaming: false },
  ]);
});

/** What comes of a question, with the time that it needs. */
async function asked<T>(c: TestCluster, question: Promise<T>): Promise<T> {
  const over: true[] = [];
  void question.finally(() => over.push(true)).catch(() => undefined);
  for (let ms = 0; over.length === 0 && ms < 30_000; ms += 50) await c.clock.advance(50);
  return question;
}

test('either of two nodes tells of the actors and the load of both; one that is gone is left out', async (t) => {
  const c = await testCluster({ kinds: [counter], effects: { counter: { work: async () => ({ done: 1 }) } } });
  const [a, b] = c.nodes as [TestNode, TestNode];
  const ref = c.refOf(b, 'counter');
  await asked(c, a.system.ask(ref, add, as(system)));
  const told = await asked(c, a.system.inspect.one(ref));
  t.is(told.owner, b.id);
  t.like(told.standing, { node: b.id, temperature: 'hot' });
  t.true((told.standing?.epoch ?? 0) > 0);

  const loads = (await asked(c, a.system.inspect.workloads())).found;
  t.deepEqual(Object.fromEntries(loads.map((w) => [w.node, w.hot])), { [a.id]: 0, [b.id]: 1 });
  const { mode, nodes, slots } = a.system.inspect.cluster();
  t.is(mode, 'cluster');
  t.deepEqual(nodes.map((n) => n.id).toSorted(), [a.id, b.id].toSorted());
  t.is(
    nodes.reduce((sum, n) => sum + n.slots, 0),
    SLOTS,
  );
  t.is(slots.length, SLOTS);

  const of = async (node: string) => (await a.system.inspect.list({ node, sort: 'name', after: undefined, limit: 10 })).items.length;
  await c.clock.advance(5_000);
  t.deepEqual([await of(a.id), await of(b.id), await of('n9')], [0, 1, 0]);

  b.kill();
  const left = await asked(c, a.system.inspect.workloads());
  t.deepEqual([left.found.map((w) => w.node), left.silent], [[a.id], [b.id]]);
});

test('the actors with the most faults are those of all nodes, in one order; a node that does not answer in time is named', async (t) => {
  let mute = false;
  const c = await testCluster({
    kinds: [counter],
    effects: { counter: { work: async () => ({ done: 1 }) } },
    drop: ({ from, frame }) => mute && from === 'n2' && frame.f === 'ack',
  });
  const [a, b] = c.nodes as [TestNode, TestNode];
  const faulty = [
    [c.refOf(a, 'counter'), 1],
    [c.refOf(b, 'counter'), 3],
    [c.refOf(a, 'counter', 1), 2],
    [c.refOf(b, 'counter', 1), 4],
    [c.refOf(b, 'counter', 2), 0],
  ] as const;
  for (const [ref, faults] of faulty) {
    await asked(c, a.system.ask(ref, add, as(system)));
    for (let i = 0; i < faults; i += 1) await asked(c, a.system.ask(ref, { type: 'counter.throw' }, as(system)));
  }
  await c.clock.advance(5_000);
  const busiest = async (node: TestNode, q = {}) => {
    const { found, silent } = await asked(c, node.system.inspect.busiest('faults', { limit: 10, ...q }));
    return [found.map((r) => `counter:${r.id}`), silent];
  };
  const order = [3, 1, 2, 0].map((i) => faulty[i]?.[0]);
  t.deepEqual(await busiest(a), [order, []]);
  t.deepEqual(await busiest(b), [order, []]);
  t.deepEqual(await busiest(a, { limit: 3 }), [order.slice(0, 3), []]);
  t.deepEqual(await busiest(a, { node: b.id }), [order.slice(0, 2), []]);
  t.deepEqual(await busiest(a, { kind: 'other' }), [[], []]);
  mute = true;
  t.deepEqual(await busiest(a), [[order[2], order[3]], [b.id]]);
});
