import test from 'ava';
import { actorIdOf } from '../../actors/ids.ts';
import type { Operator } from '../../actors/operate.ts';
import type { Reply } from '../../actors/types.ts';
import { settle } from '../support/clock.ts';
import { as, testKernel, user } from '../support/kernel.ts';
import type { TestKernel, TestKernelOptions } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const alice = user('alice');
const eve: Operator = { id: 'eve', roles: ['user', 'admin'], reason: 'a test' };
const A = 'counter:a';
const idA = actorIdOf(A);

type Work = NonNullable<NonNullable<TestKernelOptions['effects']>['counter']>[string];
const start = (work: Work = async () => ({ done: 7 }), o = {}) => testKernel({ kinds: [counter], effects: { counter: { work } }, ...o });
const ask = (k: TestKernel, type: string, payload: object = {}): Promise<Reply> => k.system.ask(A, { type, ...payload }, as(alice));
const add = { by: 1 };
const code = (reply: Reply): string => (reply.ok ? 'ok' : reply.error.code);
const acts = async (k: TestKernel) => (await k.store.admin.audits({ limit: 100 })).map((a) => [a.action, a.afterSeq, a.reason]);
const state = async (k: TestKernel, ref = A) => (await k.system.inspect.one(ref)).state;

test('a poke runs as the operator, with its reason in the journal and its audit row in the statement of its event', async (t) => {
  const k = await start();
  await ask(k, 'counter.add', add);
  const reply = await k.system.operate.poke(A, { type: 'counter.take', i: 3 }, eve, 'key');
  t.like(reply, { ok: true, seq: 3 });
  t.deepEqual((await state(k)).context['heard'], ['eve#3']);
  t.like(JSON.parse(k.store.journal(idA).at(-1)!.meta!), { from: 'operator:eve', reason: 'a test' });
  t.like(k.store.rows('thrum_admin_audit'), [
    { admin: 'eve', action: 'poke', before_seq: 2, after_seq: 3, actor_id: idA, reason: 'a test' },
  ]);
  t.like(await k.system.operate.poke(A, { type: 'counter.take', i: 3 }, eve, 'key'), { ok: true, seq: 3, dup: true });
  t.is(k.store.rows('thrum_admin_audit').length, 1);
  t.like((await k.store.admin.audits({ limit: 1 }))[0], { action: 'poke', detail: { outcome: 'repeated' } });
});

test('a poke whose commit fails for good leaves neither event nor audit row; a refused one is audited at once', async (t) => {
  let fail = false;
  const k = await start(undefined, { fault: async () => (fail ? 'fail' : 'ok') });
  await ask(k, 'counter.add', add);
  fail = true;
  t.is(code(await k.system.operate.poke(A, { type: 'counter.add', by: 1 }, eve, 'k1')), 'ACTOR_FAULT');
  t.deepEqual(k.store.rows('thrum_admin_audit'), []);
  fail = false;
  await k.system.operate.resume(A, eve);
  t.is(code(await k.system.operate.poke(A, { type: 'counter.stop' }, eve, 'k2')), 'NOT_ALLOWED');
  t.is(code(await k.system.operate.poke(A, { type: 'counter.none' }, eve, 'k3')), 'UNKNOWN_COMMAND');
  const outcomes = (await k.store.admin.audits({ action: 'poke', limit: 9 })).map((a) => a.detail['outcome']);
  t.deepEqual(outcomes, ['UNKNOWN_COMMAND', 'NOT_ALLOWED', 'ACTOR_FAULT']);
  t.deepEqual(k.store.rows('thrum_admin_audit'), []);
});

test('a paused actor refuses commands and answers reads; its timer waits and fires once after the pause, late', async (t) => {
  const k = await start();
  await ask(k, 'counter.arm', { ms: 1_000 });
  await k.system.operate.pause(A, eve);
  t.is(code(await ask(k, 'counter.add', add)), 'ACTOR_PAUSED');
  t.is((await k.system.read(A, 'n', {}, { from: alice })).value, 0);
  await k.clock.advance(3_600_000);
  t.is((await state(k)).context['n'], 0);
  t.is(await k.metric('timers_fired_total'), 0);
  t.true((await k.metric('activations_total')) <= 2, 'nothing runs round in circles');
  await k.system.operate.resume(A, eve);
  await k.clock.advance(1);
  t.is((await state(k)).context['n'], 1_000);
  t.true(((await state(k)).context['late'] as number) >= 3_599_000);
  await k.clock.advance(120_000);
  t.is(k.store.journal(idA).filter((r) => r.type === 'fired').length, 1);
  t.is(code(await ask(k, 'counter.add', add)), 'ok');
  t.deepEqual(await acts(k), [
    ['resume', 2, 'a test'],
    ['pause', 2, 'a test'],
  ]);
});

