import test from 'ava';
import { NonRetryable } from '../../actors/errors.ts';
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
const conflicts = (a: Record<string, unknown>, b: Record<string, unknown>) =>
  a['place'] === b['place'] && a['state'] === 'held' && b['state'] === 'held';
const start = (work: Work = async () => ({ done: 7 })) =>
  testKernel({ kinds: [counter], effects: { counter: { work } }, tables: { test_places: { conflicts } } });
const ask = (k: TestKernel, type: string, payload: object = {}, o = {}): Promise<Reply> =>
  k.system.ask(A, { type, ...payload }, as(alice, o));
const letters = (k: TestKernel) => k.system.inspect.dead({ open: true, limit: 10 });
const state = async (k: TestKernel, ref = A) => (await k.system.inspect.one(ref)).state;

/** What makes the timer of A fail, for ever or until it is undone. */
async function poisoned(k: TestKernel): Promise<void> {
  await k.system.ask('counter:owner', { type: 'counter.claim', claim: 'mine', place: 'taken' }, as(alice));
  await ask(k, 'counter.grow', { size: 0 });
  await ask(k, 'counter.arm', { ms: 1_000 });
  await k.clock.advance(40_000);
}

test('a command that failed comes back from its sender under its own key, and is applied once however often it is retried', async (t) => {
  const k = await start();
  t.false((await ask(k, 'counter.throw', {}, { key: 'mine' })).ok);
  const [letter] = await letters(k);
  t.like(letter, { source: 'command', event: { type: 'counter.throw', payload: {}, from: { kind: 'user', id: 'alice' } } });
  t.like(await k.system.operate.retryDead(letter!.n, eve), { ok: false, error: { code: 'ACTOR_FAULT' } });
  t.is((await letters(k)).length, 1, 'a retry that fails leaves the one letter');
  const stays = JSON.stringify(letter!.event);
  t.is(JSON.stringify((await letters(k))[0]!.event), stays);
  await k.system.operate.discardDead(letter!.n, eve);
  t.deepEqual(await letters(k), []);
  t.like(await k.system.operate.retryDead(letter!.n, eve), { ok: false, error: { detail: 'it was discarded already' } });
  await t.throwsAsync(k.system.operate.discardDead(99, eve), { message: 'NOT_FOUND' });
  t.deepEqual(
    (await k.store.admin.audits({ limit: 9 })).map((a) => [a.action, a.detail['letter']]),
    [
      ['dead.discard', letter!.n],
      ['dead.retry', letter!.n],
    ],
  );
});

test('a retried command that the client had repeated with success meanwhile is answered as a repetition', async (t) => {
  const k = await start();
  await k.system.ask('counter:owner', { type: 'counter.add', by: 1 }, as(alice));
  await ask(k, 'counter.add', { by: 1 }, { key: 'once' });
  const row = k.store.journal(idA).at(-1)!;
  await k.store.bury({
    actorId: idA,
    kind: 'counter',
    id: 'a',
    source: 'command',
    event: {
      type: 'counter.add',
      payload: { by: 1 },
      from: { kind: 'user', id: 'alice', roles: ['user'] },
      idem: row.idem,
      chk: (JSON.parse(row.meta!) as { chk: number }).chk,
    },
    error: null,
    attempts: 1,
  });
  const [letter] = await letters(k);
  t.like(await k.system.operate.retryDead(letter!.n, eve), { ok: true, seq: 2, dup: true });
  t.is((await state(k)).context['n'], 1);
  t.deepEqual(await letters(k), []);
});

test('a timer that was given up is seen by the machine when its cause is gone, and refused while it is not', async (t) => {
  const k = await start();
  await poisoned(k);
  const [letter] = await letters(k);
  t.like(letter, { source: 'timer', event: { type: 'fired' } });
  t.false((await k.system.operate.retryDead(letter!.n, eve)).ok);
  t.is((await letters(k)).length, 1);
  await k.system.ask('counter:owner', { type: 'counter.release', claim: 'mine' }, as(alice));
  t.like(await k.system.operate.retryDead(letter!.n, eve), { ok: true });
  t.is((await state(k)).context['n'], 1_000);
  t.is(k.store.rows('test_places').length, 2);
  t.deepEqual(await letters(k), []);
});

test('a timer that was given up is of no use to a state that does not know it', async (t) => {
  const k = await start();
  await poisoned(k);
  await ask(k, 'counter.sleep');
  const [letter] = await letters(k);
  t.like(await k.system.operate.retryDead(letter!.n, eve), { ok: false, error: { code: 'NOT_ALLOWED' } });
  t.is((await letters(k)).length, 1);
});

test('a failed effect runs once more under the key it had, and its result is applied', async (t) => {
  const keys: string[] = [];
  let declined = true;
  const k = await start(async ({ key, input }) => {
    keys.push(`${key} ${JSON.stringify(input)}`);
    if (declined) throw new NonRetryable('never', 'CARD_DECLINED');
    return { done: 9 };
  });
  await ask(k, 'counter.add', { by: 1 });
  await ask(k, 'counter.start');
  await k.clock.advance(10);
  const [letter] = await letters(k);
  t.like(letter, {
    source: 'effect',
    error: { code: 'CARD_DECLINED' },
    attempts: 1,
    event: { src: 'work', invoke: 'work', input: { n: 1 } },
  });
  declined = false;
  const next = await k.restart();
  t.like(await next.system.operate.retryDead(letter!.n, eve), { ok: true });
  await settle();
  await next.clock.advance(10);
  t.deepEqual(keys, [`${idA}/3/1 {"n":1}`, `${idA}/3/1 {"n":1}`]);
  t.like(await state(next), { value: 'open', calls: {}, context: { n: 9 } });
  t.deepEqual(next.store.outbox(), []);
  t.deepEqual(await letters(next), []);
  t.deepEqual(
    next.store.journal(idA).map((r) => r.type),
    ['thrum.init', 'counter.add', 'counter.start', 'xstate.error.actor.work', 'thrum.retried', 'xstate.done.actor.work'],
  );
});

test('a failed effect whose state was left stays a dead letter', async (t) => {
  const k = await start(async () => {
    throw new NonRetryable('never');
  });
  await ask(k, 'counter.start');
  await k.clock.advance(10);
  await ask(k, 'counter.stop');
  const [letter] = await letters(k);
  t.like(await k.system.operate.retryDead(letter!.n, eve), { ok: false, error: { code: 'NOT_ALLOWED' } });
});

test('a message whose receiver failed on it comes back from its sender under its key', async (t) => {
  const k = await start();
  await ask(k, 'counter.send', { to: 'counter:b', times: 1, command: 'counter.claim' });
  await k.clock.advance(10);
  t.deepEqual((await state(k)).context['heard'], ['undelivered counter:b VALIDATION'], 'the sender hears of it, so no letter is needed');
  t.deepEqual(await letters(k), []);
});
