import test from 'ava';
import { defineActor } from '../../actors/define.ts';
import type { ActorKind } from '../../actors/define.ts';
import { actorIdOf } from '../../actors/ids.ts';
import { replayActor } from '../../actors/replay.ts';
import { registryOf } from '../../actors/companion.ts';
import { runtimeOf } from '../../actors/runtime.ts';
import type { ActorState, Reply } from '../../actors/types.ts';
import { as, testKernel, user } from '../support/kernel.ts';
import type { TestKernel, TestKernelOptions } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const alice = user('alice');
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const A = actorIdOf('counter:a');

/** The counter of the other suites, which forgets what is older than two days and itself three days after its end. */
const short: ActorKind = { ...counter, retention: { journal: '48h' }, doneTtl: '72h', snapshot: { every: 10, bytes: 4 } };

const start = (o: Partial<TestKernelOptions> = {}): Promise<TestKernel> =>
  testKernel({ kinds: [short], effects: { counter: { work: async () => ({ done: 7 }) } }, ...o });

const ask = (k: TestKernel, type: string, more: object = {}, key?: string): Promise<Reply> =>
  k.system.ask('counter:a', { type, ...more }, as(alice, key === undefined ? {} : { key }));

/** So much later the process has been started anew, and its upkeep has had a turn. */
async function later(
  k: TestKernel,
  ms: number,
  meanwhile: (k: TestKernel) => Promise<unknown> = async () => undefined,
): Promise<TestKernel> {
  const draining = k.system.drain(1_000);
  await k.clock.advance(1_100);
  await draining;
  k.clock.setWall(k.clock.wall() + ms);
  const next = await k.restart();
  await meanwhile(next);
  await k.clock.advance(61_000);
  return next;
}

/** Twenty events a day, with a snapshot after ten and after twenty of them; then the upkeep has had a turn. */
async function days(k: TestKernel, n: number): Promise<TestKernel> {
  for (let day = 0; day < n; day += 1) {
    k.clock.setWall(k.clock.wall() + DAY);
    for (let half = 0; half < 2; half += 1) {
      for (let i = 0; i < 10; i += 1) await ask(k, 'counter.add', { by: 1 });
      await k.clock.advance(300);
    }
  }
  return later(k, HOUR);
}

const n = (state: ActorState): number => (state.context as { n: number }).n;

test('events older than their kind keeps them go, and one state of each day of activity stays', async (t) => {
  const k = await days(await start(), 6);
  const rows = k.store.journal(A);
  const cut = rows[0]!.seq;
  t.is(rows.length, 121 - cut + 1);
  const base = k.store.snapshots(A).find((s) => s.seq === cut);
  t.true(base !== undefined && base.at < k.clock.wall() - 2 * DAY && base.at > k.clock.wall() - 4 * DAY, 'the newest that is old enough');
  t.true((await k.metric('removed_total', { what: 'events' })) === cut - 1 && cut > 60);
  const { earliest, anchors } = (await k.store.admin.kept(A))!;
  t.is(earliest, cut);
  t.is(anchors.length, 3, 'one for each of the first days');
  for (const seq of [...anchors, cut, cut + 7, 121]) t.is(n((await k.system.inspect.at('counter:a', seq)).state), seq - 1);
});

test('the state after an event that is no longer kept is refused with the earliest that is', async (t) => {
  const k = await days(await start(), 6);
  const { earliest, anchors } = (await k.store.admin.kept(A))!;
  for (const seq of [1, anchors[0]! + 1, earliest - 1]) {
    const error = await t.throwsAsync(k.system.inspect.at('counter:a', seq));
    t.like(error, { code: 'NOT_RETAINED', details: { earliest, anchors } });
  }
  await t.throwsAsync(k.system.inspect.microsteps('counter:a', earliest), { code: 'NOT_RETAINED' });
  for (const seq of [0, 122]) await t.throwsAsync(k.system.inspect.at('counter:a', seq), { code: 'NOT_FOUND' });
  await t.throwsAsync(k.system.inspect.at('counter:nobody', 1), { code: 'NOT_FOUND' });
  const what = await k.system.inspect.whatIf('counter:a', { type: 'counter.add', by: 5 }, { from: alice, at: undefined, seq: anchors[0]! });
  t.is(n(what.state), anchors[0]! - 1 + 5, 'a command is tried on a state of which the events are gone');
});

test('an actor with a pruned history goes on after a restart, and what is left of it replays', async (t) => {
  const k = await days(await start(), 5);
  t.true(k.store.journal(A)[0]!.seq > 1);
  const next = await k.restart();
  t.like(await ask(next, 'counter.add', { by: 1 }), { ok: true, seq: 102, reply: { n: 101 } });
  const { mismatches, checked } = await replayActor(k.store, runtimeOf(short), registryOf([short]), {
    actorId: A,
    kind: 'counter',
    id: 'a',
  });
  t.deepEqual(mismatches, []);
  t.is(checked, 102 - k.store.journal(A)[0]!.seq);
});

