/** What the simulation has found, each shrunk to a case of its own. */
import test from 'ava';
import { registryOf } from '../../actors/companion.ts';
import { KernelProblem } from '../../actors/errors.ts';
import { createMemoryStore } from '../../actors/store/mem.ts';
import { defineTopic } from '../../actors/define.ts';
import { actorIdOf, slotOf } from '../../actors/ids.ts';
import type { Batch } from '../../actors/store/store.ts';
import type { ActorRef } from '../../actors/types.ts';
import { settle } from '../support/clock.ts';
import { testCluster } from '../support/cluster.ts';
import type { TestNode } from '../support/cluster.ts';
import { as, testKernel, user } from '../support/kernel.ts';
import { counter, counterFeed, counterValue } from '../support/kinds.ts';
import { promised } from '../support/promised.ts';

const alice = user('alice');
const effects = { counter: { work: async () => ({ done: 7 }) } };
const start = (o = {}) => testKernel({ kinds: [counter], effects, ...o });
const id = actorIdOf('counter:a');

test('a timer armed again after its cancelled row woke the actor has a row again', async (t) => {
  const k = await start();
  await k.system.ask('counter:a', { type: 'counter.arm', ms: 5_000 }, as(alice));
  await k.system.ask('counter:a', { type: 'counter.disarm' }, as(alice));
  t.is(k.store.timers().length, 1, 'the row of a cancelled timer that is due soon is left to its wake-up');
  await k.clock.advance(6_000);
  t.is(k.store.timers().length, 0);
  await k.system.ask('counter:a', { type: 'counter.arm', ms: 90_000 }, as(alice));
  t.is(k.store.timers().length, 1);
  const again = await k.restart();
  await again.clock.advance(130_000);
  t.like(k.store.journal(id).at(-1), { type: 'fired' });
});

test('a timer that an uncommitted event has cancelled keeps its row until that event is committed', async (t) => {
  let hold: (() => void) | undefined;
  let held = false;
  const k = await start({
    fault: async () => {
      if (held) await new Promise<void>((resolve) => (hold = resolve));
      return 'ok' as const;
    },
  });
  await k.system.ask('counter:a', { type: 'counter.arm', ms: 5_000 }, as(alice));
  await k.clock.advance(4_500);
  held = true;
  const other = k.system.ask('counter:b', { type: 'counter.add', by: 1 }, as(alice));
  await settle();
  const cancel = k.system.ask('counter:a', { type: 'counter.disarm' }, as(alice));
  await k.clock.advance(1_000);
  held = false;
  hold?.();
  await other;
  await cancel;
  t.is(k.store.timers().length, 1, 'its wake-up came before the commit, so the next one removes it');
  await k.clock.advance(35_000);
  t.is(k.store.timers().length, 0);
  t.like(k.store.journal(id).at(-1), { type: 'counter.disarm' });
});

test('events below a refused one whose own commit lost its answer are not forgotten with it (K44, K7)', async (t) => {
  let hold: (() => void) | undefined;
  const fates: string[] = ['held'];
  const k = await start({
    tables: {
      test_places: {
        conflicts: (stored: { [column: string]: unknown }, wanted: { [column: string]: unknown }) => stored['place'] === wanted['place'],
      },
    },
    fault: async () => {
      const fate = fates.shift();
      if (fate === 'held') await new Promise<void>((resolve) => (hold = resolve));
      return fate === 'lost' ? ('lost-applied' as const) : ('ok' as const);
    },
  });
  const claim = (who: string, name: string) => k.system.ask(who, { type: 'counter.claim', claim: name, place: 'p' }, as(alice));
  const first = claim('counter:b', 'x');
  await settle();
  const add = k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  const refused = claim('counter:a', 'y');
  const later = k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  await settle();
  fates.push('ok', 'lost');
  hold?.();
  await first;
  await k.clock.advance(100);
  t.like(await add, { ok: true, reply: { n: 1 } });
  t.like(await refused, { ok: false, error: { code: 'PLACE_TAKEN' } });
  t.like(await later, { ok: true, reply: { n: 2 } });
});

test('a message reported as undelivered is not delivered from a page that was read before its row went (G7)', async (t) => {
  const memory = createMemoryStore({ registry: registryOf([counter]) });
  const load = promised<void>();
  const page = promised<void>();
  let slow = false;
  const b = actorIdOf('counter:b');
  const store = {
    ...memory,
    load: async (ids: readonly string[]) => {
      if (slow && ids.includes(b)) await load.promise;
      return memory.load(ids);
    },
    outboxDue: async (...args: Parameters<typeof memory.outboxDue>) => {
      const rows = await memory.outboxDue(...args);
      if (rows.length > 0) await page.promise;
      return rows;
    },
  };
  const first = await start({ store });
  await first.system.ask('counter:b', { type: 'counter.sleep' }, as(alice));
  const k = await first.restart();
  slow = true;
  const sent = k.system.ask('counter:a', { type: 'counter.send', to: 'counter:b', times: 1 }, as(alice));
  await k.clock.advance(6_000);
  t.true((await sent).ok);
  load.keep();
  await k.clock.advance(100);
  t.like(memory.journal(id).at(-1), { type: 'thrum.undelivered' });
  await k.system.ask('counter:b', { type: 'counter.back' }, as(alice));
  page.keep();
  await k.clock.advance(10_000);
  t.like(memory.journal(b).at(-1), { type: 'counter.back' }, 'its sender was told that it did not arrive');
});

