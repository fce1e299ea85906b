/** A process that stood still for more than ten minutes (kernel specification 7.3). */
import test from 'ava';
import { actorIdOf } from '../../actors/ids.ts';
import type { Batch } from '../../actors/store/store.ts';
import { settle } from '../support/clock.ts';
import { testCluster } from '../support/cluster.ts';
import type { TestNode } from '../support/cluster.ts';
import { as, testKernel, user } from '../support/kernel.ts';
import type { TestKernel } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const HOUR = 3_600_000;
const alice = user('alice');
const effects = { counter: { work: async () => ({ done: 7 }) } };
const a = actorIdOf('counter:a');
const start = (o = {}) => testKernel({ kinds: [counter], effects, ...o });
const add = (k: TestKernel, id = 'a') => k.system.ask(`counter:${id}`, { type: 'counter.add', by: 1 }, as(alice));
const seqs = (k: TestKernel, id = a) => k.store.journal(id).map((row) => row.seq);

/** Everything but the end of an actor that ended an hour ago goes, as retention will have it. */
const removeHistory = async (k: TestKernel): Promise<void> =>
  void (await k.store.lifecycle.prune(
    [{ actorId: a, before: Number.POSITIVE_INFINITY, anchors: 0, ended: Number.POSITIVE_INFINITY }],
    1_000,
  ));

for (const [what, mono, wall] of [
  ['the process was stopped', HOUR, HOUR],
  ['the machine slept, and its monotonic clock with it', 0, HOUR],
  ['the wall clock was set back meanwhile', HOUR, -HOUR],
] as const) {
  test(`after an hour nothing is appended to a history whose rows have been removed meanwhile (7.3): ${what}`, async (t) => {
    const one = await start();
    await add(one);
    const two = await start({ store: one.store });
    await add(two);
    await add(two);
    await two.system.erase('counter:a', { by: 'op', reason: 'asked to' });
    await removeHistory(two);
    t.deepEqual(seqs(one), [5]);
    one.clock.sleep(mono, wall);
    t.like(await add(one), { ok: false, error: { code: 'ACTOR_ERASED' } });
    t.deepEqual(seqs(one), [5], 'row 3 has no row to fall over any more');
    t.true(one.log.lines.some((line) => line.message === 'the process stood still: every actor is read anew'));
  });
}

test('after nine minutes a node goes on with what it has in memory (7.3)', async (t) => {
  const k = await start();
  await add(k);
  const load = k.store.load.bind(k.store);
  let loads = 0;
  k.store.load = (...q) => {
    loads += 1;
    return load(...q);
  };
  k.clock.sleep(9 * 60_000);
  t.like(await add(k), { ok: true, seq: 3 });
  t.is(loads, 0);
  t.like(
    k.log.lines,
    [{ message: 'the process stood still', fields: { ms: 540_000 } }],
    'said once, because all that follows comes from it',
  );
});

test('a pause of a second is nothing to tell', async (t) => {
  const k = await start();
  k.clock.sleep(1_000);
  await add(k);
  t.deepEqual(k.log.lines, []);
});

test('a read after an hour is read anew, of an actor that was warm too (7.3)', async (t) => {
  const one = await start();
  await add(one);
  await add(one, 'b');
  await one.clock.advance(40_000);
  await one.system.read('counter:b', 'n', {}, { from: alice });
  t.is(await one.metric('activations', { temperature: 'warm' }), 1);
  const two = await start({ store: one.store });
  await add(two);
  await add(two, 'b');
  one.clock.sleep(HOUR);
  for (const id of ['a', 'b']) {
    t.deepEqual(await one.system.read(`counter:${id}`, 'n', {}, { from: alice, level: 'eventual' }), { seq: 3, value: 2 });
  }
});

/** A kernel whose next statement waits until it is told what becomes of it. */
async function held() {
  let next = false;
  let end: (fate: 'ok' | 'lost-applied' | 'lost-unapplied') => void = () => undefined;
  const batches: Batch[] = [];
  const k = await start({
    fault: async ({ batch }: { batch: Batch }) => {
      batches.push(batch);
      if (!next) return 'ok' as const;
      next = false;
      return new Promise<'ok' | 'lost-applied' | 'lost-unapplied'>((resolve) => (end = resolve));
    },
  });
  return { k, batches, hold: () => void (next = true), end: (fate: Parameters<typeof end>[0]) => end(fate) };
}