test('a pause outlives the process, and what was held is found again', async (t) => {
  const k = await start();
  await ask(k, 'counter.arm', { ms: 1_000 });
  await k.system.operate.pause(A, eve);
  await k.clock.advance(2_000);
  const next = await k.restart();
  await next.clock.advance(60_000);
  t.is(code(await ask(next, 'counter.add', add)), 'ACTOR_PAUSED');
  await next.system.operate.resume(A, eve);
  await next.clock.advance(1);
  t.is((await state(next)).context['n'], 1_000);
});

test('the result of an effect that ends during a pause is held and applied after it', async (t) => {
  const results: ((v: { done: number }) => void)[] = [];
  const k = await start(() => new Promise((resolve) => results.push(resolve)));
  await ask(k, 'counter.start');
  await settle();
  await k.system.operate.pause(A, eve);
  results[0]!({ done: 5 });
  await k.clock.advance(600_000);
  t.is((await k.system.inspect.one(A)).stateText, 'working');
  t.is(results.length, 1);
  await k.system.operate.resume(A, eve);
  await settle();
  t.like(await k.system.inspect.one(A), { stateText: 'open', status: 'active' });
  t.is((await state(k)).context['n'], 5);
});

test('a message to a paused actor waits with its sender and arrives after the pause', async (t) => {
  const k = await start();
  await k.system.ask('counter:b', { type: 'counter.add', by: 1 }, as(alice));
  await k.system.operate.pause('counter:b', eve);
  await ask(k, 'counter.send', { to: 'counter:b', times: 2 });
  await k.clock.advance(60_000);
  t.deepEqual((await state(k, 'counter:b')).context['heard'], []);
  t.deepEqual(k.store.dead(), []);
  await k.system.operate.resume('counter:b', eve);
  await k.clock.advance(5_000);
  t.deepEqual((await state(k, 'counter:b')).context['heard'], ['counter:a#0', 'counter:a#1']);
});

test('a kind, a slot or everything is paused and let go; timers due meanwhile fire after it; another process reads the table', async (t) => {
  const k = await start();
  await ask(k, 'counter.arm', { ms: 1_000 });
  const { slot } = await k.system.inspect.one(A);
  for (const scope of ['kind:counter', `slot:${slot}`, 'all'] as const) {
    await k.system.operate.pauseAll(scope, eve);
    t.like(await ask(k, 'counter.add', add), { ok: false, error: { code: 'ACTOR_PAUSED', details: { scope } } });
    t.is(
      code(await k.system.ask('counter:new', { type: 'counter.add', by: 1 }, as(alice))),
      scope.startsWith('slot') ? 'ok' : 'ACTOR_PAUSED',
    );
    await k.system.operate.resumeAll(scope, eve);
    t.is(code(await ask(k, 'counter.add', add)), 'ok');
  }
  await k.system.operate.pauseAll('kind:counter', eve);
  await k.system.operate.pause(A, eve);
  await k.system.operate.resumeAll('kind:counter', eve);
  t.is(code(await ask(k, 'counter.add', add)), 'ACTOR_PAUSED', 'its own pause stands');
  await k.system.operate.resume(A, eve);
  await k.system.operate.pauseAll('all', eve);
  await k.clock.advance(100_000);
  t.is(await k.metric('timers_fired_total'), 0);
  const next = await k.restart();
  await next.clock.advance(100_000);
  t.is(code(await ask(next, 'counter.add', add)), 'ACTOR_PAUSED');
  t.is(await next.metric('timers_fired_total'), 0);
  await next.store.admin.unpause('all');
  await next.system.operate.reloadPauses();
  await next.clock.advance(1);
  t.is(next.store.journal(idA).filter((r) => r.type === 'fired').length, 1);
  await t.throwsAsync(k.system.operate.pauseAll('kind:none', eve), { message: "there is no kind 'none'" });
  await t.throwsAsync(k.system.operate.resumeAll('slot:1', eve), { message: 'slot:1 is not paused' });
});