test('a result that comes while its call is being left keeps its row until the leaving is committed', async (t) => {
  const gate = promised<void>();
  const result = promised<{ done: number }>();
  let commits: 'go' | 'wait' | 'once' | 'hang' = 'go';
  const k = await start({
    effects: { counter: { work: () => result.promise } },
    fault: async () => {
      if (commits === 'wait') {
        await gate.promise;
        return 'ok' as const;
      }
      if (commits === 'hang') await new Promise(() => undefined);
      if (commits === 'once') commits = 'hang';
      return 'ok' as const;
    },
  });
  await k.system.ask('counter:a', { type: 'counter.start' }, as(alice));
  commits = 'wait';
  const others = Array.from({ length: 150 }, (_, i) => k.system.ask(`counter:b${i}`, { type: 'counter.add', by: 1 }, as(alice)));
  await settle();
  void k.system.ask('counter:a', { type: 'counter.stop' }, as(alice));
  result.keep({ done: 3 });
  await settle();
  commits = 'once';
  gate.keep();
  await others[0];
  await settle();
  t.is(await k.metric('effects_stale_total'), 1);
  t.like(k.store.journal(id).at(-1), { type: 'counter.start' }, 'the process dies before the leaving is committed');
  commits = 'go';
  const again = await k.restart();
  await again.clock.advance(1_000);
  t.like(k.store.journal(id).at(-1), { type: 'xstate.done.actor.work' });
});

test('an undelivered message waits for room in memory to be reported', async (t) => {
  const memory = createMemoryStore({ registry: registryOf([counter]) });
  const loads = { b: promised<void>(), c: promised<void>() };
  let slow = false;
  const store = {
    ...memory,
    load: async (ids: readonly string[]) => {
      if (slow && ids.includes(actorIdOf('counter:b'))) await loads.b.promise;
      if (slow && ids.includes(actorIdOf('counter:c'))) await loads.c.promise;
      return memory.load(ids);
    },
  };
  const first = await start({ store });
  await first.system.ask('counter:b', { type: 'counter.sleep' }, as(alice));
  const k = await testKernel({ kinds: [counter], effects, store, clock: first.clock, limits: { activations: 2 } });
  slow = true;
  await k.system.ask('counter:a', { type: 'counter.send', to: 'counter:b', times: 1 }, as(alice));
  const behind = k.system.ask('counter:b', { type: 'counter.back' }, as(alice));
  await settle(); // each is read by a query of its own
  const loading = k.system.ask('counter:c', { type: 'counter.add', by: 1 }, as(alice));
  await settle();
  loads.b.keep();
  t.true((await behind).ok);
  loads.c.keep();
  t.true((await loading).ok);
  await k.clock.advance(2_000);
  t.like(memory.journal(id).at(-1), { type: 'thrum.undelivered' });
});

test('a slice of a log while the store is out of reach is UNAVAILABLE, and items published meanwhile are not skipped by the next', async (t) => {
  const memory = createMemoryStore({ registry: registryOf([counter]) });
  const items = promised<void>();
  let mode: 'fine' | 'fails' | 'slow' = 'fine';
  const store = {
    ...memory,
    topicItems: async (...args: Parameters<typeof memory.topicItems>) => {
      if (mode === 'fails') throw new Error('connection refused');
      const rows = await memory.topicItems(...args);
      if (mode === 'slow') await items.promise;
      return rows;
    },
  };
  const first = await start({ store });
  await first.system.ask('counter:a', { type: 'counter.emit', items: 3 }, as(alice));
  const k = await first.restart();
  mode = 'fails';
  await t.throwsAsync(k.system.slice('counter:a/feed'), { instanceOf: KernelProblem, message: 'UNAVAILABLE' });
  mode = 'slow';
  const early = k.system.slice('counter:a/feed');
  await settle();
  await k.system.ask('counter:a', { type: 'counter.emit', items: 1 }, as(alice));
  items.keep();
  const seen = await early;
  t.like(seen, { s: 3 });
  mode = 'fine';
  await k.system.ask('counter:a', { type: 'counter.emit', items: 1 }, as(alice));
  const next = await k.system.slice('counter:a/feed', seen as { e: string; s: number });
  t.like(next, { s: 5, d: [{ no: 4 }, { no: 5 }] });
});

