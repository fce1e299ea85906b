import test from 'ava';
import { actorIdOf, pseudonymOf } from '../../actors/ids.ts';
import type { LifecycleStore } from '../../actors/store/lifecycle.ts';
import type { Batch } from '../../actors/store/store.ts';
import { StoreError } from '../../actors/store/store.ts';
import { settle } from '../support/clock.ts';
import { as, testKernel, user } from '../support/kernel.ts';
import type { TestKernel, TestKernelOptions } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const alice = user('alice');
const secret = 'Ada Lovelace';
const why = { by: 'root', reason: 'the person asked for it' };
const B = actorIdOf('counter:b');

const start = (o: Partial<TestKernelOptions> = {}): Promise<TestKernel> =>
  testKernel({ kinds: [counter], effects: { counter: { work: async () => ({ done: 7 }) } }, ...o });

const ask = (k: TestKernel, ref: string, type: string, more: object = {}) => k.system.ask(ref, { type, ...more }, as(alice));

/** Everything that the store holds of anybody, as text. */
const everything = (k: TestKernel): string =>
  JSON.stringify([
    k.store.journal(B),
    k.store.snapshots(B),
    k.store.timers(),
    k.store.outbox(),
    k.store.dead(),
    k.store.rows('test_notes'),
    k.store.rows('thrum_topic_item'),
  ]);

/** An actor that has left traces in every table. */
async function traces(k: TestKernel): Promise<void> {
  await ask(k, 'counter:b', 'counter.note', { text: secret });
  await ask(k, 'counter:b', 'counter.day', { day: secret, key: 'a', v: 1 });
  await ask(k, 'counter:b', 'counter.emit', { items: 3 });
  await ask(k, 'counter:b', 'counter.arm', { ms: 3_600_000 });
  await ask(k, 'counter:b', 'counter.throw');
  for (let i = 0; i < 70; i += 1) await ask(k, 'counter:b', 'counter.add', { by: 1 });
  await k.clock.advance(5_000);
}

test('an erased actor leaves blank rows with their keys, a last row, and a directory entry without its name', async (t) => {
  const k = await start();
  await traces(k);
  t.true(everything(k).includes(secret) && k.store.snapshots(B).length > 0 && k.store.dead().length > 0 && k.store.timers().length > 0);
  const before = k.store.journal(B);
  const erased = await k.system.erase('counter:b', why);
  t.deepEqual(erased, { seq: before.length + 1, fresh: true });
  const after = k.store.journal(B);
  t.deepEqual(
    after.slice(0, -1).map(({ seq, type, idem, event, patch, reply, meta }) => ({ seq, type, idem, event, patch, reply, meta })),
    before.map(({ seq, type, idem }) => ({ seq, type, idem, event: '{}', patch: '{}', reply: null, meta: null })),
  );
  t.like(after.at(-1), { type: 'thrum.erased', event: '{}', patch: '{}', reply: null });
  t.deepEqual(
    [k.store.snapshots(B), k.store.timers(), k.store.dead(), k.store.rows('test_notes'), k.store.rows('thrum_topic_item')],
    [[], [], [], [], []],
  );
  t.is(k.store.rows('test_totals').length, 1, 'rows of a companion that is kept are kept');
  const entry = await k.store.entry(B);
  t.like(entry, { status: 'erased', state: null, id: pseudonymOf('a key of the tests', 'counter:b'), lastSeq: erased.seq });
  t.deepEqual(await k.system.erase('counter:b', why), { seq: erased.seq, fresh: false });
  await k.clock.advance(200_000);
  t.false(everything(k).includes(secret), 'nothing that the kernel still had in hand was written afterwards');
});

test('later commands get ACTOR_ERASED, reads and topics NOT_FOUND, before and after a restart', async (t) => {
  const k = await start();
  await traces(k);
  const gone: string[] = [];
  k.system.follow({ of: () => [], changed: (ref) => gone.push(ref), topics: () => [], announce: () => undefined });
  await k.system.slice('counter:b/value');
  await k.system.erase('counter:b', why);
  t.deepEqual(gone, ['counter:b']);
  for (const one of [k, await k.restart()]) {
    t.like(await ask(one, 'counter:b', 'counter.add', { by: 1 }), { ok: false, error: { code: 'ACTOR_ERASED' } });
    await t.throwsAsync(one.system.read('counter:b', 'n', {}, { from: alice }), { code: 'NOT_FOUND' });
    await t.throwsAsync(one.system.slice('counter:b/value'), { code: 'NOT_FOUND' });
    await t.throwsAsync(one.system.slice('counter:b/feed'), { code: 'NOT_FOUND' });
    t.is((await one.system.refused('counter:b/value', [alice])).get(alice)?.code, 'NOT_FOUND');
  }
  t.is(k.store.journal(B).at(-1)?.type, 'thrum.erased');
});

test('what does not exist cannot be erased, and remains free to be created', async (t) => {
  const k = await start();
  await t.throwsAsync(k.system.erase('counter:b', why), { code: 'NOT_FOUND' });
  await t.throwsAsync(k.system.erase('nobody:b', why), { code: 'UNKNOWN_KIND' });
  await t.throwsAsync(k.system.erase('counter', why), { code: 'VALIDATION' });
  t.like(await ask(k, 'counter:b', 'counter.add', { by: 1 }), { ok: true, seq: 2 });
});

