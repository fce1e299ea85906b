/** What the client does when something near it fails: the server, the application, the memory. */
import test from 'ava';
import { createOutbox } from '@thrum/client/outbox';
import { createTestServer } from '@thrum/client/testing';
import { asked, bench, ENERGY, fakeTimers, problem, settle, snap } from './bench.ts';

test('a renewal that was not answered is repeated, later each time, and the connection stays (R2)', async (t) => {
  let calls = 0;
  const b = bench({ token: () => Promise.resolve(`token${++calls}`) });
  b.client.connect();
  await b.hello({ exp: b.timers.now() + 900_000 });
  await b.timers.advance(676_000);
  await b.take('auth').fail();
  t.true(b.none('auth'));
  await b.timers.advance(1_000);
  await b.take('auth').fail();
  await b.timers.advance(1_999);
  t.true(b.none('auth'));
  await b.timers.advance(1);
  await b.take('auth').answer({ ok: true, exp: b.timers.now() + 900_000 });
  t.is(b.client.connection.state, 'online');
  t.is(b.opened.length, 1);
  t.is(calls, 4);
});

test.serial('a consumer that throws stops neither the others nor the topic; its error is not swallowed', async (t) => {
  const given = globalThis.queueMicrotask;
  const surfaced: unknown[] = [];
  globalThis.queueMicrotask = (fn) =>
    given(() => {
      try {
        fn();
      } catch (error) {
        surfaced.push(error);
      }
    });
  t.teardown(() => {
    globalThis.queueMicrotask = given;
  });
  const b = bench();
  const energy = b.client.topic(ENERGY);
  const scores: unknown[] = [];
  energy.subscribe(() => {
    throw new Error('a fault of the application');
  });
  energy.subscribe((view) => scores.push(view.score));
  await b.hello();
  await b.take('sub').answer({ ok: true, l: [snap('user:u1/energy', 1, { score: 65 })] });
  b.wire.pub({ t: 'user:u1/energy', e: 'e', s: 2, p: 1, k: 'd', d: { score: 66 }, at: 1 });
  await settle();
  t.deepEqual(scores, [65, 66]);
  t.deepEqual(surfaced.map(String), ['Error: a fault of the application', 'Error: a fault of the application']);
});

test('a signal is shown as it comes, has no cursor and is not asked for when it was missed', async (t) => {
  const b = bench();
  const seen: unknown[] = [];
  b.client.topic('ops/activity' as never).subscribe((value) => seen.push(value));
  await b.hello();
  await b.take('sub').answer({ ok: true, l: [{ ok: true, t: 'ops/activity', kind: 'signal' }] });
  b.wire.pub({ t: 'ops/activity', k: 'x', d: { rate: 3 }, at: 1 });
  t.deepEqual(seen, [{ rate: 3 }]);
  b.wire.down();
  await b.timers.advance(1_000);
  await b.hello();
  t.deepEqual(JSON.parse(JSON.stringify(asked(b.take('sub')))), [{ t: 'ops/activity' }]);
});

test('a subscription that was not answered is asked for again, until the topic is left', async (t) => {
  const b = bench();
  const energy = b.client.topic(ENERGY);
  const stop = energy.subscribe(() => undefined);
  await b.hello();
  await b.take('sub').fail();
  t.is(energy.status, 'loading');
  t.is(energy.error?.code, 'TIMEOUT');
  await b.timers.advance(500);
  await b.take('sub').answer(problem('OVERLOADED', { retryable: true, retryAfterMs: 700 }));
  t.is(energy.error?.code, 'OVERLOADED');
  await b.timers.advance(700);
  await b.take('sub').answer({ ok: true, l: [snap('user:u1/energy', 1, { score: 65 })] });
  t.is(energy.status, 'live');
  t.is(energy.error, undefined);
  stop();
});