test('messages behind a refused one wait until its sender has heard, so that a crash does not turn their order (G7)', async (t) => {
  const memory = createMemoryStore({
    registry: registryOf([counter]),
    fault: async ({ batch }) => {
      if (dying && batch.journal.some((row) => row.type === 'thrum.undelivered')) await new Promise(() => undefined);
      return 'ok' as const;
    },
  });
  let dying = true;
  const load = promised<void>();
  const b = Array.from({ length: 20 }, (_, i) => `counter:b${i}`).find((ref) => slotOf(actorIdOf(ref)) % 2 !== slotOf(id) % 2)!;
  let slow = false;
  const store = {
    ...memory,
    load: async (ids: readonly string[]) => {
      if (slow && ids.includes(actorIdOf(b))) await load.promise;
      return memory.load(ids);
    },
  };
  const options = { kinds: [counter], effects, store, lanes: 2 };
  const first = await testKernel(options);
  await first.system.ask(b, { type: 'counter.sleep' }, as(alice));
  const k = await testKernel({ ...options, clock: first.clock });
  slow = true;
  const send = () => k.system.ask('counter:a', { type: 'counter.send', to: b, times: 1 }, as(alice));
  await send();
  await send();
  const woken = k.system.ask(b, { type: 'counter.back' }, as(alice));
  load.keep();
  t.true((await woken).ok);
  await settle();
  dying = false;
  const again = await testKernel({ ...options, clock: first.clock });
  await again.clock.advance(5_000);
  const { state } = await again.system.inspect.one(b);
  t.deepEqual(state.context['heard'], ['counter:a#0', 'counter:a#1']);
});

test('a message sent again after it was applied is not reported as undelivered, however old its key is (G7)', async (t) => {
  const memory = createMemoryStore({ registry: registryOf([counter]) });
  const store = {
    ...memory,
    openLane: async (n: number) => {
      const lane = await memory.openLane(n);
      return { ...lane, commit: (batch: Batch) => lane.commit({ ...batch, outboxDone: [] }) };
    },
    // an actor remembers 256 keys; here it remembers none
    load: async (ids: readonly string[]) =>
      new Map([...(await memory.load(ids))].map(([actorId, found]) => [actorId, { ...found, keys: '' }])),
  };
  const k = await start({ store });
  await k.system.ask('counter:b', { type: 'counter.add', by: 1 }, as(alice));
  await k.system.ask('counter:a', { type: 'counter.send', to: 'counter:b', times: 1 }, as(alice));
  await settle();
  t.like(memory.journal(actorIdOf('counter:b')).at(-1), { type: 'counter.take' });
  await k.system.ask('counter:b', { type: 'counter.sleep' }, as(alice));
  t.is(memory.outbox().length, 1, 'the row has not gone when the process dies');
  const again = await testKernel({
    kinds: [counter],
    effects,
    store: { ...store, openLane: (n: number) => memory.openLane(n) },
    clock: k.clock,
  });
  await again.clock.advance(2_000);
  t.like(memory.journal(id).at(-1), { type: 'counter.send' });
  t.is(memory.outbox().length, 0);
});

test('a view that cannot be projected does not stop the commits of its lane', async (t) => {
  const broken = defineTopic({
    ...counterValue,
    project: (s: { context: { n: number } }) => {
      if (s.context.n === 13) throw new Error('thirteen');
      return { n: s.context.n, label: 'the value of this counter is a number that grows' };
    },
  });
  const k = await start({ kinds: [{ ...counter, topics: [counterFeed, broken] }] });
  await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  await k.system.slice('counter:a/value');
  t.like(await k.system.ask('counter:a', { type: 'counter.add', by: 12 }, as(alice)), { ok: true, seq: 3, reply: { n: 13 } });
  t.like(await k.system.ask('counter:b', { type: 'counter.add', by: 1 }, as(alice)), { ok: true });
  await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  t.like(await k.system.slice('counter:a/value'), { s: 4, m: 'snap', d: { n: 14 } });
});

test('an owner that refuses a message by a state that another node has changed meanwhile is asked once more (G7)', async (t) => {
  const c = await testCluster({ kinds: [counter], effects });
  const [a, b] = c.nodes as [TestNode, TestNode];
  const [from, to] = [c.refOf(a, 'counter'), c.refOf(a, 'counter', 1)];
  await a.system.ask(to, { type: 'counter.sleep' }, as(alice));
  b.connect(false);
  await c.clock.advance(6_000);
  t.is(await b.metric('roaming'), 1);
  t.like(await b.system.ask(to, { type: 'counter.back' }, as(alice)), { ok: true });
  await a.system.ask(from, { type: 'counter.send', to, times: 2 }, as(alice));
  await c.clock.advance(1_000);
  const types = (ref: ActorRef) => c.store.journal(actorIdOf(ref)).map((row) => row.type);
  t.deepEqual(types(to).slice(2), ['counter.back', 'counter.take', 'counter.take']);
  t.deepEqual(types(from).slice(1), ['counter.send']);
});

