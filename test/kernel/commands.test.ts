import test from 'ava';
import { actorIdOf } from '../../actors/ids.ts';
import { as, testKernel, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const alice = user('alice');
const effects = { counter: { work: async () => ({ done: 7 }) } };
const start = (o = {}) => testKernel({ kinds: [counter], effects, ...o });

test('an acknowledged command is journaled with its patch, after the birth of the actor', async (t) => {
  const k = await start();
  t.deepEqual(await k.system.ask('counter:a', { type: 'counter.add', by: 2 }, as(alice)), { ok: true, seq: 2, reply: { n: 2 } });
  const rows = k.store.journal(actorIdOf('counter:a'));
  t.deepEqual(
    rows.map((r) => [r.seq, r.type]),
    [
      [1, 'thrum.init'],
      [2, 'counter.add'],
    ],
  );
  t.deepEqual(JSON.parse(rows[1]!.patch), { c: { set: [['n', 2]] } });
});

test('K1 a key that is still in the ring is answered with the same reply and seq, and writes no row', async (t) => {
  const k = await start();
  const o = as(alice, { key: 'same' });
  const first = await k.system.ask('counter:a', { type: 'counter.add', by: 2 }, o);
  const again = await k.system.ask('counter:a', { type: 'counter.add', by: 2 }, o);
  t.deepEqual(again, { ...first, dup: true });
  t.is(k.store.journal(actorIdOf('counter:a')).length, 2);
  t.is(await k.metric('duplicates_total', { source: 'ring' }), 1);
});

test('K2 a key that is older than the ring is found by the index, with the same reply', async (t) => {
  const k = await start();
  const first = await k.system.ask('counter:a', { type: 'counter.add', by: 2 }, as(alice, { key: 'old' }));
  for (let i = 0; i < 300; i += 1) await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  const behind = k.system.ask('counter:a', { type: 'counter.add', by: 5 }, as(alice));
  const again = await k.system.ask('counter:a', { type: 'counter.add', by: 2 }, as(alice, { key: 'old' }));
  t.deepEqual(again, { ...first, dup: true });
  t.deepEqual(await behind, { ok: true, seq: 303, reply: { n: 307 } });
  t.is(k.store.journal(actorIdOf('counter:a')).length, 303);
  const after = await (await k.restart()).system.ask('counter:a', { type: 'counter.add', by: 2 }, as(alice, { key: 'old' }));
  t.deepEqual(after, { ...first, dup: true });
});

test('K3 the same key with another payload or another command is an IDEMPOTENCY_MISMATCH, in the ring and in the index', async (t) => {
  const k = await start();
  const o = as(alice, { key: 'same' });
  await k.system.ask('counter:a', { type: 'counter.add', by: 2 }, o);
  const code = async (r: ReturnType<typeof k.system.ask>) => {
    const reply = await r;
    return reply.ok ? 'ok' : reply.error.code;
  };
  t.is(await code(k.system.ask('counter:a', { type: 'counter.add', by: 3 }, o)), 'IDEMPOTENCY_MISMATCH');
  t.is(await code(k.system.ask('counter:a', { type: 'counter.draw' }, o)), 'IDEMPOTENCY_MISMATCH');
  for (let i = 0; i < 300; i += 1) await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  t.is(await code(k.system.ask('counter:a', { type: 'counter.add', by: 3 }, o)), 'IDEMPOTENCY_MISMATCH');
  t.is(await code(k.system.ask('counter:a', { type: 'counter.add', by: 2 }, { ...o, from: user('bob') })), 'ok');
});

test('I11 refusals and unhandled commands leave no row, and the key stays free', async (t) => {
  const k = await start();
  const o = as(alice, { key: 'k' });
  t.like(await k.system.ask('counter:a', { type: 'counter.refuse' }, o), {
    ok: false,
    error: { code: 'COUNTER_SAYS_NO', details: { n: 0 } },
  });
  t.is(k.store.journal(actorIdOf('counter:a')).length, 0);
  await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, o);
  t.like(await k.system.ask('counter:a', { type: 'counter.stop' }, as(alice)), {
    ok: false,
    error: { code: 'NOT_ALLOWED', details: { state: 'open' } },
  });
  t.is(k.store.journal(actorIdOf('counter:a')).length, 2);
});

