import test from 'ava';
import { asked, bench, ENERGY, settle, snap } from './bench.ts';

test('credentials are renewed before they end, on the same connection (case 5)', async (t) => {
  let calls = 0;
  const b = bench({ token: () => Promise.resolve(`token${++calls}`) });
  b.client.connect();
  await settle();
  t.is(b.opened[0]?.token, 'token1');
  await b.hello({ exp: b.timers.now() + 900_000 });
  await b.timers.advance(674_000);
  t.true(b.none('auth'));
  await b.timers.advance(2_000);
  const auth = b.take('auth');
  t.is((auth.payload as { token: string }).token, 'token2');
  t.deepEqual((auth.payload as { c: object }).c, { gaps: 0, dups: 0, same: 0, delta: 0, snap: 0 });
  await auth.answer({ ok: true, exp: b.timers.now() + 900_000 });
  t.is(b.opened.length, 1);
  await b.timers.advance(676_000);
  t.is((b.take('auth').payload as { token: string }).token, 'token3');
});

test('an expired token leads to a new one and a new attempt at once (case 3)', async (t) => {
  let calls = 0;
  const b = bench({ token: () => Promise.resolve(`token${++calls}`) });
  b.client.connect();
  await settle();
  b.wire.refused({ code: 'TOKEN_EXPIRED', status: 401, retryable: true });
  await b.timers.advance(0);
  t.deepEqual(
    b.opened.map((o) => o.token),
    ['token1', 'token2'],
  );
});

test('a token function that fails leads to back-off and not to a refusal', async (t) => {
  let calls = 0;
  const b = bench({ token: () => (++calls === 1 ? Promise.reject(new Error('network')) : Promise.resolve('ok')) });
  b.client.connect();
  await settle();
  t.is(b.client.connection.state, 'waiting');
  await b.timers.advance(1_000);
  t.is(b.opened[0]?.token, 'ok');
});

test('a refused handshake ends the attempts until somebody calls connect', async (t) => {
  const b = bench({ token: 'bad' });
  const energy = b.client.topic(ENERGY);
  energy.subscribe(() => undefined);
  await settle();
  b.wire.refused({ code: 'UNAUTHENTICATED', status: 401, retryable: false });
  t.is(b.client.connection.state, 'refused');
  t.is(b.client.connection.code, 'UNAUTHENTICATED');
  t.is(energy.status, 'denied');
  await b.timers.advance(60_000);
  t.is(b.opened.length, 1);
  b.client.connect();
  await settle();
  t.is(b.opened.length, 2);
});

test('a revoked session erases what is shown and does not come back (case 7)', async (t) => {
  const b = bench();
  const energy = b.client.topic(ENERGY);
  energy.subscribe(() => undefined);
  await b.hello();
  await b.take('sub').answer({ ok: true, l: [snap('user:u1/energy', 7, { score: 65 })] });
  b.wire.bye({ code: 'REVOKED', retry: false });
  t.is(energy.value, undefined);
  t.is(b.client.connection.state, 'refused');
  await b.timers.advance(60_000);
  t.is(b.opened.length, 1);
});

test('a draining server is left at once and returned to when it said (R13)', async (t) => {
  const b = bench();
  b.client.connect();
  await b.hello();
  b.wire.bye({ code: 'DRAINING', retry: true, retryAfterMs: 1_700 });
  t.is(b.client.connection.state, 'waiting');
  await b.timers.advance(1_699);
  t.is(b.opened.length, 1);
  await b.timers.advance(1);
  t.is(b.opened.length, 2);
});

test('topics that moved on during a sleep are asked for again', async (t) => {
  const b = bench();
  b.client.topic(ENERGY).subscribe(() => undefined);
  await b.hello();
  await b.take('sub').answer({ ok: true, l: [snap('user:u1/energy', 7, {})] });
  b.client.wake(30_000);
  t.true(b.none('pos'));
  b.client.wake(61_000);
  const pos = b.take('pos');
  t.deepEqual(pos.payload, { l: [{ t: 'user:u1/energy', e: 'e', s: 7 }] } as never);
  await pos.answer({ ok: true, behind: ['user:u1/energy'] });
  await b.timers.advance(0);
  t.deepEqual(asked(b.take('sub')), [{ t: 'user:u1/energy', e: 'e', s: 7 }]);
});

test('an app says whether it is looked at, and again when the server asks for patience (R12)', async (t) => {
  const b = bench();
  const minute = b.timers.now() - (b.timers.now() % 60_000);
  b.client.visible(true);
  t.is(b.opened.length, 0, 'looking alone is no reason to connect');
  b.client.connect();
  await b.hello();
  const first = b.take('vis');
  t.deepEqual(first.payload, { visible: true, input: minute } as never);
  await first.answer({ ok: true });
  b.client.visible(false);
  await b.take('vis').answer({ ok: false, error: { code: 'RATE_LIMITED', retryAfterMs: 1_500 } });
  b.client.visible(true);
  await b.take('vis').answer({ ok: false, error: { code: 'RATE_LIMITED', retryAfterMs: 1_500 } });
  await b.timers.advance(1_500);
  t.like(b.take('vis').payload, { visible: true });
});

test('after five minutes in the background an app disconnects, and comes back with its cursors when it is looked at (R11)', async (t) => {
  const b = bench();
  const energy = b.client.topic(ENERGY);
  energy.subscribe(() => undefined);
  await b.hello();
  await b.take('sub').answer({ ok: true, l: [snap('user:u1/energy', 7, { score: 65 })] });
  b.client.visible(false);
  await b.timers.advance(299_999);
  t.is(b.client.connection.state, 'online');
  await b.timers.advance(1);
  t.is(b.client.connection.state, 'idle');
  t.is(energy.status, 'stale');
  t.is(energy.value?.score, 65);
  await b.timers.advance(3_600_000);
  t.is(b.opened.length, 1, 'it rests');
  b.client.visible(true);
  await settle();
  t.is(b.opened.length, 2);
  await b.hello();
  t.deepEqual(asked(b.take('sub')), [{ t: 'user:u1/energy', e: 'e', s: 7 }]);
  b.client.visible(false);
  await b.timers.advance(1_000);
  b.client.visible(true);
  await b.timers.advance(400_000);
  t.is(b.client.connection.state, 'online', 'a short absence changes nothing');
});

test('resync asks again with the cursors of the named topics', async (t) => {
  const b = bench();
  b.client.topic(ENERGY).subscribe(() => undefined);
  await b.hello();
  await b.take('sub').answer({ ok: true, l: [snap('user:u1/energy', 7, {})] });
  b.wire.resync({ t: '*', jitterMs: 5_000 });
  await b.timers.advance(2_499);
  t.true(b.none('sub'));
  await b.timers.advance(1);
  t.deepEqual(asked(b.take('sub')), [{ t: 'user:u1/energy', e: 'e', s: 7 }]);
});

test('an answer to a request of a former connection is not taken for the present one', async (t) => {
  const b = bench();
  const energy = b.client.topic(ENERGY);
  energy.subscribe(() => undefined);
  await b.hello();
  const old = b.take('sub');
  b.wire.down();
  await b.timers.advance(1_000);
  await b.hello();
  await old.answer({ ok: true, l: [snap('user:u1/energy', 99, { score: 99 })] });
  t.is(energy.value, undefined);
  await b.take('sub').answer({ ok: true, l: [snap('user:u1/energy', 7, { score: 65 })] });
  t.is(energy.value?.score, 65);
});