test('a report that its sender did not get before the slot went is taken up again when the slot comes back (G7)', async (t) => {
  let stuck = false;
  const c = await testCluster({ kinds: [counter], effects, nodes: 1 });
  const [a] = c.nodes as [TestNode];
  const b = await c.add({ commit: (lane) => (batch) => (stuck ? new Promise(() => undefined) : lane.commit(batch)) });
  await c.clock.advance(25_000);
  const [from, to] = [c.refOf(a, 'counter'), c.refOf(b, 'counter')];
  await b.system.ask(to, { type: 'counter.sleep' }, as(alice));
  stuck = true;
  await a.system.ask(from, { type: 'counter.send', to, times: 1 }, as(alice));
  a.clock.pause();
  await c.clock.advance(9_000);
  t.is(c.owner(from), b);
  a.clock.resume();
  await c.clock.advance(3_000);
  t.is(c.store.outbox().length, 1, 'neither node could say so to the sender');
  b.kill();
  await c.clock.advance(20_000);
  t.is(c.owner(from), a);
  t.is(c.store.journal(actorIdOf(from)).at(-1)?.type, 'thrum.undelivered');
  t.is(c.store.outbox().length, 0);
});

test('an actor whose events were under way when its slot came back is read anew, with the messages that others have left (G7)', async (t) => {
  const held = promised<void>();
  let holding = false;
  const c = await testCluster({ kinds: [counter], effects, nodes: 1 });
  const a = await c.add({
    commit: (lane) => async (batch) => {
      if (holding) await held.promise;
      return lane.commit(batch);
    },
  });
  await c.clock.advance(25_000);
  const from = c.refOf(a, 'counter');
  await a.system.ask(from, { type: 'counter.add', by: 1 }, as(alice));
  const loads = await a.metric('activations_total');
  holding = true;
  const adding = a.system.ask(from, { type: 'counter.add', by: 1 }, as(alice, { deadline: 30_000 }));
  await settle();
  a.connect(false);
  await c.clock.advance(5_000);
  a.connect(true);
  await c.clock.advance(1_000);
  holding = false;
  held.keep();
  t.like(await adding, { ok: true, seq: 3 });
  t.like(await a.system.ask(from, { type: 'counter.add', by: 1 }, as(alice)), { ok: true, seq: 4 });
  t.is(await a.metric('activations_total'), loads + 1);
});

test('a timer that is armed by an event under way has a row that is early enough, although another node has moved it (I6)', async (t) => {
  const held = promised<void>();
  let holding = false;
  const c = await testCluster({ kinds: [counter], effects, nodes: 0 });
  const a = await c.add({
    commit: (lane) => async (batch) => {
      if (holding) await held.promise;
      return lane.commit(batch);
    },
  });
  const b = await c.add();
  await c.clock.advance(25_000);
  const ref = c.refOf(a, 'counter');
  const arm = (ms: number) => a.system.ask(ref, { type: 'counter.arm', ms }, as(alice));
  await arm(6_000);
  await arm(50_000);
  holding = true;
  const armedAt = c.clock.wall();
  void arm(20_000);
  await settle();
  a.clock.pause();
  a.connect(false);
  await c.clock.advance(9_000);
  t.is(c.owner(ref), b);
  t.deepEqual(
    c.store.timers().map(({ due }) => due - armedAt),
    [50_000],
    'the new owner has moved the row to the deadline that it knows',
  );
  held.keep();
  await settle();
  t.is(c.store.journal(actorIdOf(ref)).length, 4);
  t.true((c.store.timers()[0]?.due ?? Number.POSITIVE_INFINITY) <= armedAt + 20_000);
});

test('a lane whose last question to the store was answered after all takes commands in again, though nothing was committed since', async (t) => {
  const memory = createMemoryStore({ registry: registryOf([counter]) });
  let away = false;
  const store = {
    ...memory,
    cidAt: async (actorId: string, seq: number) => {
      if (!away) return memory.cidAt(actorId, seq);
      away = false;
      throw new Error('out of reach');
    },
  };
  const k = await start({ store });
  const add = (o = {}) => k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice, o));
  await add();
  const other = await start({ store: memory, clock: k.clock });
  await other.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  away = true;
  const late = add({ seq: 2 });
  await k.clock.advance(1_000);
  t.like(await late, { ok: false, error: { code: 'SEQ_MISMATCH' } });
  await k.clock.advance(5_000);
  t.like(await add(), { ok: true, seq: 4 });
});