test('a refusal beside a change is journaled and repeated as the refusal that it was', async (t) => {
  const k = await start();
  const o = as(alice, { key: 'k' });
  const first = await k.system.ask('counter:a', { type: 'counter.both' }, o);
  t.like(first, { ok: false, seq: 2, error: { code: 'COUNTER_SAYS_NO' } });
  t.deepEqual(await k.system.ask('counter:a', { type: 'counter.both' }, o), first);
  t.deepEqual(await (await k.restart()).system.ask('counter:a', { type: 'counter.both' }, o), first);
  t.is(k.store.journal(actorIdOf('counter:a')).length, 2);
});

test('K14 a throwing guard answers ACTOR_FAULT without a row; the fifth within a minute quarantines the actor', async (t) => {
  const k = await start();
  await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  for (let i = 0; i < 5; i += 1) {
    t.like(await k.system.ask('counter:a', { type: 'counter.throw' }, as(alice)), { ok: false, error: { code: 'ACTOR_FAULT' } });
  }
  t.is(k.store.journal(actorIdOf('counter:a')).length, 2);
  t.like(await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice)), { ok: false, error: { code: 'ACTOR_QUARANTINED' } });
  t.like(await (await k.restart()).system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice)), {
    ok: false,
    error: { code: 'ACTOR_QUARANTINED' },
  });
  t.is(k.store.dead().length, 5);
});

test('K15 a loop of eventless transitions ends as a fault and the process lives', async (t) => {
  const k = await start();
  t.like(await k.system.ask('counter:a', { type: 'counter.loop' }, as(alice)), { ok: false, error: { code: 'ACTOR_FAULT' } });
  t.like(await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice)), { ok: true, seq: 2 });
});

test('K16 events of the kernel and of XState cannot be sent from outside', async (t) => {
  const k = await start();
  for (const type of ['xstate.done.actor.work', 'thrum.migrated', 'thrum.init', 'fired', '__proto__', 'constructor']) {
    t.like(await k.system.ask('counter:a', { type }, as(alice)), { ok: false, error: { code: 'UNKNOWN_COMMAND' } }, type);
  }
});

test('K17 a full mailbox is answered at once, and commands are accepted again when it has emptied', async (t) => {
  const k = await start();
  const all = await Promise.all(Array.from({ length: 150 }, () => k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice))));
  t.is(all.filter((r) => r.ok).length, 100);
  t.true(all.slice(100).every((r) => !r.ok && r.error.code === 'MAILBOX_FULL' && r.error.retryAfterMs === 100));
  t.like(await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice)), { ok: true, reply: { n: 101 } });
});

test('K26 a state over its limit is refused and left unchanged', async (t) => {
  const k = await start();
  await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  t.like(await k.system.ask('counter:a', { type: 'counter.grow', size: 1_048_576 }, as(alice)), {
    ok: false,
    error: { code: 'STATE_TOO_LARGE' },
  });
  t.like(await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice)), { ok: true, seq: 3, reply: { n: 2 } });
});

test('K28 deep history survives passivation', async (t) => {
  const k = await start();
  await k.system.ask('counter:a', { type: 'counter.deep' }, as(alice));
  await k.system.ask('counter:a', { type: 'counter.sleep' }, as(alice));
  await k.clock.advance(130_000);
  t.is(await k.metric('activations'), 0);
  t.like(await k.system.ask('counter:a', { type: 'counter.back' }, as(alice)), { ok: true });
  t.deepEqual((await k.system.inspect.one('counter:a')).state.value, { nest: 'second' });
});

test('K32 a first command that a guard refuses leaves no rows, no directory entry and no timers', async (t) => {
  const k = await start();
  t.like(await k.system.ask('counter:a', { type: 'counter.guarded' }, as(alice)), { ok: false, error: { code: 'NOT_FOUND' } });
  t.is(k.store.journal(actorIdOf('counter:a')).length, 0);
  t.like(await k.system.inspect.list({ sort: 'recent', after: undefined, limit: 10 }), { items: [] });
  t.deepEqual(k.store.timers(), []);
});