test('a quarantined actor holds its timers, and runs again when an operator lets it go; its faults are forgotten', async (t) => {
  const k = await start();
  await ask(k, 'counter.arm', { ms: 1_000 });
  for (let i = 0; i < 5; i += 1) await ask(k, 'counter.throw');
  await k.clock.advance(10_000);
  t.is(code(await ask(k, 'counter.add', add)), 'ACTOR_QUARANTINED');
  await t.throwsAsync(k.system.operate.pause(A, eve), { message: 'the actor is quarantined' });
  await k.system.operate.resume(A, eve);
  await k.clock.advance(1);
  t.is((await state(k)).context['n'], 1_000);
  t.is(code(await ask(k, 'counter.throw')), 'ACTOR_FAULT');
  t.is(code(await ask(k, 'counter.add', add)), 'ok', 'one fault after the release is the first');
  await t.throwsAsync(k.system.operate.resume(A, eve), { message: 'the actor is active' });
});

test('an operator lets a timer fire before its time or takes it away; both are events with their audit row', async (t) => {
  const k = await start();
  await ask(k, 'counter.arm', { ms: 600_000 });
  t.like(await k.system.operate.timer(A, 'alarm', 'fire', eve), { ok: true, seq: 3 });
  t.is((await state(k)).context['n'], 1_000);
  t.is(code(await k.system.operate.timer(A, 'alarm', 'fire', eve)), 'NOT_FOUND');
  await ask(k, 'counter.arm', { ms: 600_000 });
  t.like(await k.system.operate.timer(A, 'alarm', 'cancel', eve), { ok: true, seq: 5 });
  t.like(k.store.journal(idA).at(-1), { type: 'thrum.cancelled', event: '{"timer":"alarm"}', patch: '{"t":{"del":["alarm"]}}' });
  t.deepEqual(k.store.timers(), []);
  await k.clock.advance(1_200_000);
  t.is(k.store.journal(idA).filter((r) => r.type === 'fired').length, 1);
  t.like(k.store.rows('thrum_admin_audit'), [
    { action: 'timer.fire', after_seq: 3, detail: { timer: 'alarm' } },
    { action: 'timer.cancel', after_seq: 5 },
  ]);
});

test('a timer that an operator fires and whose machine fails is answered at once and stays armed', async (t) => {
  const conflicts = (a: Record<string, unknown>, b: Record<string, unknown>) => a['place'] === b['place'];
  const k = await start(undefined, { tables: { test_places: { conflicts } } });
  await k.system.ask('counter:owner', { type: 'counter.claim', claim: 'mine', place: 'taken' }, as(alice));
  await ask(k, 'counter.grow', { size: 0 });
  await ask(k, 'counter.arm', { ms: 600_000 });
  t.like(await k.system.operate.timer(A, 'alarm', 'fire', eve), { ok: false });
  t.is((await state(k)).timers['alarm']?.seq, 3);
});

test('an idle actor is dropped from memory, a snapshot is written on demand', async (t) => {
  const k = await start();
  await ask(k, 'counter.add', add);
  t.deepEqual(await k.system.operate.resnapshot(A, eve), { seq: 2 });
  t.is(k.store.snapshots(idA)[0]?.seq, 2);
  await k.system.operate.passivate(A, eve);
  t.is((await k.system.inspect.one(A)).standing?.temperature, 'cold');
  t.is(code(await ask(k, 'counter.add', add)), 'ok');
  await t.throwsAsync(k.system.operate.passivate('counter:none', eve), { message: 'NOT_FOUND' });
  await t.throwsAsync(k.system.operate.passivate('none:none', eve), { message: "there is no kind 'none'" });
});

test('a finished actor that is paused and let go is finished still', async (t) => {
  const k = await start();
  await ask(k, 'counter.end');
  await k.clock.advance(5_000);
  await k.system.operate.pause(A, eve);
  await k.system.operate.resume(A, eve);
  t.is((await k.system.inspect.one(A)).status, 'done');
});