test('a topic that the server ends is denied with its code, and shows nothing any more (case 8)', async (t) => {
  const b = bench();
  const energy = b.client.topic(ENERGY);
  energy.subscribe(() => undefined);
  await b.hello();
  await b.take('sub').answer({ ok: true, l: [snap('user:u1/energy', 1, { score: 65 })] });
  b.wire.unsub({ t: 'user:u1/energy', code: 'FORBIDDEN' });
  t.is(energy.status, 'denied');
  t.is(energy.error?.code, 'FORBIDDEN');
  t.is(energy.value, undefined);
  await b.timers.advance(60_000);
  t.true(b.none('sub'));
});

test('a loop over a log that is left ends its subscription after five seconds', async (t) => {
  const b = bench();
  const loop = (async () => {
    for await (const item of b.client.log('user:me/alerts')) return item;
    return undefined;
  })();
  await b.hello();
  const answer = { ok: true, t: 'user:u1/alerts', kind: 'log', e: 'e', s: 1, m: 'items', d: [{ title: 'a' }], floor: 1, more: false };
  await b.take('sub').answer({ ok: true, l: [answer] });
  t.like(await loop, { title: 'a' });
  await b.timers.advance(4_999);
  t.true(b.none('unsub'));
  await b.timers.advance(1);
  t.deepEqual(b.take('unsub').payload, { l: ['user:u1/alerts'] } as never);
});

test('a queued command that the server cannot take now stays first in line and goes again', async (t) => {
  const timers = fakeTimers();
  const server = createTestServer({ timers });
  const client = server.connect({ outbox: createOutbox() });
  t.teardown(() => client.close());
  let calls = 0;
  server.onCommand('user.update', () =>
    (calls += 1) <= 8 ? { ok: false, error: { code: 'OVERLOADED', status: 503, retryable: true } } : { ok: true, seq: calls },
  );
  client.connect();
  await settle();
  const states: string[] = [];
  client.outbox?.subscribe((entries) => states.push(entries.map((e) => e.state).join()));
  const sent = client.command('user:me', 'user.update', { displayName: 'Ada' });
  await settle();
  await timers.advance(120_000);
  t.is((await sent).seq, 9);
  t.true(states.includes('waiting') && !states.includes('refused'), 'it was never given up');
  t.is(new Set(server.commands.map((c) => c.id)).size, 1, 'always with the same key');
});

test('a queued command can be taken back while it waits, by its signal or from the list', async (t) => {
  const timers = fakeTimers();
  const server = createTestServer({ timers });
  const client = server.connect({ outbox: createOutbox() });
  t.teardown(() => client.close());
  client.connect();
  await settle();
  server.refuse({ code: 'DRAINING', status: 503, retryable: true, retryAfterMs: 100 });
  server.cut();
  await settle();
  const abort = new AbortController();
  const aborted = t.throwsAsync(client.command('user:me', 'user.update', { displayName: 'a' }, { signal: abort.signal }), {
    message: 'ABORTED',
  });
  const dropped = t.throwsAsync(client.command('user:me', 'user.update', { displayName: 'b' }), { message: 'ABORTED' });
  await settle();
  abort.abort();
  await aborted;
  client.outbox?.drop(client.outbox.entries[0]?.id ?? '');
  await dropped;
  t.deepEqual(client.outbox?.entries, []);
  await t.throwsAsync(client.command('user:me', 'user.update', { displayName: 'c' }, { signal: abort.signal }), { message: 'ABORTED' });
  server.refuse(undefined);
  await timers.advance(1_000);
  t.is(server.commands.length, 0);
});

test('the server for tests ends subscriptions and tells which heads have moved on, as the real one does', async (t) => {
  const timers = fakeTimers();
  const server = createTestServer({ timers });
  server.show('user:u1/energy', { today: '2026-03-01', status: 'ok', score: 65, days: {} });
  const client = server.connect();
  t.teardown(() => client.close());
  const energy = client.topic(ENERGY);
  const scores: unknown[] = [];
  const stop = energy.subscribe((view) => scores.push(view.score));
  await settle();
  client.wake(61_000);
  await settle();
  t.deepEqual(scores, [65], 'nothing had moved');
  stop();
  await timers.advance(5_000);
  server.show('user:u1/energy', { today: '2026-03-01', status: 'ok', score: 66, days: {} });
  await settle();
  t.deepEqual(scores, [65]);
  t.is(energy.status, 'idle');
});
