import test from 'ava';
import { actorIdOf } from '../../actors/ids.ts';
import { as, testKernel, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const alice = user('alice');
const start = (o = {}) => testKernel({ kinds: [counter], effects: { counter: { work: async () => ({ done: 1 }) } }, ...o });
const id = actorIdOf('counter:a');

test('K9 an after of ten minutes fires once when the node was down for fifteen, and says how late it is', async (t) => {
  const k = await start();
  await k.system.ask('counter:a', { type: 'counter.sleep' }, as(alice));
  await k.clock.advance(1);
  k.clock.setWall(k.clock.wall() + 15 * 60_000);
  const next = await k.restart();
  await next.clock.advance(1_000);
  const { state, stateText } = await next.system.inspect.one('counter:a');
  t.is(stateText, 'open');
  t.true(Math.abs((state.context['late'] as number) - 300_000) < 5_000);
  t.is(next.store.journal(id).length, 3);
  t.deepEqual(next.store.timers(), []);
  await next.clock.advance(120_000);
  t.is(next.store.journal(id).length, 3);
});

test('K10 a cancel that stands before the firing in the mailbox wins: the timer changes nothing and its row goes', async (t) => {
  const k = await start();
  await k.system.ask('counter:a', { type: 'counter.arm', ms: 1_000 }, as(alice));
  t.is(k.store.timers().length, 1);
  await k.system.ask('counter:a', { type: 'counter.disarm' }, as(alice));
  await k.clock.advance(5_000);
  t.false(k.store.journal(id).some((r) => r.type === 'fired'));
  t.deepEqual(k.store.timers(), []);
});

test('K11 a timer postponed a thousand times writes one row and fires once, at the last deadline', async (t) => {
  let written = 0;
  const k = await start({
    fault: async ({ batch }: { batch: { timersSet: readonly unknown[] } }) => {
      written += batch.timersSet.length;
      return 'ok' as const;
    },
  });
  for (let i = 0; i < 1_000; i += 1) {
    await k.system.ask('counter:a', { type: 'counter.arm', ms: 5_000 }, as(alice));
    if (i % 100 === 0) await k.clock.advance(10);
  }
  const last = k.clock.wall();
  t.is(written, 1);
  await k.clock.advance(20_000);
  const fired = k.store.journal(id).filter((r) => r.type === 'fired');
  t.is(fired.length, 1);
  t.true(fired[0]!.at >= last + 5_000 && fired[0]!.at < last + 5_100);
  t.deepEqual(k.store.timers(), []);
});

test('K38 an after whose guard is false at the deadline leaves one row and does not fire again', async (t) => {
  const k = await start();
  await k.system.ask('counter:a', { type: 'counter.arm', ms: 1_000 }, as(alice));
  await k.system.ask('counter:a', { type: 'counter.sleep' }, as(alice));
  await k.clock.advance(5_000);
  const rows = k.store.journal(id);
  t.is(rows.filter((r) => r.type === 'fired').length, 1);
  t.deepEqual(JSON.parse(rows.at(-1)!.patch), { t: { del: ['alarm'] } });
  t.is(k.store.timers().length, 1);
});

test('a timer beyond the horizon survives a restart and passivation, and fires in time', async (t) => {
  const k = await start();
  await k.system.ask('counter:a', { type: 'counter.arm', ms: 10 * 60_000 }, as(alice));
  const armed = k.clock.wall();
  await k.clock.advance(150_000);
  t.is(await k.metric('activations'), 0);
  const next = await k.restart();
  await next.clock.advance(9 * 60_000);
  const fired = next.store.journal(id).find((r) => r.type === 'fired');
  t.true(fired !== undefined && fired.at - armed >= 600_000 && fired.at - armed < 600_100);
});

test('more timers than the limit are refused and change nothing', async (t) => {
  const k = await start();
  const { commands } = await (async () => {
    await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
    return k.system.allowed('counter:a', alice);
  })();
  t.true(commands.includes('counter.arm'));
  t.false(commands.includes('counter.stop'));
});

test('K46 a timer whose row is refused is tried three times more, then it is a dead letter and the actor goes on', async (t) => {
  const conflicts = (a: Record<string, unknown>, b: Record<string, unknown>) => a['place'] === b['place'];
  const k = await start({ tables: { test_places: { conflicts } } });
  await k.system.ask('counter:owner', { type: 'counter.claim', claim: 'mine', place: 'taken' }, as(alice));
  await k.system.ask('counter:a', { type: 'counter.grow', size: 0 }, as(alice));
  await k.system.ask('counter:a', { type: 'counter.arm', ms: 1_000 }, as(alice));
  await k.clock.advance(40_000);
  t.is(await k.metric('companion_conflicts_total'), 4);
  t.is(k.store.dead().length, 1);
  t.deepEqual(k.store.timers(), []);
  t.deepEqual(JSON.parse(k.store.journal(id).at(-1)!.patch), { t: { del: ['alarm'] } });
  t.like(await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice)), { ok: true, reply: { n: 1 } });
});
