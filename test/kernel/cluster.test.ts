import test from 'ava';
import { actorIdOf, SLOTS, slotOf } from '../../actors/ids.ts';
import type { Frame } from '../../actors/bus/bus.ts';
import type { Principal, Reply } from '../../actors/types.ts';
import { createSettler } from '../../server/booking/settle.ts';
import { settle } from '../support/clock.ts';
import { answered as answeredWithin, testCluster } from '../support/cluster.ts';
import type { TestCluster, TestNode } from '../support/cluster.ts';
import { as, system, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const alice = user('alice');
const kinds = [counter];
const effects = { counter: { work: async () => ({ done: 1 }) } };
const add = (node: TestNode, ref: string, key?: string, deadline?: number): Promise<Reply> =>
  node.system.ask(
    ref,
    { type: 'counter.add', by: 1 },
    as(alice, { ...(key === undefined ? {} : { key }), ...(deadline === undefined ? {} : { deadline }) }),
  );
const rows = (c: TestCluster, ref: string) => c.store.journal(actorIdOf(ref)).map((r) => `${r.seq} ${r.type}`);
const owned = (c: TestCluster) => {
  const counts = new Map<string, number>();
  for (const { node } of c.leases.state().slots.values()) counts.set(node, (counts.get(node) ?? 0) + 1);
  return counts;
};

/** The answer, with the time that it needs. */
const answered = (c: TestCluster, reply: Promise<Reply>, most = 12_000): Promise<Reply> => answeredWithin(c, reply, most);

test('two nodes share the slots, and either answers for every actor', async (t) => {
  const c = await testCluster({ kinds, effects });
  const counts = [...owned(c).values()];
  t.is(
    counts.reduce((a, b) => a + b, 0),
    SLOTS,
  );
  t.true(
    counts.every((n) => n <= Math.ceil(1.15 * (SLOTS / 2))),
    counts.join(),
  );
  const [a, b] = c.nodes as [TestNode, TestNode];
  const [atA, atB] = [c.refOf(a, 'counter'), c.refOf(b, 'counter')];
  for (const ref of [atA, atB]) {
    t.like(await answered(c, add(a, ref)), { ok: true, seq: 2 });
    t.like(await answered(c, add(b, ref)), { ok: true, seq: 3, reply: { n: 2 } });
    t.deepEqual(await a.system.read(ref, 'n', {}, { from: alice }), { seq: 3, value: 2 });
    t.deepEqual(await b.system.read(ref, 'n', {}, { from: alice }), { seq: 3, value: 2 });
    t.true((await b.system.allowed(ref, alice)).commands.includes('counter.add'));
    t.is((await b.system.refused(`${ref}/value`, [alice])).size, 0);
    t.like(await a.system.slice(`${ref}/value`), { kind: 'state', m: 'snap', s: 3 });
    t.like(await b.system.slice(`${ref}/value`), { kind: 'state', m: 'snap', s: 3 });
  }
  const slice = await a.system.slice(`${atB}/value`);
  const head = { t: slice.t, e: slice.kind === 'state' ? slice.e : '', s: 3 };
  t.deepEqual(await a.system.behind([head]), []);
  await answered(c, add(a, atB));
  await c.clock.advance(200);
  t.deepEqual(await a.system.behind([head]), [head.t]);
  t.deepEqual([await a.metric('fence_conflicts_total'), await b.metric('fence_conflicts_total')], [0, 0]);
});

test('refusals, unknown names and repeated keys cross nodes unchanged', async (t) => {
  const c = await testCluster({ kinds, effects });
  const [a, b] = c.nodes as [TestNode, TestNode];
  const ref = c.refOf(b, 'counter');
  const first = await answered(c, add(a, ref, 'k'));
  t.deepEqual(await answered(c, add(a, ref, 'k')), { ...first, dup: true });
  const refuse = await a.system.ask(ref, { type: 'counter.refuse' }, as(alice));
  t.deepEqual(refuse, { ok: false, seq: 2, error: { code: 'COUNTER_SAYS_NO', details: { n: 1 } } });
  t.like(await a.system.ask(ref, { type: 'counter.nope' }, as(alice)), { error: { code: 'UNKNOWN_COMMAND' } });
  await t.throwsAsync(a.system.read(ref, 'n', {}, { from: user('stranger') }), { message: 'NOT_FOUND' });
  const readers = [alice, user('eve', 'banned')];
  const refused = await a.system.refused(`${ref}/value`, readers);
  t.deepEqual(
    [...refused].map(([p, why]) => [p.id, why.code]),
    [['eve', 'FORBIDDEN']],
  );
});

test('who sends a command and why, its key, its expectation, its trace and the time that is left cross nodes unchanged', async (t) => {
  const frames: Frame[] = [];
  const c = await testCluster({ kinds, effects, drop: ({ frame }) => (frames.push(frame), false) });
  const [a, b] = c.nodes as [TestNode, TestNode];
  const ref = c.refOf(b, 'counter');
  t.like(await answered(c, add(b, ref)), { seq: 2 });
  frames.length = 0;
  const from: Principal = { kind: 'operator', id: 'eve', roles: ['admin'], org: 'acme', reason: 'a customer called' };
  const o = { from, key: 'the-key', seq: 2, trace: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', deadline: 7_000 };
  const send = (node: TestNode, by: number, more: object = {}): Promise<Reply> =>
    answered(c, node.system.ask(ref, { type: 'counter.add', by }, { ...o, ...more }));
  const reply = await send(a, 1);
  t.like(reply, { ok: true, seq: 3, reply: { n: 2 } });

  const question = frames.find((f) => f.f === 'cmd');
  t.like(question, { f: 'cmd', command: { ref, type: 'counter.add', text: '{"by":1}', from, expect: 2, trace: o.trace } });
  t.true(question?.f === 'cmd' && question.left > 0 && question.left <= 7_000, 'the time that is left');
  const row = c.store.journal(actorIdOf(ref)).at(-1);
  t.like(JSON.parse(row?.meta ?? '{}'), { from: 'operator:eve', roles: ['admin'], reason: 'a customer called', cause: o.trace });
  const audits = await c.store.admin.audits({ limit: 10 });
  t.like(audits[0], { admin: 'eve', reason: 'a customer called', actorId: actorIdOf(ref), beforeSeq: 2, afterSeq: 3 });

  for (const node of [a, b]) {
    t.deepEqual(await send(node, 1), { ...reply, dup: true }, 'the same key at either node');
    t.like(await send(node, 2), { ok: false, error: { code: 'IDEMPOTENCY_MISMATCH' } });
    t.like(await send(node, 1, { key: 'another' }), { ok: false, error: { code: 'SEQ_MISMATCH' } });
  }
  t.deepEqual(rows(c, ref).slice(1), ['2 counter.add', '3 counter.add']);
});

test('who waits for an actor of another node to come to rest hears of its commits', async (t) => {
  const c = await testCluster({ kinds, effects });
  const [a, b] = c.nodes as [TestNode, TestNode];
  const ref = c.refOf(b, 'counter');
  await answered(c, add(a, ref));
  const settler = createSettler(a.system, c.clock);
  const nobody = { of: () => [], topics: () => [], announce: () => undefined };
  a.system.follow({ ...nobody, changed: (changed) => settler.changed(changed) });
  b.system.follow({ ...nobody, changed: () => undefined });
  const n = async (): Promise<number> => (await a.system.read(ref, 'n', {}, { from: alice })).value as number;
  const looked: number[] = [];
  const settled = settler.settled(`${ref}/value`, async () => (looked.push(await n()), looked.at(-1) === 3 ? 'three' : undefined), 10_000);
  const heard: unknown[] = [];
  void settled.then((value) => heard.push(value));
  await c.clock.advance(1_000);
  t.deepEqual(looked, [1]);
  await answered(c, add(b, ref));
  await c.clock.advance(500);
  t.deepEqual(looked, [1, 2]);
  await answered(c, add(b, ref));
  await c.clock.advance(500);
  t.deepEqual(heard, ['three'], 'long before its time is over');
  t.is(await settler.settled(`${ref}/value`, async () => 'at once', 10_000), 'at once');
});

test('a node that follows an actor of another hears of its commits from then on, and at once of what it may have missed', async (t) => {
  const c = await testCluster({ kinds, effects });
  const [a, b] = c.nodes as [TestNode, TestNode];
  const [ref, late] = [c.refOf(b, 'counter'), c.refOf(b, 'counter', 1)];
  for (const one of [ref, late]) await answered(c, add(b, one));
  const heard: string[] = [];
  const nobody = { of: () => [], topics: () => [], announce: () => undefined };
  b.system.follow({ ...nobody, changed: () => undefined });
  const began = a.system.follow({ ...nobody, changed: (changed) => heard.push(changed) });
  began(`${late}/presence`);
  await c.clock.advance(200);
  t.deepEqual(heard, [late], 'the actor is in memory and may have changed');
  began(`${ref}/presence`);
  await c.clock.advance(200);
  heard.length = 0;
  await answered(c, add(b, ref));
  await c.clock.advance(200);
  t.deepEqual(heard, [ref]);
});

test('messages between actors of different nodes arrive in order, are refused and reported', async (t) => {
  const c = await testCluster({ kinds, effects });
  const [a, b] = c.nodes as [TestNode, TestNode];
  const [from, to] = [c.refOf(a, 'counter'), c.refOf(b, 'counter')];
  await answered(c, add(a, from));
  await answered(c, add(a, to));
  await answered(c, a.system.ask(from, { type: 'counter.send', to, times: 40 }, as(alice)));
  await c.clock.advance(500);
  t.is(rows(c, to).filter((r) => r.endsWith('counter.take')).length, 40);
  t.deepEqual(await b.system.read(to, 'n', {}, { from: system }), { seq: 42, value: 41 });
  t.deepEqual(c.store.outbox(), []);
  await answered(c, a.system.ask(from, { type: 'counter.send', to, times: 1, command: 'counter.refuse' }, as(alice)));
  await c.clock.advance(500);
  t.is(rows(c, from).at(-1), '5 thrum.undelivered');
  t.deepEqual(c.store.outbox(), []);
});

test('a refused message that arrives once more, late, is not accepted by a state that would take it now', async (t) => {
  const tells: (() => void)[] = [];
  const drop = ({ frame }: { frame: { f: string } }, land: () => void): boolean => {
    if (frame.f === 'tell') tells.push(land);
    return false;
  };
  const c = await testCluster({ kinds, effects, drop });
  const [a, b] = c.nodes as [TestNode, TestNode];
  const [from, to] = [c.refOf(a, 'counter'), c.refOf(b, 'counter')];
  await answered(c, b.system.ask(to, { type: 'counter.sleep' }, as(alice)));
  await answered(c, a.system.ask(from, { type: 'counter.send', to, times: 1 }, as(alice)));
  await c.clock.advance(1_000);
  t.is(rows(c, from).at(-1), '3 thrum.undelivered');
  await answered(c, b.system.ask(to, { type: 'counter.back' }, as(alice)));
  t.true(tells.length > 0);
  for (const land of tells) land();
  await c.clock.advance(1_000);
  t.is(rows(c, to).at(-1), '3 counter.back');
});

test('the slots of a node that is killed are taken when its lease ends, and its actors, timers and messages go on (8 s)', async (t) => {
  const c = await testCluster({ kinds, effects, node: { eager: false } });
  const [a, b] = c.nodes as [TestNode, TestNode];
  const [ref, other] = [c.refOf(b, 'counter'), c.refOf(a, 'counter')];
  const taken: number[][] = [];
  a.system.onTakeover((slots) => taken.push(slots));
  await answered(c, b.system.ask(ref, { type: 'counter.arm', ms: 5_000 }, as(alice)));
  const killed = c.clock.mono();
  b.kill();
  const reply = await answered(c, add(a, ref));
  t.like(reply, { ok: true });
  t.true(c.clock.mono() - killed <= 8_000);
  t.is(taken.length, 1);
  t.true(taken[0]?.includes(slotOf(actorIdOf(ref))));
  await c.clock.advance(500);
  const types = rows(c, ref).map((row) => row.split(' ')[1]);
  t.deepEqual(new Set(types.slice(2)), new Set(['counter.add', 'fired']));
  t.is(owned(c).get(a.id), SLOTS);
  t.like(await answered(c, add(a, other)), { ok: true });
});

test('connections of the node whose slots are taken end before its messages and timers are read; those of a node that hands over stay', async (t) => {
  const c = await testCluster({ kinds, effects, node: { eager: false } });
  const [a, b] = c.nodes as [TestNode, TestNode];
  const third = await c.add();
  await c.clock.advance(10_000);
  const before = third.takeovers.length;
  t.true(before > 0, 'slots have moved to it');
  t.false(third.takeovers.some((asked) => asked.startsWith('fence')));
  b.kill();
  await c.clock.advance(8_000);
  for (const node of [a, third]) {
    const at = node.takeovers.indexOf(`fence ${b.id}`);
    t.true(
      at >= 0 &&
        node.takeovers
          .slice(at + 1, at + 3)
          .toSorted()
          .join() === 'outboxDue,timersDue',
      node.takeovers.join(),
    );
  }
});

test('a node that nobody can reach loses its slots within two seconds', async (t) => {
  const c = await testCluster({ kinds, effects });
  const [a, b] = c.nodes as [TestNode, TestNode];
  const ref = c.refOf(b, 'counter');
  await answered(c, add(b, ref));
  b.kill();
  const started = c.clock.mono();
  t.like(await answered(c, add(a, ref)), { ok: true, seq: 3 });
  t.true(c.clock.mono() - started <= 2_000, `${c.clock.mono() - started} ms`);
});

test('a command that was under way to a node when it was killed is answered within two seconds, and done once', async (t) => {
  let silent = false;
  const c = await testCluster({ kinds, effects, drop: ({ frame }) => silent && frame.f === 'replies' });
  const [a, b] = c.nodes as [TestNode, TestNode];
  const ref = c.refOf(b, 'counter');
  await answered(c, add(a, ref));
  silent = true;
  const started = c.clock.mono();
  const reply = add(a, ref, 'k');
  await settle();
  t.is(rows(c, ref).length, 3, 'it was done, but nobody hears of it');
  b.kill();
  t.like(await answered(c, reply), { ok: true, seq: 3, dup: true });
  t.true(c.clock.mono() - started <= 2_000, `${c.clock.mono() - started} ms`);
  t.is(rows(c, ref).length, 3);
});

test('the slots of a node that nobody asks anything are served elsewhere two seconds after it was killed', async (t) => {
  const c = await testCluster({ kinds, effects });
  await c.add();
  await c.add();
  await c.clock.advance(20_000);
  const [a, b, d, e] = c.nodes as [TestNode, TestNode, TestNode, TestNode];
  b.kill();
  d.kill();
  await c.clock.advance(4_000);
  t.is((owned(c).get(a.id) ?? 0) + (owned(c).get(e.id) ?? 0), SLOTS, 'two of them, one after the other');
});

test('nobody is suspected while the nodes find Redis again after an outage', async (t) => {
  const c = await testCluster({ kinds, effects });
  const [a, b] = c.nodes as [TestNode, TestNode];
  const before = c.leases.state().slots;
  for (const node of [a, b]) node.connect(false);
  await c.clock.advance(1_500);
  a.connect(true);
  await c.clock.advance(2_000);
  b.connect(true);
  await c.clock.advance(5_000);
  t.deepEqual(c.leases.state().slots, before);
});

test('effects of a node that is gone start at once where their actor goes on', async (t) => {
  const begun: string[] = [];
  const c = await testCluster({ kinds, effects, nodes: 0 });
  const work = (id: string, done: boolean) => ({
    counter: {
      work: async ({ key }: { key: string }) => {
        begun.push(`${id} ${key.split('/')[1]}`);
        return done ? { done: 77 } : new Promise(() => undefined);
      },
    },
  });
  const a = await c.add({ effects: work('a', true) });
  const b = await c.add({ effects: work('b', false) });
  await c.clock.advance(20_000);
  const ref = c.refOf(b, 'counter');
  await answered(c, b.system.ask(ref, { type: 'counter.start' }, as(alice)));
  await settle();
  t.deepEqual(begun, ['b 2']);
  b.kill();
  await c.clock.advance(9_000);
  t.deepEqual(begun, ['b 2', 'a 2']);
  t.deepEqual(await a.system.read(ref, 'n', {}, { from: system }), { seq: 3, value: 77 });
});

test('a new node gets its share after three seconds, 64 slots a second, without a conflict', async (t) => {
  const c = await testCluster({ kinds, effects });
  const refs = Array.from({ length: 60 }, (_, i) => `counter:${i}`);
  for (const ref of refs) await answered(c, add(c.nodes[0]!, ref));
  const before = c.leases.state().slots;
  const third = await c.add();
  await c.clock.advance(2_500);
  t.is(owned(c).get(third.id), undefined);
  let last = 0;
  for (let s = 0; s < 12; s += 1) {
    const replies = refs.map((ref) => add(c.nodes[s % 3]!, ref));
    await c.clock.advance(1_000);
    for (const reply of await Promise.all(replies)) t.true(reply.ok);
    const now = owned(c).get(third.id) ?? 0;
    t.true(now - last <= 2 * 64, `${now - last} in a second from two nodes`);
    last = now;
  }
  t.true(last > 250, `${last} slots`);
  const after = c.leases.state().slots;
  for (const [slot, owner] of after) t.true(owner.node === third.id || owner.epoch === before.get(slot)?.epoch, 'the others stay');
  for (const node of c.nodes) t.is(await node.metric('fence_conflicts_total'), 0);
  for (const ref of refs) t.is(rows(c, ref).length, 14);
});
