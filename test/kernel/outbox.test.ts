import test from 'ava';
import { NonRetryable } from '../../actors/errors.ts';
import { actorIdOf, slotOf } from '../../actors/ids.ts';
import { settle } from '../support/clock.ts';
import { as, testKernel, user } from '../support/kernel.ts';
import type { TestKernelOptions } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const alice = user('alice');
type Work = NonNullable<NonNullable<TestKernelOptions['effects']>['counter']>[string];
const start = (work: Work = async () => ({ done: 7 }), o = {}) => testKernel({ kinds: [counter], effects: { counter: { work } }, ...o });
const context = async (k: Awaited<ReturnType<typeof start>>, ref: string) => (await k.system.inspect.one(ref)).state.context;

test('messages of one sender arrive once and in order', async (t) => {
  const k = await start();
  for (let i = 0; i < 5; i += 1) await k.system.ask('counter:a', { type: 'counter.send', to: 'counter:b', times: 20 }, as(alice));
  await k.clock.advance(1_000);
  t.deepEqual(
    (await context(k, 'counter:b'))['heard'],
    Array.from({ length: 100 }, (_, i) => `counter:a#${i}`),
  );
  t.deepEqual(k.store.outbox(), []);
});

test('messages wait for a full mailbox and keep their order', async (t) => {
  const k = await start();
  const own = Promise.all(Array.from({ length: 100 }, () => k.system.ask('counter:b', { type: 'counter.add', by: 0 }, as(alice))));
  await k.system.ask('counter:a', { type: 'counter.send', to: 'counter:b', times: 50 }, as(alice));
  await own;
  await k.clock.advance(10_000);
  t.deepEqual(
    (await context(k, 'counter:b'))['heard'],
    Array.from({ length: 50 }, (_, i) => `counter:a#${i}`),
  );
});

test('a message that was committed is delivered once although the process dies before it is sent', async (t) => {
  const k = await start();
  await k.system.ask('counter:a', { type: 'counter.send', to: 'counter:b', times: 3 }, as(alice));
  const next = await k.restart();
  await next.clock.advance(1_000);
  t.deepEqual((await context(next, 'counter:b'))['heard'], ['counter:a#0', 'counter:a#1', 'counter:a#2']);
  await k.clock.advance(10_000);
  t.is(next.store.journal(actorIdOf('counter:b')).length, 4);
});

test('K45 a message whose row is refused comes back as thrum.undelivered with the code, and the next one is delivered', async (t) => {
  const conflicts = (a: Record<string, unknown>, b: Record<string, unknown>) => a['place'] === b['place'];
  const k = await start(undefined, { tables: { test_places: { conflicts } } });
  await k.system.ask('counter:owner', { type: 'counter.claim', claim: 'mine', place: 'court' }, as(alice));
  await k.system.ask('counter:a', { type: 'counter.send', to: 'counter:b', times: 1, command: 'counter.claim' }, as(alice));
  await k.clock.advance(100);
  t.deepEqual((await context(k, 'counter:a'))['heard'], ['undelivered counter:b VALIDATION']);
  await k.system.ask('counter:a', { type: 'counter.send', to: 'counter:b', times: 1, command: 'counter.refuse' }, as(alice));
  await k.system.ask('counter:a', { type: 'counter.send', to: 'counter:b', times: 1 }, as(alice));
  await k.clock.advance(100);
  t.deepEqual((await context(k, 'counter:a'))['heard'], ['undelivered counter:b VALIDATION', 'undelivered counter:b VALIDATION']);
  t.deepEqual((await context(k, 'counter:b'))['heard'], ['counter:a#2']);
  t.deepEqual(k.store.outbox(), []);
});

test('an effect runs after the commit with a stable key, and its result is an event of the actor', async (t) => {
  const keys: string[] = [];
  const k = await start(async ({ key, input }) => {
    keys.push(key);
    return { done: (input as { n: number }).n + 41 };
  });
  await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  await k.system.ask('counter:a', { type: 'counter.start' }, as(alice));
  await k.clock.advance(10);
  t.is((await context(k, 'counter:a'))['n'], 42);
  t.deepEqual(keys, [`${actorIdOf('counter:a')}/3/1`]);
  t.deepEqual(k.store.outbox(), []);
});

test('an effect that fails is tried again with the same key; a final failure without a transition is a dead letter and the actor lives', async (t) => {
  const attempts: number[] = [];
  const k = await start(async ({ attempt }) => {
    attempts.push(attempt);
    throw new Error('no luck');
  });
  await k.system.ask('counter:a', { type: 'counter.start' }, as(alice));
  await k.clock.advance(10_000);
  t.deepEqual(attempts, [1, 2, 3]);
  t.is(k.store.dead().length, 1);
  t.like(await k.system.ask('counter:a', { type: 'counter.stop' }, as(alice)), { ok: true });
  t.deepEqual(k.store.outbox(), []);
});