test('a key is remembered as long as its event is kept, and for a day at least', async (t) => {
  const first = await start();
  await ask(first, 'counter.add', { by: 1 }, 'first');
  let k = await days(first, 2);
  t.like(await ask(k, 'counter.add', { by: 1 }, 'first'), { ok: true, seq: 2, dup: true });
  k = await days(k, 4);
  t.like(await ask(k, 'counter.add', { by: 1 }, 'first'), { ok: true, reply: { n: 122 } }, 'it counts as a new command');
});

test('kinds keep everything for ever unless they say otherwise, and a node that is told to removes nothing', async (t) => {
  for (const o of [{ kinds: [{ ...short, retention: 'forever' as const }] }, { retention: 'off' as const }]) {
    const k = await days(await start(o), 6);
    t.is(k.store.journal(A).length, 121);
    t.is(await k.metric('removed_total'), 0);
  }
});

test('snapshots of days long past go when their time is over', async (t) => {
  const k = await days(await start({ kinds: [{ ...short, retention: 'forever' }], retention: { anchorDays: 3 } }), 6);
  const daysOf = k.store.snapshots(A).map((s) => Math.floor((k.clock.wall() - s.at) / DAY));
  t.deepEqual(daysOf, [0, 0, 1, 2]);
  t.true((await k.metric('removed_total', { what: 'snapshots' })) >= 2);
});

test('an actor in a final state is gone after its time: nobody finds it, and nobody brings it back', async (t) => {
  const first = await start();
  for (let i = 0; i < 30; i += 1) await ask(first, 'counter.add', { by: 1 });
  await ask(first, 'counter.emit', { items: 3 });
  await ask(first, 'counter.end');
  let k = await later(first, 71 * HOUR);
  t.like(await ask(k, 'counter.add', { by: 1 }), { ok: false, error: { code: 'NOT_ALLOWED' } });
  t.is((await k.system.read('counter:a', 'n', {}, { from: alice })).value, 30);
  k = await later(k, 3 * HOUR);
  t.like(await k.store.entry(A), { id: 'a', status: 'gone', state: null });
  t.is(await k.metric('removed_total', { what: 'actors' }), 1);
  for (const one of [k, await k.restart()]) {
    t.like(await ask(one, 'counter.add', { by: 1 }), { ok: false, error: { code: 'NOT_FOUND' } });
    await t.throwsAsync(one.system.read('counter:a', 'n', {}, { from: alice }), { code: 'NOT_FOUND' });
    await t.throwsAsync(one.system.slice('counter:a/value'), { code: 'NOT_FOUND' });
    await t.throwsAsync(one.system.inspect.at('counter:a', 5), { code: 'NOT_FOUND' });
  }
  t.deepEqual([k.store.snapshots(A), k.store.rows('thrum_topic_item')], [[], []]);
  await later(k, 26 * HOUR);
  t.deepEqual(
    k.store.journal(A).map((r) => r.type),
    ['thrum.gone'],
  );
});

test('a finished actor that somebody reads, and one that is stopped, are kept', async (t) => {
  const first = await start();
  await ask(first, 'counter.add', { by: 1 });
  await ask(first, 'counter.end');
  const k = await later(first, 80 * HOUR, (next) => next.system.read('counter:a', 'n', {}, { from: alice }));
  t.like(await k.store.entry(A), { status: 'done' });
  await k.store.setStatus(A, 'paused');
  await later(k, HOUR);
  t.like(await k.store.entry(A), { status: 'paused' });
});

test('a message to an actor that is gone is over, and its source hears of it', async (t) => {
  const first = await start();
  await ask(first, 'counter.add', { by: 1 });
  await ask(first, 'counter.end');
  const k = await later(first, 80 * HOUR);
  await k.system.ask('counter:b', { type: 'counter.send', to: 'counter:a', times: 2 }, as(alice));
  await k.clock.advance(10_000);
  const { heard } = (await k.system.inspect.one('counter:b')).state.context as { heard: string[] };
  t.deepEqual(heard, ['undelivered counter:a NOT_FOUND', 'undelivered counter:a NOT_FOUND']);
});

test('blank rows of an erased actor go after a day, and it stays erased', async (t) => {
  const first = await start();
  for (let i = 0; i < 5; i += 1) await ask(first, 'counter.add', { by: 1 });
  await first.system.erase('counter:a', { by: 'root', reason: 'asked for' });
  let k = await later(first, 20 * HOUR);
  t.is(k.store.journal(A).length, 7);
  k = await later(k, 6 * HOUR);
  t.deepEqual(
    k.store.journal(A).map((r) => [r.seq, r.type]),
    [[7, 'thrum.erased']],
  );
  t.like(await ask(await k.restart(), 'counter.add', { by: 1 }), { error: { code: 'ACTOR_ERASED' } });
});

test('a span that is none, or shorter than keys are remembered, is a fault of the definition', (t) => {
  const { hash: _hash, ...def } = counter;
  const faults = (more: object) => (t.throws(() => defineActor({ ...def, ...more })) as unknown as { faults: string[] }).faults;
  t.deepEqual(faults({ retention: { journal: '23h' }, doneTtl: '90' }), [
    "retention.journal: '23h' is less than 24 h",
    "doneTtl: '90' is no span such as '36h' or '30d'",
  ]);
  t.notThrows(() => defineActor({ ...def, retention: { journal: '24h' }, doneTtl: '90d' }));
});
