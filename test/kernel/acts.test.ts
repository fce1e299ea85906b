/** Acts of operators in a cluster: whichever node is asked, the one that serves the actor carries them out, once. */
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { actorIdOf } from '../../actors/ids.ts';
import type { Operator } from '../../actors/operate.ts';
import type { Reply } from '../../actors/types.ts';
import type { JournalStore } from '../../actors/store/store.ts';
import { settle } from '../support/clock.ts';
import { testCluster } from '../support/cluster.ts';
import type { NodeOptions, TestCluster, TestClusterOptions, TestNode } from '../support/cluster.ts';
import { as, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const alice = user('alice');
const eve: Operator = { id: 'eve', roles: ['user', 'admin'], reason: 'a test' };
const effects = { counter: { work: async () => ({ done: 1 }) } };
const HOUR = 3_600_000;

interface Stage {
  readonly c: TestCluster;
  /** is asked */
  readonly a: TestNode;
  /** serves the actor */
  readonly b: TestNode;
  readonly ref: string;
  readonly ask: (type: string, payload?: object) => Promise<Reply>;
  readonly rows: () => string[];
  readonly audits: () => Promise<string[]>;
}

async function stage(o: Partial<TestClusterOptions> = {}): Promise<Stage> {
  const c = await testCluster({ kinds: [counter], effects, ...o });
  const [a, b] = c.nodes as [TestNode, TestNode];
  const ref = c.refOf(b, 'counter');
  const ask = (type: string, payload: object = {}) => during(c, a.system.ask(ref, { type, ...payload }, as(alice, { deadline: 30_000 })));
  await ask('counter.add', { by: 1 });
  return {
    c,
    a,
    b,
    ref,
    ask,
    rows: () => c.store.journal(actorIdOf(ref)).map((r) => `${r.seq} ${r.type}`),
    audits: async () => (await c.store.admin.audits({ limit: 100 })).map((r) => r.action).toReversed(),
  };
}

/** The outcome, with the time that it needs. */
async function during<T>(c: TestCluster, outcome: Promise<T>): Promise<T> {
  const over: true[] = [];
  const end = (): void => void over.push(true);
  outcome.then(end, end);
  for (let ms = 0; over.length === 0 && ms < 60_000; ms += 50) await c.clock.advance(50);
  if (over.length === 0) throw new Error('no outcome');
  return outcome;
}

const code = (reply: Reply): string => (reply.ok ? 'ok' : reply.error.code);

test('pause and resume asked at a node that does not serve the actor stop it and let it go where it is in memory', async (t) => {
  const { c, a, b, ref, ask, audits } = await stage();
  await during(c, a.system.operate.pause(ref, eve));
  t.like(await a.system.inspect.one(ref), { status: 'paused', standing: { node: b.id, temperature: 'hot', closed: 'ACTOR_PAUSED' } });
  t.is(code(await ask('counter.add', { by: 1 })), 'ACTOR_PAUSED');
  await during(c, a.system.operate.resume(ref, eve));
  t.like(await a.system.inspect.one(ref), { status: 'active', standing: { node: b.id, closed: null } });
  t.is(code(await ask('counter.add', { by: 1 })), 'ok');
  t.deepEqual(await audits(), ['pause', 'resume']);
  t.is(await a.metric('activations_total'), 0, 'it was never in the memory of the node that was asked');
  await t.throwsAsync(during(c, a.system.operate.resume(ref, eve)), { message: 'the actor is active' });
  await t.throwsAsync(during(c, a.system.operate.pause('none:x', eve)), { message: "there is no kind 'none'" });
});

test('a quarantine is ended by way of another node', async (t) => {
  const { c, a, b, ref, ask } = await stage();
  for (let i = 0; i < 5; i += 1) await ask('counter.throw');
  t.is(code(await ask('counter.add', { by: 1 })), 'ACTOR_QUARANTINED');
  await t.throwsAsync(during(c, a.system.operate.pause(ref, eve)), { message: 'the actor is quarantined' });
  await during(c, a.system.operate.resume(ref, eve));
  t.is(code(await ask('counter.add', { by: 1 })), 'ok');
  t.is((await b.system.inspect.one(ref)).standing?.node, b.id);
});

test('an actor is dropped from the memory of the node that serves it, and its snapshot is written there', async (t) => {
  const { c, a, ref } = await stage();
  t.deepEqual(await during(c, a.system.operate.resnapshot(ref, eve)), { seq: 2 });
  t.is(c.store.snapshots(actorIdOf(ref))[0]?.seq, 2);
  await during(c, a.system.operate.passivate(ref, eve));
  t.is((await a.system.inspect.one(ref)).standing?.temperature, 'cold');
});

test('a timer is fired and another taken away by way of another node, each in the statement of its event', async (t) => {
  const { c, a, ref, ask, rows, audits } = await stage();
  await ask('counter.arm', { ms: HOUR });
  t.like(await during(c, a.system.operate.timer(ref, 'alarm', 'fire', eve)), { ok: true, seq: 4 });
  await ask('counter.arm', { ms: HOUR });
  t.like(await during(c, a.system.operate.timer(ref, 'alarm', 'cancel', eve)), { ok: true, seq: 6 });
  t.is(code(await during(c, a.system.operate.timer(ref, 'alarm', 'fire', eve))), 'NOT_FOUND');
  t.deepEqual(rows().slice(3), ['4 fired', '5 counter.arm', '6 thrum.cancelled']);
  t.deepEqual((await audits()).toSorted(), ['timer.cancel', 'timer.fire', 'timer.fire']);
});

test('a dead letter is retried where its actor is, and given up from anywhere', async (t) => {
  const { c, a, b, ref, ask, audits } = await stage();
  const letter = async () => (await a.system.inspect.dead({ open: true, limit: 1 }))[0]?.n ?? 0;
  await ask('counter.throw');
  const n = await letter();
  t.is(code(await during(c, a.system.operate.retryDead(n, eve))), 'ACTOR_FAULT');
  await during(c, a.system.operate.discardDead(n, eve));
  t.is(code(await during(c, a.system.operate.retryDead(n, eve))), 'NOT_ALLOWED');
  t.deepEqual(await audits(), ['dead.retry', 'dead.discard']);
  t.is(await a.metric('faults_total'), 0);
  t.is(await b.metric('faults_total'), 2);
  t.is((await a.system.inspect.one(ref)).standing?.node, b.id);
});

test('a kind paused at one node stands still on all, also when no other node was told', async (t) => {
  let deaf = false;
  const { c, a, ask } = await stage({ drop: ({ frame }) => deaf && frame.f === 'pauses' });
  await during(c, a.system.operate.pauseAll('kind:counter', eve));
  t.is(code(await ask('counter.add', { by: 1 })), 'ACTOR_PAUSED');
  deaf = true;
  await during(c, a.system.operate.resumeAll('kind:counter', eve));
  t.is(code(await ask('counter.add', { by: 1 })), 'ACTOR_PAUSED');
  await c.clock.advance(31_000);
  t.is(code(await ask('counter.add', { by: 1 })), 'ok');
});

/** Acts whose first answer is lost: what they leave behind must be what one act leaves. */
const lost: { readonly [act: string]: (s: Stage) => Promise<unknown> } = {
  pause: ({ a, ref }) => a.system.operate.pause(ref, eve),
  resume: async ({ c, a, ref }) => {
    await c.store.setStatus(actorIdOf(ref), 'paused');
    return a.system.operate.resume(ref, eve);
  },
  passivate: ({ a, ref }) => a.system.operate.passivate(ref, eve),
  resnapshot: ({ a, ref }) => a.system.operate.resnapshot(ref, eve),
  'timer.fire': ({ a, ref }) => a.system.operate.timer(ref, 'alarm', 'fire', eve),
  'timer.cancel': ({ a, ref }) => a.system.operate.timer(ref, 'alarm', 'cancel', eve),
};
for (const [action, act] of Object.entries(lost)) {
  test(`${action}: an answer that is lost on its way makes the act come again, and it is done once`, async (t) => {
    let swallowed = 0;
    let swallow = false;
    const s = await stage({ drop: ({ frame }) => swallow && frame.f === 'ack' && (swallowed += 1) === 1 });
    await s.ask('counter.arm', { ms: HOUR });
    swallow = true;
    const outcome = act(s);
    await settle();
    // Before the act comes again the timer that it was about is followed by another one.
    if (action.startsWith('timer')) await s.c.clock.advance(1_000);
    if (action.startsWith('timer')) await s.ask('counter.arm', { ms: HOUR });
    const found = (await during(s.c, outcome)) as Reply | undefined;
    t.true(swallowed >= 2, 'it was asked twice');
    t.deepEqual(await s.audits(), [action]);
    if (!action.startsWith('timer')) return;
    t.like(found, { ok: true, seq: 4, dup: true });
    t.is(s.rows().filter((row) => /fired|cancelled/.test(row)).length, 1);
    t.true('alarm' in (await s.a.system.inspect.one(s.ref)).state.timers, 'the second one stands');
  });
}

test('a retried dead letter whose answer is lost is applied once and answered as a repetition', async (t) => {
  let swallowed = 0;
  let swallow = false;
  let fails = true;
  const s = await stage({
    effects: {
      counter: {
        work: async () => {
          if (fails) throw new Error('not yet');
          return { done: 7 };
        },
      },
    },
    drop: ({ frame }) => swallow && frame.f === 'ack' && (swallowed += 1) === 1,
  });
  await s.ask('counter.start');
  await s.c.clock.advance(5_000);
  const n = (await s.a.system.inspect.dead({ open: true, limit: 1 }))[0]?.n ?? 0;
  t.true(n > 0);
  fails = false;
  swallow = true;
  t.like(await during(s.c, s.a.system.operate.retryDead(n, eve)), { ok: true, dup: true });
  await s.c.clock.advance(1_000);
  t.is(s.rows().filter((row) => row.endsWith('thrum.retried')).length, 1);
  t.deepEqual(await s.audits(), ['dead.retry']);
});

test('an act given twice under one key is done once', async (t) => {
  const { c, a, b, ref, ask, rows, audits } = await stage();
  await ask('counter.arm', { ms: HOUR });
  const keyed = { ...eve, key: 'k1' };
  t.like(await during(c, a.system.operate.timer(ref, 'alarm', 'fire', keyed)), { ok: true, seq: 4 });
  await ask('counter.arm', { ms: HOUR });
  t.like(await during(c, b.system.operate.timer(ref, 'alarm', 'fire', keyed)), { ok: true, seq: 4, dup: true });
  t.is(rows().filter((row) => row.endsWith('fired')).length, 1);
  await during(c, a.system.operate.pause(ref, keyed));
  await during(c, a.system.operate.pause(ref, keyed));
  t.deepEqual((await audits()).toSorted(), ['pause', 'timer.fire']);
});

test('when the node of the actor does not answer the operator learns that nobody knows what became of the act', async (t) => {
  let mute = false;
  const { c, a, b, ref } = await stage({ drop: ({ from, frame }) => mute && from === 'n2' && frame.f !== 'table' });
  t.is(b.id, 'n2');
  mute = true;
  await t.throwsAsync(during(c, a.system.operate.pause(ref, eve)), { message: 'COMMIT_UNKNOWN' });
  t.is(code(await during(c, a.system.operate.timer(ref, 'alarm', 'fire', eve))), 'COMMIT_UNKNOWN');
});

/** A view of the store in which a pause takes as long as the test wants. */
function slowPauses(): { view: NonNullable<NodeOptions['view']>; begun: Promise<void>; go: () => void } {
  let go = (): void => undefined;
  let begin = (): void => undefined;
  const begun = new Promise<void>((resolve) => void (begin = resolve));
  const gate = new Promise<void>((resolve) => void (go = resolve));
  const view = (store: JournalStore): JournalStore => ({
    ...store,
    setStatus: async (id, status, version) => {
      begin();
      await gate;
      return store.setStatus(id, status, version);
    },
  });
  return { view, begun, go };
}

async function stopped({ c, a, ref, audits }: Stage, t: ExecutionContext): Promise<void> {
  t.is(c.owner(ref), a);
  const reply = await during(c, a.system.ask(ref, { type: 'counter.add', by: 1 }, as(alice)));
  t.is(code(reply), 'ACTOR_PAUSED');
  t.deepEqual(await audits(), ['pause']);
}

test('a pause under way while its slot is handed over stops the actor at the node that gets it', async (t) => {
  const slow = slowPauses();
  const c = await testCluster({ kinds: [counter], effects, nodes: 1 });
  const b = await c.add({ view: slow.view });
  await c.clock.advance(20_000);
  const [a] = c.nodes as [TestNode];
  const ref = c.refOf(b, 'counter');
  const ask = () => during(c, a.system.ask(ref, { type: 'counter.add', by: 1 }, as(alice)));
  t.is(code(await ask()), 'ok');
  const paused = a.system.operate.pause(ref, eve);
  await during(c, slow.begun);
  await during(c, b.system.handOver(4_000));
  t.is(c.owner(ref), a);
  t.is(code(await ask()), 'ok', 'the new owner has it in memory before the old one has written');
  slow.go();
  await during(c, paused);
  const audits = async () => (await c.store.admin.audits({ limit: 9 })).map((r) => r.action);
  await stopped({ c, a, b, ref, ask, rows: () => [], audits }, t);
});

test('acts on many actors while their slots move to a new node are all carried out, each once', async (t) => {
  const c = await testCluster({ kinds: [counter], effects });
  const [a, b] = c.nodes as [TestNode, TestNode];
  const refs = Array.from({ length: 40 }, (_, i) => `counter:${i}`);
  for (const ref of refs) await during(c, a.system.ask(ref, { type: 'counter.arm', ms: HOUR }, as(alice)));
  const third = await c.add();
  await c.clock.advance(3_000);
  const acts = refs.map(async (ref, i) => {
    await new Promise<void>((resolve) => void c.clock.setTimer(i * 200, resolve));
    const { operate } = ([a, b, third][i % 3] as TestNode).system;
    const fired = await operate.timer(ref, 'alarm', 'fire', eve);
    await operate.pause(ref, eve);
    return fired;
  });
  for (const reply of await during(c, Promise.all(acts))) t.is(code(reply), 'ok');
  t.true(refs.some((ref) => c.owner(ref) === third));
  for (const ref of refs) {
    t.is(c.store.journal(actorIdOf(ref)).filter((row) => row.type === 'fired').length, 1);
    t.is(code(await during(c, a.system.ask(ref, { type: 'counter.add', by: 1 }, as(alice)))), 'ACTOR_PAUSED');
  }
  const actions = (await c.store.admin.audits({ limit: 200 })).map((r) => r.action);
  t.is(actions.length, 80);
});

test('a timer whose firing the lost owner has committed is not fired again by the next one', async (t) => {
  const { c, a, b, ref, ask, rows } = await stage({ drop: ({ from, frame }) => from === 'n2' && frame.f === 'ack' });
  await ask('counter.arm', { ms: HOUR });
  const fired = a.system.operate.timer(ref, 'alarm', 'fire', eve);
  await c.clock.advance(100);
  t.is(rows().at(-1), '4 fired');
  await ask('counter.arm', { ms: HOUR });
  b.kill();
  t.like(await during(c, fired), { ok: true, seq: 4, dup: true });
  t.is(c.owner(ref), a);
  t.is(rows().filter((row) => row.endsWith('fired')).length, 1);
});
