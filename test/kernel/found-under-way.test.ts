/** What the simulation has found about events that were under way when something else happened, each shrunk to a case of its own. */
import test from 'ava';
import { actorIdOf, slotOf } from '../../actors/ids.ts';
import { settle } from '../support/clock.ts';
import { testCluster } from '../support/cluster.ts';
import type { TestNode } from '../support/cluster.ts';
import { as, testKernel, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';
import { promised } from '../support/promised.ts';

const alice = user('alice');
const effects = { counter: { work: async () => ({ done: 7 }) } };

test('what is sent by an event that was under way when the slot came back does not overtake what was sent before (G7)', async (t) => {
  const held = promised<void>();
  let holding = false;
  let unread = false;
  let away = false;
  const c = await testCluster({
    kinds: [counter],
    effects,
    drop: ({ frame, to }) => away && frame.f === 'tell' && to === 'n2',
    node: {
      commit: (lane) => async (batch) => {
        if (holding) await held.promise;
        return lane.commit(batch);
      },
      view: (store) => ({
        ...store,
        outboxDue: async (...q) => {
          if (unread) throw new Error('the database is away');
          return store.outboxDue(...q);
        },
      }),
    },
  });
  const [a, b] = c.nodes as [TestNode, TestNode];
  const [from, to] = [c.refOf(a, 'counter'), c.refOf(b, 'counter')];
  const send = () => a.system.ask(from, { type: 'counter.send', to, times: 1 }, as(alice, { deadline: 60_000 }));
  away = true;
  await send();
  holding = true;
  const later = send();
  await settle();
  unread = true;
  for (const [me, suspect] of [
    [b.id, a.id],
    [a.id, b.id],
  ] as const) {
    await c.leases.claim([slotOf(actorIdOf(from))], me, suspect);
    await c.clock.advance(1_100);
  }
  t.is(c.owner(from), a);
  away = false;
  holding = false;
  held.keep();
  t.like(await later, { ok: true, seq: 3 });
  await c.clock.advance(20_000);
  unread = false;
  await c.clock.advance(20_000);
  const taken = c.store.journal(actorIdOf(to)).filter((row) => row.type === 'counter.take');
  t.deepEqual(
    taken.map((row) => (JSON.parse(row.event) as { i: number }).i),
    [0, 1],
  );
});

test('a result that comes after its call is being left waits for that, and counts when it is undone; the effect runs once', async (t) => {
  const held = promised<void>();
  const result = promised<{ done: number }>();
  let holding = false;
  let runs = 0;
  const k = await testKernel({
    kinds: [counter],
    effects: {
      counter: {
        work: () => {
          runs += 1;
          return result.promise;
        },
      },
    },
    fault: async () => {
      if (!holding) return 'ok' as const;
      await held.promise;
      return 'lost-unapplied' as const;
    },
  });
  await k.system.ask('counter:a', { type: 'counter.start' }, as(alice));
  holding = true;
  const stop = k.system.ask('counter:a', { type: 'counter.stop' }, as(alice, { deadline: 3_600_000 }));
  await settle();
  result.keep({ done: 3 });
  await settle();
  // A standstill: what is under way is undone, and runs again unless its time is over.
  k.clock.sleep(700_000);
  holding = false;
  held.keep();
  await k.clock.advance(1_000);
  t.like(await stop, { ok: false, error: { code: 'COMMIT_UNKNOWN' } });
  await k.clock.advance(60_000);
  t.like(k.store.journal(actorIdOf('counter:a')).at(-1), { type: 'xstate.done.actor.work' });
  t.deepEqual(k.store.outbox(), []);
  t.is(runs, 1);
});

test('an actor whose place is taken while it is read writes nothing: what is acknowledged stands in its history (G1)', async (t) => {
  const newer = { ...counter, version: 2, migrations: { 1: (s: object) => s as never } };
  const [read, written] = [promised<void>(), promised<void>()];
  let slow = false;
  const c = await testCluster({ kinds: [counter], effects, nodes: 1 });
  const [old] = c.nodes as [TestNode];
  const ref = c.refOf(old, 'counter');
  const add = (node: TestNode, to = ref) => node.system.ask(to, { type: 'counter.add', by: 1 }, as(alice, { deadline: 30_000 }));
  await add(old);
  const node = await c.add({
    build: 2,
    kinds: [newer],
    commit: (lane) => async (batch) => {
      if (slow) await written.promise;
      return lane.commit(batch);
    },
    view: (store) => ({
      ...store,
      load: async (ids) => {
        const found = await store.load(ids);
        if (slow && ids.includes(actorIdOf(ref))) await read.promise;
        return found;
      },
    }),
  });
  await c.clock.advance(2_000);
  old.kill();
  await c.clock.advance(10_000);
  t.is(c.owner(ref), node);
  slow = true;
  const before = add(node, 'counter:another');
  await settle();
  const asked = add(node);
  await settle();
  // the lease is lost: nothing in memory is trusted, and the actor is read a second time
  node.connect(false);
  await c.clock.advance(6_000);
  t.is(await node.metric('roaming'), 1);
  read.keep();
  await settle();
  written.keep();
  t.like(await before, { ok: true });
  t.like(await asked, { ok: true, seq: 4 });
  t.deepEqual(
    c.store.journal(actorIdOf(ref)).map((row) => row.type),
    ['thrum.init', 'counter.add', 'thrum.migrated', 'counter.add'],
  );
});
