/** The named cases of kernel specification 16.3 that need two nodes. */
import test from 'ava';
import { actorIdOf, slotOf } from '../../actors/ids.ts';
import type { Lane } from '../../actors/store/store.ts';
import type { Reply } from '../../actors/types.ts';
import { settle } from '../support/clock.ts';
import { answered, testCluster } from '../support/cluster.ts';
import type { TestCluster, TestNode } from '../support/cluster.ts';
import { as, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';
import { holder } from '../support/sim-claims.ts';

const alice = user('alice');
const effects = { counter: { work: async () => ({ done: 1 }) } };
const base = { kinds: [counter], effects };
const newer = { ...counter, version: 2, migrations: { 1: (s: object) => s as never } };

const add = (node: TestNode, ref: string, deadline = 10_000): Promise<Reply> =>
  node.system.ask(ref, { type: 'counter.add', by: 1 }, as(alice, { deadline }));
const types = (c: TestCluster, ref: string) => c.store.journal(actorIdOf(ref)).map((r) => r.type);
const whole = (c: TestCluster, ref: string) => c.store.journal(actorIdOf(ref)).every((r, i) => r.seq === i + 1);
const epochOf = (c: TestCluster, ref: string): number => c.leases.state().slots.get(slotOf(actorIdOf(ref)))?.epoch ?? 0;

/** A statement that waits before it reaches the database. */
function gate(): { commit: (lane: Lane) => Lane['commit']; shut: () => void; open: () => void; waiting: () => number } {
  let held: (() => void)[] | undefined;
  return {
    commit: (lane) => async (batch) => {
      await new Promise<void>((resolve) => {
        if (held === undefined) resolve();
        else held.push(resolve);
      });
      return lane.commit(batch);
    },
    shut: () => (held ??= []),
    open: () => {
      const waiting = held ?? [];
      held = undefined;
      for (const go of waiting) go();
    },
    waiting: () => held?.length ?? 0,
  };
}

test('two nodes that both serve an actor write one row each; the loser reads the actor anew and runs the command again (K4)', async (t) => {
  const c = await testCluster({ ...base, nodes: 1 });
  const [a] = c.nodes as [TestNode];
  const held = gate();
  const b = await c.add({ commit: held.commit });
  const ref = c.refOf(a, 'counter');
  await answered(c, add(a, ref));
  b.connect(false);
  await c.clock.advance(6_000);
  t.is(await b.metric('roaming'), 1);
  held.shut();
  const late = [add(b, ref), b.system.ask(ref, { type: 'counter.refuse' }, as(alice)), add(b, ref)];
  await settle();
  t.is(held.waiting(), 1, 'computed on the state after row 2');
  t.like(await answered(c, add(a, ref)), { ok: true, seq: 3, reply: { n: 2 } });
  held.open();
  const replies = await Promise.all(late.map((reply) => answered(c, reply)));
  t.like(replies[0], { ok: true, seq: 4, reply: { n: 3 } });
  t.like(replies[1], { ok: false, seq: 4, error: { code: 'COUNTER_SAYS_NO', details: { n: 3 } } }, 'the refusal is that of the true state');
  t.like(replies[2], { ok: true, seq: 5, reply: { n: 4 } });
  t.is(await b.metric('fence_conflicts_total'), 1);
  t.true(whole(c, ref));
});

test('a node that was paused in the middle of a commit finds three rows of another: a conflict, no gap, nothing left (K5)', async (t) => {
  const held = gate();
  const c = await testCluster({ ...base, nodes: 0 });
  const a = await c.add({ commit: held.commit });
  const b = await c.add();
  await c.clock.advance(25_000);
  const ref = c.refOf(a, 'counter');
  await answered(c, add(a, ref));
  const published: string[] = [];
  a.system.onPublish((p) => published.push(p.t));
  await a.system.slice(`${ref}/value`);
  held.shut();
  const stuck = add(a, ref, 30_000);
  await settle();
  a.clock.pause();
  a.connect(false);
  await c.clock.advance(9_000);
  for (let n = 0; n < 3; n += 1) t.like(await answered(c, add(b, ref)), { ok: true });
  await c.clock.advance(11_000);
  held.open();
  await settle();
  t.is(types(c, ref).length, 5, 'its statement has met the fence');
  t.deepEqual(published, []);
  a.connect(true);
  a.clock.resume();
  t.like(await answered(c, stuck), { ok: true, seq: 6, reply: { n: 5 } }, 'run again where the actor is now');
  t.true(whole(c, ref));
  t.is(c.owner(ref), b);
});

test('an owner that was paused answers nothing from memory until it knows whose the actor is: reads show what the other node wrote', async (t) => {
  const c = await testCluster(base);
  const [a, b] = c.nodes as [TestNode, TestNode];
  const ref = c.refOf(a, 'counter');
  await answered(c, add(a, ref));
  a.clock.pause();
  await c.clock.advance(9_000);
  t.like(await answered(c, add(b, ref)), { ok: true, seq: 3 });
  const reads = (['session', 'linearizable'] as const).map((level) => a.system.read(ref, 'n', {}, { from: alice, level }));
  await settle();
  a.clock.resume();
  await c.clock.advance(1_000);
  for (const read of reads) t.deepEqual(await read, { seq: 3, value: 2 });
});

test('no command is lost while the leases are down for a minute, whichever node it reaches (K19)', async (t) => {
  const c = await testCluster(base);
  const refs = ['counter:x', 'counter:y', 'counter:z'];
  const acked = new Map<string, number>();
  const round = async (): Promise<void> => {
    const sent = refs.flatMap((ref) => c.nodes.map(async (node) => [ref, await answered(c, add(node, ref))] as const));
    for (const [ref, reply] of await Promise.all(sent)) {
      if (reply.ok) acked.set(ref, (acked.get(ref) ?? 0) + 1);
      else t.is(reply.error.code, 'RETRY');
    }
  };
  await round();
  for (const node of c.nodes) node.connect(false);
  await c.clock.advance(5_000);
  for (let s = 0; s < 60; s += 5) {
    await round();
    await c.clock.advance(5_000);
  }
  for (const node of c.nodes) t.is(await node.metric('roaming'), 1);
  for (const node of c.nodes) node.connect(true);
  await c.clock.advance(6_000);
  const conflicts = await Promise.all(c.nodes.map((node) => node.metric('fence_conflicts_total')));
  for (let n = 0; n < 3; n += 1) await round();
  for (const [i, node] of c.nodes.entries()) {
    t.is(await node.metric('roaming'), 0);
    t.is(await node.metric('fence_conflicts_total'), conflicts[i] ?? -1, 'one owner again');
    const told = node.log.lines.filter(({ message }) => message.includes('lease'));
    t.deepEqual(
      told.map(({ level, message }) => `${level} ${message}`),
      ['warn the leases could not be renewed', 'warn roaming: the store of leases is out of reach', 'info the lease is held again'],
      'each once',
    );
  }
  for (const ref of refs) {
    t.is(types(c, ref).length, 1 + (acked.get(ref) ?? 0));
    t.true(whole(c, ref));
  }
});

test('the nodes show for an hour who is gone, and whether it was stopped or lost, until it is back', async (t) => {
  const c = await testCluster({ ...base, nodes: 3 });
  const [a, b, x] = c.nodes as [TestNode, TestNode, TestNode];
  await c.clock.advance(10_000);
  const gone = () => a.system.inspect.cluster().gone.map(({ id, orderly }) => ({ id, orderly }));
  t.deepEqual(gone(), []);
  b.kill();
  await c.clock.advance(10_000);
  t.deepEqual(gone(), [{ id: b.id, orderly: false }]);
  x.clock.pause();
  await c.clock.advance(10_000);
  t.deepEqual(
    gone().map(({ id }) => id),
    [x.id, b.id],
  );
  x.clock.resume();
  await c.clock.advance(10_000);
  t.deepEqual(
    gone().map(({ id }) => id),
    [b.id],
  );
  const over = x.system.drain(5_000);
  await c.clock.advance(20_000);
  await over;
  t.deepEqual(gone(), [
    { id: x.id, orderly: true },
    { id: b.id, orderly: false },
  ]);
  await c.clock.advance(3_600_000);
  t.deepEqual(gone(), []);
});

test('a lease store that comes back empty gets its slots back from those who had them, with greater epochs (K20)', async (t) => {
  const c = await testCluster(base);
  const refs = Array.from({ length: 20 }, (_, i) => `counter:${i}`);
  for (const ref of refs) await answered(c, add(c.nodes[0]!, ref));
  const before = refs.map((ref) => [c.owner(ref).id, epochOf(c, ref)] as const);
  c.leases.forget();
  const replies = await Promise.all(refs.map((ref) => answered(c, add(c.nodes[1]!, ref))));
  t.true(replies.every((r) => r.ok));
  await c.clock.advance(5_000);
  for (const [i, ref] of refs.entries()) {
    t.is(c.owner(ref).id, before[i]![0]);
    t.true(epochOf(c, ref) > before[i]![1]);
    t.deepEqual(types(c, ref), ['thrum.init', 'counter.add', 'counter.add']);
  }
  for (const node of c.nodes) t.is(await node.metric('fence_conflicts_total'), 0);
});

test('an older build that meets a newer state hands the slot on to a newer build, and the caller notices nothing (K22)', async (t) => {
  const c = await testCluster({ ...base, nodes: 0 });
  const old = await c.add();
  const one = await c.add({ build: 2, kinds: [newer] });
  await c.clock.advance(25_000);
  const ref = c.refOf(one, 'counter');
  await answered(c, add(one, ref));
  one.kill();
  await c.clock.advance(9_000);
  t.is(c.owner(ref), old);
  t.like(await answered(c, add(old, ref, 500)), { ok: false, error: { code: 'VERSION_AHEAD' } });
  const two = await c.add({ build: 2, kinds: [newer] });
  await c.clock.advance(1_500);
  t.is(c.owner(ref), old, 'the nodes have not been the same for long enough');
  t.like(await answered(c, add(old, ref)), { ok: true, seq: 3, reply: { n: 2 } });
  t.is(c.owner(ref), two);
  await c.clock.advance(30_000);
  const back = [...c.leases.state().slots].filter(([slot, { node }]) => node === old.id && slot === slotOf(actorIdOf(ref)));
  t.deepEqual(back, [], 'a slot never goes back to an older build');
});

test('slots move to a newer build and never to an older one', async (t) => {
  const c = await testCluster({ ...base, nodes: 1, node: { build: 2 } });
  await c.add({ build: 1 });
  await c.clock.advance(10_000);
  t.is(new Set([...c.leases.state().slots.values()].map((o) => o.node)).size, 1);
  await c.add({ build: 2 });
  await c.clock.advance(15_000);
  const owners = new Set([...c.leases.state().slots.values()].map((o) => o.node));
  t.deepEqual([...owners].toSorted(), ['n1', 'n3']);
  const [first] = c.nodes as [TestNode];
  const left = first.system.drain(10_000);
  await c.clock.advance(2_000);
  await left;
  const heirs = () => new Set([...c.leases.state().slots.values()].map((o) => o.node));
  t.deepEqual([...heirs()], ['n3'], 'nor does a node that stops give them to one, while there is another');
  const [, , third] = c.nodes;
  const last = third?.system.drain(10_000);
  await c.clock.advance(2_000);
  await last;
  t.deepEqual([...heirs()], ['n2'], 'on the way back to the build before there is none');
});

test('a node that is drained under load hands its slots over, and no command fails (K29)', async (t) => {
  const c = await testCluster(base);
  const [a, b] = c.nodes as [TestNode, TestNode];
  const refs = Array.from({ length: 24 }, (_, i) => `counter:${i}`);
  const replies: Promise<Reply>[] = [];
  let drained: Promise<void> | undefined;
  for (let ms = 0; ms < 4_000; ms += 20) {
    for (const ref of refs) replies.push(add(b, ref));
    if (ms < 1_000) for (const ref of refs) replies.push(add(a, ref));
    if (ms === 1_000) drained = a.system.drain(10_000);
    await c.clock.advance(20);
  }
  await c.clock.advance(2_000);
  await drained;
  const failed = (await Promise.all(replies)).filter((r) => !r.ok);
  t.deepEqual(failed, []);
  t.deepEqual([...new Set([...c.leases.state().slots.values()].map((o) => o.node))], [b.id]);
  t.deepEqual([await a.metric('fence_conflicts_total'), await b.metric('fence_conflicts_total')], [0, 0]);
  for (const ref of refs) t.true(whole(c, ref));
  t.is(
    refs.reduce((sum, ref) => sum + types(c, ref).length - 1, 0),
    replies.length,
  );
});

test('two nodes create an actor at the same time: one birth, and the other command is the next event (K31)', async (t) => {
  const c = await testCluster({ ...base, nodes: 1 });
  const [a] = c.nodes as [TestNode];
  const held = gate();
  const b = await c.add({ commit: held.commit });
  b.connect(false);
  await c.clock.advance(6_000);
  const ref = c.refOf(a, 'counter');
  held.shut();
  const late = add(b, ref);
  await settle();
  t.is(held.waiting(), 1);
  t.like(await answered(c, add(a, ref)), { ok: true, seq: 2, reply: { n: 1 } });
  held.open();
  t.like(await answered(c, late), { ok: true, seq: 3, reply: { n: 2 } });
  t.deepEqual(types(c, ref), ['thrum.init', 'counter.add', 'counter.add']);
});

test('two users take one name on two nodes at once: one has it, one is refused, nobody is alarmed (K47)', async (t) => {
  const c = await testCluster({ kinds: [holder] });
  const [a, b] = c.nodes as [TestNode, TestNode];
  const take = (node: TestNode, ref: string) => node.system.ask(ref, { type: 'holder.take', name: 'ada' }, as(alice));
  const [mine, theirs] = [c.refOf(a, 'holder'), c.refOf(b, 'holder')];
  const replies = [take(a, mine), take(b, theirs)];
  const found = await Promise.all(replies.map((reply) => answered(c, reply)));
  t.deepEqual(found.map((r) => (r.ok ? 'ok' : r.error.code)).toSorted(), ['SIM_NAME_TAKEN', 'ok']);
  t.is(c.store.rows('sim_names').length, 1);
  for (const node of c.nodes)
    t.deepEqual(
      node.log.lines.filter((line) => line.level === 'error'),
      [],
    );
});

test('after a crash between commit and publication the takeover tells which actors have moved on (K61)', async (t) => {
  const c = await testCluster(base);
  const [a, b] = c.nodes as [TestNode, TestNode];
  const [ref, quiet] = [c.refOf(b, 'counter'), c.refOf(b, 'counter', 1)];
  await answered(c, add(a, quiet));
  await c.clock.advance(60_000);
  const told: string[] = [];
  a.system.onTakeover((slots) => {
    const read = async (): Promise<void> => {
      for await (const one of a.system.recent(slots, 30_000)) told.push(`${one.ref} ${one.seq}`);
    };
    void read();
  });
  await answered(c, add(a, ref));
  b.kill();
  await c.clock.advance(9_000);
  t.deepEqual(told, [`${ref} 2`]);
});