for (const fate of ['ok', 'lost-applied', 'lost-unapplied'] as const) {
  test(`a statement under way before an hour is not sent again, and nothing is lost: ${fate} (7.3)`, async (t) => {
    const { k, batches, hold, end } = await held();
    await add(k);
    await add(k, 'b');
    hold();
    const sent = k.system.ask('counter:a', { type: 'counter.send', to: 'counter:b', times: 2 }, as(alice, { key: 'once' }));
    await settle();
    const open = add(k);
    await settle();
    const before = batches.length;
    k.clock.sleep(HOUR);
    await k.clock.advance(300);
    end(fate);
    await k.clock.advance(2_000);
    const again = batches.slice(before).filter((batch) => batch.journal.some((row) => row.type === 'counter.send'));
    t.is(again.length, 0, 'its rows were looked for instead');
    // Their deadlines passed while nobody could say; under its key the command is asked for again.
    for (const reply of [await open, await sent]) t.like(reply, { ok: false, error: { code: 'COMMIT_UNKNOWN' } });
    const reply = await k.system.ask('counter:a', { type: 'counter.send', to: 'counter:b', times: 2 }, as(alice, { key: 'once' }));
    t.like(reply, { ok: true, seq: 3 });
    await k.clock.advance(1_000);
    t.deepEqual((await k.system.inspect.one('counter:b')).state.context['got'], { 'counter:a': 1 });
    t.deepEqual(seqs(k), [1, 2, 3]);
    t.is(k.store.outbox().length, 0);
  });
}

test('timers that came due during a pause fire once, on the state that is read anew (7.3)', async (t) => {
  const k = await start();
  await k.system.ask('counter:a', { type: 'counter.arm', ms: 5_000 }, as(alice));
  k.clock.sleep(HOUR);
  await k.clock.advance(2_000);
  t.deepEqual(
    k.store.journal(a).map((row) => row.type),
    ['thrum.init', 'counter.arm', 'fired'],
  );
  t.like(await add(k), { ok: true, seq: 4 });
});

test('a node of several that stood still for an hour reads what its successor has written before it serves (7.3)', async (t) => {
  const c = await testCluster({ kinds: [counter], effects });
  const [one, two] = c.nodes as [TestNode, TestNode];
  const ref = c.refOf(one, 'counter');
  await one.system.ask(ref, { type: 'counter.add', by: 1 }, as(alice));
  one.clock.pause();
  await c.clock.advance(HOUR);
  t.like(await two.system.ask(ref, { type: 'counter.add', by: 1 }, as(alice)), { ok: true, seq: 3 });
  one.clock.resume();
  await c.clock.advance(5_000);
  t.like(await one.system.ask(ref, { type: 'counter.add', by: 1 }, as(alice)), { ok: true, seq: 4 });
  t.is(await one.metric('fence_conflicts_total'), 0);
});

test('a database that is away for a quarter of an hour loses nothing, and rows that are to go then go (7.3)', async (t) => {
  let away: boolean | undefined;
  const k = await start({
    fault: async ({ batch }: { batch: Batch }) => {
      if (batch.outboxDone.length > 0) away ??= true;
      return away === true ? ('lost-unapplied' as const) : ('ok' as const);
    },
  });
  await add(k, 'b');
  await k.system.ask('counter:a', { type: 'counter.send', to: 'counter:b', times: 1 }, as(alice));
  await k.clock.advance(900);
  t.true(away, 'its message has arrived, and its row is to be removed');
  const late = add(k);
  await k.clock.advance(900_000);
  t.like(await late, { ok: false, error: { code: 'COMMIT_UNKNOWN' } });
  away = false;
  await k.clock.advance(5_000);
  t.is(k.store.outbox().length, 0);
  t.like(await add(k), { ok: true, seq: 3 }, 'the command of nobody was not run when its time was over');
});