test('K13 a non-retryable failure ends at once; without onError it is a dead letter and the actor stays active', async (t) => {
  let runs = 0;
  const k = await start(async () => {
    runs += 1;
    throw new NonRetryable('never', 'CARD_DECLINED');
  });
  await k.system.ask('counter:a', { type: 'counter.start' }, as(alice));
  await k.clock.advance(1_000);
  t.is(runs, 1);
  t.is(k.store.dead().length, 1);
  const one = await k.system.inspect.one('counter:a');
  t.deepEqual([one.state.status, one.stateText, one.state.calls], ['active', 'working', {}]);
});

test('K12 a result of an entry that was left is dropped and counted', async (t) => {
  const results: ((v: { done: number }) => void)[] = [];
  const k = await start(() => new Promise((resolve) => results.push(resolve)));
  await k.system.ask('counter:a', { type: 'counter.start' }, as(alice));
  await k.system.ask('counter:a', { type: 'counter.start' }, as(alice));
  await settle();
  t.is(results.length, 2);
  results[0]!({ done: 1 });
  await k.clock.advance(10);
  t.is((await k.system.inspect.one('counter:a')).stateText, 'working');
  results[1]!({ done: 2 });
  await k.clock.advance(10);
  t.is((await context(k, 'counter:a'))['n'], 2);
});

test('K12 the same while the re-entry is being committed: the result is stale already', async (t) => {
  const results: ((v: { done: number }) => void)[] = [];
  const held: (() => void)[] = [];
  let hold = false;
  const k = await start(() => new Promise((resolve) => results.push(resolve)), {
    fault: async () => {
      if (hold) await new Promise<void>((resolve) => held.push(resolve));
      return 'ok';
    },
  });
  await k.system.ask('counter:a', { type: 'counter.start' }, as(alice));
  await settle();
  hold = true;
  const again = k.system.ask('counter:a', { type: 'counter.start' }, as(alice));
  await settle();
  results[0]!({ done: 1 });
  await settle();
  hold = false;
  held[0]!();
  t.like(await again, { ok: true });
  await k.clock.advance(10);
  t.is((await k.system.inspect.one('counter:a')).stateText, 'working');
  t.is(await k.metric('effects_stale_total'), 1);
});

test('an effect whose process died runs again after the restart', async (t) => {
  let runs = 0;
  const k = await start(() => {
    runs += 1;
    return runs === 1 ? new Promise(() => undefined) : Promise.resolve({ done: 9 });
  });
  await k.system.ask('counter:a', { type: 'counter.start' }, as(alice));
  await settle();
  const next = await k.restart();
  await next.clock.advance(500);
  t.is((await context(next, 'counter:a'))['n'], 9);
});

test('an effect that is still running when its state is left is aborted', async (t) => {
  const signals: AbortSignal[] = [];
  const k = await start(({ signal }) => {
    signals.push(signal);
    return new Promise(() => undefined);
  });
  await k.system.ask('counter:a', { type: 'counter.start' }, as(alice));
  await settle();
  await k.system.ask('counter:a', { type: 'counter.stop' }, as(alice));
  await k.clock.advance(500);
  t.true(signals[0]!.aborted);
  t.deepEqual(k.store.outbox(), []);
});

test('what a sweep finds of a commit in doubt is not taken up again when the commit turns out to be there', async (t) => {
  let away: 'no' | 'begins' | 'yes' = 'no';
  let runs = 0;
  const fault = async ({ lane }: { lane: number }) => {
    if (away === 'no' || lane !== 0) return 'ok';
    const fate = away === 'begins' ? 'lost-applied' : 'lost-unapplied';
    away = 'yes';
    return fate;
  };
  const k = await start(async () => ({ done: (runs += 1) }), { fault, lanes: 2 });
  type Event = Parameters<typeof k.system.ask>[1];
  const tell = (id: string, event: Event) => k.system.ask(`counter:${id}`, event, as(alice));
  const lane = (id: string) => slotOf(actorIdOf(`counter:${id}`)) % 2;
  t.deepEqual(['a', 'b', 'c'].map(lane), [0, 1, 0]);
  await tell('b', { type: 'counter.sleep' });
  away = 'begins';
  const sent = [tell('a', { type: 'counter.send', to: 'counter:b', times: 1 }), tell('c', { type: 'counter.start' })];
  await k.clock.advance(8_000);
  const woken = tell('b', { type: 'counter.back' });
  await k.clock.advance(0);
  away = 'no';
  await k.clock.advance(10_000);
  t.deepEqual(
    (await Promise.all([...sent, woken])).map((r) => r.ok),
    [true, true, true],
  );
  t.deepEqual(
    [(await context(k, 'counter:a'))['heard'], (await context(k, 'counter:b'))['heard']],
    [['undelivered counter:b NOT_ALLOWED'], []],
  );
  t.is(runs, 1);
  t.deepEqual(k.store.outbox(), []);
});