test('K37 U+0000 is refused before it reaches the database', async (t) => {
  const k = await start();
  t.like(await k.system.ask('counter:a', { type: 'counter.note', text: 'a\u0000b' }, as(alice)), {
    ok: false,
    error: { code: 'VALIDATION' },
  });
});

test('K51 one claim added to a day of 200 is one entry of the patch, and an emptied day is not an absent one', async (t) => {
  const k = await start();
  for (let i = 0; i < 200; i += 1) await k.system.ask('counter:a', { type: 'counter.day', day: 'd1', key: `c${i}`, v: i }, as(alice));
  await k.system.ask('counter:a', { type: 'counter.day', day: 'd1', key: 'new', v: 1 }, as(alice));
  t.deepEqual(JSON.parse(k.store.journal(actorIdOf('counter:a')).at(-1)!.patch), { c: { set: [['days', 'd1', 'new', 1]] } });
});

test('K63 a stranger is told the same about an actor that exists and about one that does not', async (t) => {
  const k = await start();
  await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  const stranger = user('stranger');
  const there = await k.system.ask('counter:a', { type: 'counter.stop' }, as(stranger));
  const missing = await k.system.ask('counter:b', { type: 'counter.stop' }, as(stranger));
  t.deepEqual(there, missing);
  t.deepEqual(there, { ok: false, seq: 0, error: { code: 'NOT_FOUND' } });
});

test('a payload that does not fit names the field', async (t) => {
  const k = await start();
  t.like(await k.system.ask('counter:a', { type: 'counter.add', by: 'two' }, as(alice)), {
    ok: false,
    error: { code: 'VALIDATION', details: { issues: [{ path: 'by', message: 'Invalid input: expected number, received string' }] } },
  });
});

test('a command that names a seq is applied only at that seq', async (t) => {
  const k = await start();
  await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  t.like(await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice, { seq: 1 })), {
    ok: false,
    error: { code: 'SEQ_MISMATCH', details: { seq: 2 } },
  });
  t.like(await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice, { seq: 2 })), { ok: true, seq: 3 });
});

test('the random stream of an event is the same after a restart from the journal', async (t) => {
  const k = await start();
  const one = await k.system.ask('counter:a', { type: 'counter.draw' }, as(alice));
  const two = await k.system.ask('counter:a', { type: 'counter.draw' }, as(alice));
  t.true(one.ok && two.ok && JSON.stringify(one.reply) !== JSON.stringify(two.reply));
  const other = await start();
  t.deepEqual(await other.system.ask('counter:a', { type: 'counter.draw' }, as(alice)), one);
});

test('a final state answers every command with NOT_ALLOWED and still answers queries', async (t) => {
  const k = await start();
  await k.system.ask('counter:a', { type: 'counter.add', by: 4 }, as(alice));
  await k.system.ask('counter:a', { type: 'counter.end' }, as(alice));
  t.like(await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice)), { ok: false, error: { code: 'NOT_ALLOWED' } });
  t.deepEqual(await k.system.read('counter:a', 'n', {}, { from: alice }), { seq: 3, value: 4 });
});

test('an orderly stop answers what was accepted and refuses what comes later', async (t) => {
  const k = await start();
  const before = k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  const drained = k.system.drain(1_000);
  t.like(await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice)), { ok: false, error: { code: 'DRAINING' } });
  await k.clock.advance(1_000);
  await drained;
  t.like(await before, { ok: true });
});

test('a repeated command that would now be refused gets its first answer, although its key is older than the ring', async (t) => {
  const k = await start();
  const first = await k.system.ask('counter:a', { type: 'counter.add', by: 2 }, as(alice, { key: 'old' }));
  for (let i = 0; i < 300; i += 1) await k.system.ask('counter:a', { type: 'counter.add', by: 1 }, as(alice));
  await k.system.ask('counter:a', { type: 'counter.end' }, as(alice));
  t.deepEqual(await k.system.ask('counter:a', { type: 'counter.add', by: 2 }, as(alice, { key: 'old' })), { ...first, dup: true });
  t.like(await k.system.ask('counter:a', { type: 'counter.add', by: 2 }, as(alice)), { ok: false, error: { code: 'NOT_ALLOWED' } });
});
