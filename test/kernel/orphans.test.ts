/** Work of slots without a living owner while nodes roam, and of those with one (kernel specification 8.3, 9, 10.7). */
import test from 'ava';
import { actorIdOf } from '../../actors/ids.ts';
import type { Reply } from '../../actors/types.ts';
import { answered, testCluster } from '../support/cluster.ts';
import type { TestCluster, TestClusterOptions, TestNode } from '../support/cluster.ts';
import { as, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const alice = user('alice');
/** its effect may last */
const patient = { ...counter, effects: { work: { ...counter.effects!['work']!, timeout: 600_000 } } };

const ask = (node: TestNode, ref: string, type: string, more: object = {}): Promise<Reply> =>
  node.system.ask(ref, { type, ...more }, as(alice, { deadline: 10_000 }));
const types = (c: TestCluster, ref: string) => c.store.journal(actorIdOf(ref)).map((r) => r.type);

/** Effects that last until `end` is called; `begun` names the node and the actor of each start. */
function lasting() {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const aborted: string[] = [];
  return {
    begun,
    aborted,
    end: (name: string) => ends.get(name)?.(),
    of: (node: string) => ({
      counter: {
        work: ({ ref, signal }: { ref: string; signal: AbortSignal }): Promise<{ done: number }> => {
          const name = `${node} ${ref}`;
          begun.push(name);
          signal.addEventListener('abort', () => aborted.push(name));
          return new Promise((resolve) => ends.set(name, () => resolve({ done: 77 })));
        },
      },
    }),
  };
}

/** Three nodes; only then have all their share of the slots. */
async function three(work: ReturnType<typeof lasting>, drop: TestClusterOptions['drop'] = () => false): Promise<TestCluster> {
  const c = await testCluster({ kinds: [patient], nodes: 0, drop });
  for (const id of ['n1', 'n2', 'n3']) await c.add({ effects: work.of(id) });
  await c.clock.advance(25_000);
  return c;
}

const roam = async (c: TestCluster, nodes: readonly TestNode[], yes = true): Promise<void> => {
  for (const node of nodes) node.connect(!yes);
  await c.clock.advance(6_000);
  for (const node of nodes)
    if (node.clock.alive) if ((await node.metric('roaming')) !== (yes ? 1 : 0)) throw new Error(`${node.id} does not`);
};

test('what a dead node has left is done once, although all others roam: effects by one of them, timers and messages too', async (t) => {
  const work = lasting();
  const c = await three(work, ({ from, frame }) => from === 'n3' && frame.f === 'tell');
  const [a, b, dead] = c.nodes as [TestNode, TestNode, TestNode];
  const hearer = c.refOf(a, 'counter');
  const refs = Array.from({ length: 12 }, (_, i) => c.refOf(dead, 'counter', i));
  for (const ref of refs.slice(0, 6)) await answered(c, ask(dead, ref, 'counter.start'));
  for (const ref of refs.slice(6, 9)) await answered(c, ask(dead, ref, 'counter.arm', { ms: 8_000 }));
  for (const ref of refs.slice(9)) await answered(c, ask(dead, ref, 'counter.send', { to: hearer, times: 3 }));
  t.is(c.store.outbox().length, 6 + 9, 'its messages have not arrived');
  for (const node of c.nodes) node.connect(false);
  dead.kill();
  await c.clock.advance(6_000);
  t.is(work.begun.length, 6);
  await c.clock.advance(90_000);
  const after = work.begun.slice(6);
  t.deepEqual(after.map((name) => name.slice(name.indexOf(' ') + 1)).toSorted(), refs.slice(0, 6).toSorted(), 'each once more');
  t.true(after.every((name) => !name.startsWith(dead.id)));
  for (const name of after) work.end(name);
  await c.clock.advance(1_000);
  for (const ref of refs.slice(0, 6)) t.is(types(c, ref).at(-1), 'xstate.done.actor.work');
  for (const ref of refs.slice(6, 9))
    t.deepEqual(
      types(c, ref).filter((type) => type === 'fired'),
      ['fired'],
    );
  const heard = (await a.system.inspect.one(hearer)).state.context['heard'] as string[];
  t.deepEqual(
    heard.toSorted(),
    refs
      .slice(9)
      .flatMap((ref) => [0, 1, 2].map((i) => `${ref}#${i}`))
      .toSorted(),
  );
  for (const ref of refs.slice(9))
    t.deepEqual(
      heard.filter((h) => h.startsWith(`${ref}#`)).map((h) => h.slice(-1)),
      ['0', '1', '2'],
    );
  t.deepEqual(c.store.outbox(), []);
  t.deepEqual(c.store.timers(), []);
  const conflicts = (await a.metric('fence_conflicts_total')) + (await b.metric('fence_conflicts_total'));
  t.is(conflicts, 0, 'nobody was in the way of anybody');
});

test('a node that took up an effect and dies leaves it to the next', async (t) => {
  const work = lasting();
  const c = await three(work);
  const [, , dead] = c.nodes as [TestNode, TestNode, TestNode];
  const ref = c.refOf(dead, 'counter');
  await answered(c, ask(dead, ref, 'counter.start'));
  for (const node of c.nodes) node.connect(false);
  dead.kill();
  await c.clock.advance(60_000);
  t.is(work.begun.length, 2);
  c.nodes.find(({ id }) => work.begun[1]?.startsWith(id))!.kill();
  await c.clock.advance(80_000);
  t.is(new Set(work.begun).size, 3, work.begun.join());
  work.end(work.begun[2]!);
  await c.clock.advance(1_000);
  t.deepEqual(types(c, ref).slice(2), ['xstate.done.actor.work']);
});

test('what lasts longer is left to the living node that is busy with it, whoever roams', async (t) => {
  const work = lasting();
  const c = await three(work);
  const [a, b, third] = c.nodes as [TestNode, TestNode, TestNode];
  const ref = c.refOf(a, 'counter');
  await answered(c, ask(a, ref, 'counter.start'));
  await roam(c, [b]);
  await c.clock.advance(120_000);
  t.deepEqual(work.begun, [`${a.id} ${ref}`], 'its owner does not roam');
  await roam(c, [a, third]);
  await c.clock.advance(120_000);
  t.deepEqual(work.begun, [`${a.id} ${ref}`], 'all roam');
  work.end(`${a.id} ${ref}`);
  await c.clock.advance(1_000);
  t.deepEqual(types(c, ref).slice(2), ['xstate.done.actor.work']);
});

test('the owner of a slot leaves an effect to the node that roams and has begun it, until that one finds its way back', async (t) => {
  const work = lasting();
  const c = await three(work);
  const [a, b] = c.nodes as [TestNode, TestNode];
  const [ref, other] = [c.refOf(a, 'counter', 0), c.refOf(a, 'counter', 1)];
  await roam(c, [b]);
  for (const one of [ref, other]) t.like(await answered(c, ask(b, one, 'counter.start')), { ok: true });
  await answered(c, ask(a, ref, 'counter.add', { by: 1 }));
  await c.clock.advance(120_000);
  t.deepEqual(work.begun, [`${b.id} ${ref}`, `${b.id} ${other}`]);
  work.end(`${b.id} ${ref}`);
  await c.clock.advance(1_000);
  t.deepEqual(types(c, ref).slice(2), ['xstate.done.actor.work']);
  await roam(c, [b], false);
  await c.clock.advance(10_000);
  t.deepEqual(work.aborted, [`${b.id} ${other}`]);
  t.deepEqual(work.begun.slice(2), [`${a.id} ${other}`], 'given up, it is begun by the owner');
});

test('an effect that nobody wants any more is not begun again, although another node than the one busy with it has left the state', async (t) => {
  const work = lasting();
  const c = await three(work);
  const [a, b] = c.nodes as [TestNode, TestNode];
  const ref = c.refOf(a, 'counter');
  await answered(c, ask(a, ref, 'counter.start'));
  await roam(c, c.nodes);
  t.like(await answered(c, ask(b, ref, 'counter.stop')), { ok: true });
  t.deepEqual(c.store.outbox(), []);
  a.kill();
  await c.clock.advance(120_000);
  t.is(work.begun.length, 1);
});