test('K25 an actor is erased while messages to it are under way: the source hears of each, and no row is made again', async (t) => {
  const waiting: (() => void)[] = [];
  let hold = false;
  const fault = async ({ batch }: { batch: Batch }) => {
    if (hold && batch.journal.some((row) => row.actorId === B)) await new Promise<void>((resolve) => waiting.push(resolve));
    return 'ok' as const;
  };
  const k = await start({ fault });
  await ask(k, 'counter:b', 'counter.add', { by: 1 });
  hold = true;
  // 40 messages are two frames: the first is being committed while the actor is erased
  await ask(k, 'counter:a', 'counter.send', { to: 'counter:b', times: 40 });
  await settle();
  const erasing = k.system.erase('counter:b', why);
  await k.clock.advance(1_000);
  t.is(waiting.length, 1);
  t.is(k.store.journal(B).length, 2, 'the erasure waits for the commit under way');
  hold = false;
  waiting[0]!();
  await k.clock.advance(1_000);
  const { seq } = await erasing;
  await k.clock.advance(10_000);
  const { heard } = (await k.system.inspect.one('counter:a')).state.context as { heard: string[] };
  const applied = seq - 3;
  t.true(applied > 0 && applied <= 40, String(applied));
  t.deepEqual(
    heard,
    Array.from({ length: 40 - applied }, () => 'undelivered counter:b ACTOR_ERASED'),
  );
  t.is(k.store.journal(B).length, seq);
  t.deepEqual(k.store.outbox(), []);
});

test('messages of an erased actor that nobody has taken are gone, and its effects end', async (t) => {
  const results: ((v: { done: number }) => void)[] = [];
  const signals: AbortSignal[] = [];
  const work = ({ signal }: { signal: AbortSignal }) => {
    signals.push(signal);
    return new Promise<{ done: number }>((resolve) => results.push(resolve));
  };
  const k = await start({ effects: { counter: { work } } });
  await ask(k, 'counter:a', 'counter.throw');
  for (let i = 0; i < 5; i += 1) await ask(k, 'counter:a', 'counter.throw');
  t.like(await ask(k, 'counter:a', 'counter.add', { by: 1 }), { error: { code: 'ACTOR_QUARANTINED' } });
  await ask(k, 'counter:b', 'counter.send', { to: 'counter:a', times: 3 });
  await ask(k, 'counter:b', 'counter.start');
  await k.clock.advance(100);
  t.deepEqual([k.store.outbox().length, results.length], [4, 1]);
  await k.system.erase('counter:b', why);
  t.true(signals[0]?.aborted);
  results[0]!({ done: 1 });
  await k.clock.advance(60_000);
  t.deepEqual(k.store.outbox(), []);
  t.is(k.store.journal(B).at(-1)?.type, 'thrum.erased');
});

test('an answer to an erasure that is lost is asked for again; a store that is away leaves the actor as it was', async (t) => {
  const k = await start();
  await ask(k, 'counter:b', 'counter.add', { by: 1 });
  const store = { ...k.store.lifecycle };
  const erase: LifecycleStore['erase'] = (e) => store.erase(e);
  const lost = async (...args: Parameters<typeof erase>): Promise<never> => {
    await erase(...args);
    Object.assign(k.store.lifecycle, { erase });
    throw new StoreError('in-doubt', 'connection lost');
  };
  Object.assign(k.store.lifecycle, {
    erase: async () => {
      throw new StoreError('in-doubt', 'no connection');
    },
  });
  const failing = t.throwsAsync(k.system.erase('counter:b', why), { code: 'UNAVAILABLE' });
  await k.clock.advance(5_000);
  await failing;
  t.like(await ask(k, 'counter:b', 'counter.add', { by: 1 }), { ok: true, seq: 3 });
  Object.assign(k.store.lifecycle, { erase: lost });
  const erasing = k.system.erase('counter:b', why);
  await k.clock.advance(5_000);
  t.deepEqual(await erasing, { seq: 4, fresh: true });
});

test('K35 an owner that has slept through the erasure conflicts with a blank row, and learns what has become of the actor', async (t) => {
  const stale = await start({ kinds: [{ ...counter, passivateAfter: 3_600_000 }] });
  await ask(stale, 'counter:b', 'counter.add', { by: 1 });
  const other = await stale.restart();
  for (let i = 0; i < 5; i += 1) await ask(other, 'counter:b', 'counter.add', { by: 1 });
  await other.system.erase('counter:b', why);
  await other.clock.advance(600_000);
  t.is(await stale.metric('fence_conflicts_total'), 0);
  t.like(await ask(stale, 'counter:b', 'counter.add', { by: 1 }), { ok: false, error: { code: 'ACTOR_ERASED' } });
  t.is(await stale.metric('fence_conflicts_total'), 1);
  t.is(k35(stale), '1 2 3 4 5 6 7 8', 'rows 1 to 7 are blank, 8 is the last');
});

const k35 = (k: TestKernel): string =>
  k.store
    .journal(B)
    .map((row) => (row.patch === '{}' ? row.seq : `${row.seq}!`))
    .join(' ');
