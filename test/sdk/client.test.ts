import test from 'ava';
import { uuidv7 } from '#sdk/command';
import { asked, bench, ENERGY, problem, settle, snap } from './bench.ts';
import type { Bench } from './bench.ts';
import type { CommandOptions, Receipt } from '@thrum/client';

test('the first consumer connects, subscribes by canonical name and gets the snapshot', async (t) => {
  const b = bench();
  const energy = b.client.topic(ENERGY);
  const seen: unknown[] = [];
  const statuses: string[] = [];
  energy.subscribe(
    (v, meta) => seen.push([v.score, meta.cause]),
    (s) => statuses.push(s),
  );
  t.is(energy.status, 'loading');
  await b.hello();
  const sub = b.take('sub');
  t.deepEqual(asked(sub), [{ t: 'user:u1/energy', n: undefined }]);
  await sub.answer({ ok: true, l: [snap('user:u1/energy', 7, { score: 65 })] });
  b.wire.pub({ t: 'user:u1/energy', e: 'e', s: 9, p: 7, k: 'd', d: { score: 66 }, at: 1 });
  t.deepEqual(seen, [
    [65, 'snapshot'],
    [66, 'delta'],
  ]);
  t.is(energy.value?.score, 66);
  t.deepEqual(statuses, ['loading', 'live']);
});

test('topics of one tick share a request, at most 64 in each', async (t) => {
  const b = bench();
  for (let i = 0; i < 70; i += 1) b.client.topic(`user:u${i}/energy`).subscribe(() => undefined);
  await b.hello();
  t.is(asked(b.take('sub')).length, 64);
  t.is(asked(b.take('sub')).length, 6);
});

test('two consumers share a subscription, and it ends 5 s after the last has left', async (t) => {
  const b = bench();
  const one = b.client.topic(ENERGY).subscribe(() => undefined);
  const two = b.client.topic(ENERGY).subscribe(() => undefined);
  await b.hello();
  const sub = b.take('sub');
  t.is(asked(sub).length, 1);
  await sub.answer({ ok: true, l: [snap('user:u1/energy', 7, {})] });
  one();
  await b.timers.advance(10_000);
  two();
  await b.timers.advance(4_999);
  t.true(b.none('unsub'));
  const three = b.client.topic(ENERGY).subscribe(() => undefined);
  await b.timers.advance(10_000);
  t.true(b.none('unsub'), 'who comes back in time keeps the subscription');
  three();
  await b.timers.advance(5_000);
  t.deepEqual(b.take('unsub').payload, { l: ['user:u1/energy'] } as never);
});

test('after a disconnect the view stays, is marked stale, and is resumed with its cursor', async (t) => {
  const b = bench();
  const energy = b.client.topic(ENERGY);
  energy.subscribe(() => undefined);
  await b.hello();
  await b.take('sub').answer({ ok: true, l: [snap('user:u1/energy', 7, { score: 65 })] });
  b.wire.down();
  t.is(energy.status, 'stale');
  t.is(energy.value?.score, 65);
  await b.timers.advance(1_000);
  await b.hello();
  const again = b.take('sub');
  t.deepEqual(asked(again), [{ t: 'user:u1/energy', e: 'e', s: 7 }]);
  await again.answer({ ok: true, l: [{ ok: true, t: 'user:u1/energy', kind: 'state', e: 'e', s: 8, m: 'delta', d: [{ score: 70 }] }] });
  t.is(energy.status, 'live');
  t.is(energy.value?.score, 70);
});

test('another user on the same page sees nothing of the one before', async (t) => {
  const b = bench();
  const energy = b.client.topic(ENERGY);
  energy.subscribe(() => undefined);
  await b.hello();
  await b.take('sub').answer({ ok: true, l: [snap('user:u1/energy', 7, { score: 65 })] });
  b.wire.down();
  await b.timers.advance(1_000);
  await b.hello({ user: 'u2' });
  t.is(energy.value, undefined);
  t.deepEqual(asked(b.take('sub')), [{ t: 'user:u2/energy', n: undefined }]);
});

test('a refused topic is denied with the problem, and a retryable refusal is asked again', async (t) => {
  const b = bench();
  const energy = b.client.topic('user:other/energy');
  const busy = b.client.topic(ENERGY);
  energy.subscribe(() => undefined);
  busy.subscribe(() => undefined);
  await b.hello();
  const refusal = (t: string, error: object): object => ({ ok: false, t, error });
  await b.take('sub').answer({
    ok: true,
    l: [
      refusal('user:other/energy', { code: 'NOT_FOUND', status: 404 }),
      refusal('user:u1/energy', { code: 'OVERLOADED', retryable: true, retryAfterMs: 200 }),
    ],
  });
  t.is(energy.status, 'denied');
  t.is(energy.error?.code, 'NOT_FOUND');
  t.is(busy.status, 'loading');
  await b.timers.advance(200);
  t.deepEqual(asked(b.take('sub')), [{ t: 'user:u1/energy', n: undefined }]);
});

test('an async iterator of a state topic skips to the newest value', async (t) => {
  const b = bench();
  const iterator = b.client.topic(ENERGY)[Symbol.asyncIterator]();
  const first = iterator.next();
  await b.hello();
  await b.take('sub').answer({ ok: true, l: [snap('user:u1/energy', 1, { score: 1 })] });
  t.is((await first).value?.score, 1);
  for (const s of [2, 3, 4]) b.wire.pub({ t: 'user:u1/energy', e: 'e', s, p: s - 1, k: 'd', d: { score: s }, at: 1 });
  t.is((await iterator.next()).value?.score, 4);
  await iterator.return?.();
  t.true((await iterator.next()).done);
});

const number = (item: unknown): number => (item as { n: number }).n;

const page = (d: unknown[], s: number, more = false, gap?: object): object => ({
  ok: true,
  l: [{ ok: true, t: 'user:u1/alerts', kind: 'log', e: 'e', s, m: 'items', d, floor: 1, more, gap }],
});
const numbered = (from: number, to: number): object[] => Array.from({ length: to - from + 1 }, (_, i) => ({ n: from + i }));

test('a log gives every item once and in order through pages, and a gap is an event (cases 22, 23)', async (t) => {
  const b = bench();
  const items: unknown[] = [];
  const gaps: unknown[] = [];
  b.client.on('gap', (gap) => gaps.push(gap));
  b.client.log('user:me/alerts', { limit: 50 }).subscribe((item) => items.push(number(item)));
  await b.hello();
  const sub = b.take('sub');
  t.deepEqual(asked(sub), [{ t: 'user:u1/alerts', n: 50 }]);
  await sub.answer(page(numbered(21, 40), 40));
  b.wire.down();
  await b.timers.advance(1_000);
  await b.hello();
  await b.take('sub').answer(page(numbered(100, 599), 599, true, { from: 41, to: 99 }));
  const next = b.take('sub');
  t.deepEqual(asked(next), [{ t: 'user:u1/alerts', e: 'e', s: 599 }]);
  await next.answer(page(numbered(600, 610), 610));
  t.deepEqual(gaps, [{ topic: 'user:me/alerts', reason: 'retention', from: 41, to: 99 }]);
  t.deepEqual(
    items,
    [...numbered(21, 40), ...numbered(100, 610)].map((i) => (i as { n: number }).n),
  );
});

test('a consumer that comes later gets the newest items that are known, then the live ones', async (t) => {
  const b = bench();
  const log = b.client.log('user:me/alerts', { limit: 3 });
  log.subscribe(() => undefined);
  await b.hello();
  await b.take('sub').answer(page(numbered(1, 5), 5));
  const items: unknown[] = [];
  log.subscribe((item, meta) => items.push([number(item), meta.n]));
  b.wire.pub({ t: 'user:u1/alerts', e: 'e', s: 6, p: 5, k: 'i', d: [{ n: 6 }], at: 1 });
  t.deepEqual(
    items,
    [3, 4, 5, 6].map((n) => [n, n]),
  );
});

test('an iterator that cannot keep up leaves the log and continues from its cursor without a loss', async (t) => {
  const b = bench();
  const iterator = b.client.log('user:me/alerts')[Symbol.asyncIterator]();
  const first = iterator.next();
  await b.hello();
  await b.take('sub').answer(page(numbered(1, 1_000), 1_000));
  t.is(number((await first).value), 1);
  t.deepEqual(b.take('unsub').payload, { l: ['user:u1/alerts'] } as never);
  b.wire.pub({ t: 'user:u1/alerts', e: 'e', s: 1_001, p: 1_000, k: 'i', d: [{ n: 1_001 }], at: 1 });
  const got = [1];
  while (got.length < 600) got.push(number((await iterator.next()).value));
  const again = b.take('sub');
  t.deepEqual(asked(again), [{ t: 'user:u1/alerts', e: 'e', s: 1_000 }]);
  await again.answer(page(numbered(1_001, 1_002), 1_002));
  while (got.length < 1_002) got.push(number((await iterator.next()).value));
  t.deepEqual(
    got,
    numbered(1, 1_002).map((i) => (i as { n: number }).n),
  );
});

test('seen names the item by its number', async (t) => {
  const b = bench();
  const log = b.client.log('user:me/alerts');
  const items: object[] = [];
  log.subscribe((item) => items.push(item));
  await b.hello();
  await b.take('sub').answer(page(numbered(21, 22), 22));
  void log.seen(items[1] as never, 'opened');
  t.deepEqual(b.take('seen').payload, { t: 'user:u1/alerts', s: 22, how: 'opened' } as never);
});

// -------------------------------------------------------------------------------------------------------------- commands

/** Commands by any name: what is tested here is the way of a command, not the contract. */
type Untyped = (to: string, type: string, d?: object, o?: CommandOptions) => Promise<Receipt<{ state: string }>>;
const command = (b: Bench, to: string, type: string, d?: object, o?: CommandOptions): Promise<Receipt<{ state: string }>> =>
  (b.client.command as unknown as Untyped)(to, type, d, o);
const cancel = (b: Bench, d?: object, o?: CommandOptions): Promise<Receipt<{ state: string }>> =>
  command(b, 'booking:b1', 'booking.cancel', d, o);

test('a command whose answer was lost is repeated with the same key (case 28)', async (t) => {
  const b = bench();
  b.client.connect();
  await b.hello();
  const call = cancel(b, { reason: 'ill' });
  const first = b.take('cmd').payload as { id: string; d: object };
  b.wire.down();
  await b.timers.advance(1_000);
  await b.hello();
  const second = b.take('cmd');
  t.deepEqual((second.payload as { id: string }).id, first.id);
  t.deepEqual(first.d, { reason: 'ill' });
  await second.answer({ ok: true, id: first.id, seq: 12, reply: { state: 'cancelled' }, dup: true });
  const receipt = await call;
  t.deepEqual([receipt.seq, receipt.dup, receipt.reply.state], [12, true, 'cancelled']);
});

test('commands that were under way are repeated in their order', async (t) => {
  const b = bench();
  b.client.connect();
  await b.hello();
  const ids = [1, 2, 3].map((n) => {
    void cancel(b, { reason: `${n}` }).catch(() => undefined);
    return (b.take('cmd').payload as { id: string }).id;
  });
  b.wire.down();
  await b.timers.advance(1_000);
  await b.hello();
  t.deepEqual(
    [1, 2, 3].map(() => (b.take('cmd').payload as { id: string }).id),
    ids,
  );
});

test('without an answer in time the outcome is unknown and the key is in the error', async (t) => {
  const b = bench();
  b.client.connect();
  await b.hello();
  const call = cancel(b, {}, { timeout: 500 });
  const { id } = b.take('cmd').payload as { id: string };
  const caught = t.throwsAsync(call, { code: 'COMMIT_UNKNOWN' });
  await b.timers.advance(500);
  t.deepEqual(((await caught) as unknown as { details: unknown }).details, { key: id });
});

test('a call and its repetition under one key are both answered, whatever becomes of the other', async (t) => {
  const b = bench();
  b.client.connect();
  await b.hello();
  const aborted = new AbortController();
  const first = cancel(b, {}, { key: 'the-same-key', signal: aborted.signal });
  const again = cancel(b, {}, { key: 'the-same-key' });
  const given = t.throwsAsync(first, { code: 'ABORTED' });
  aborted.abort();
  await given;
  const [, second] = [b.take('cmd'), b.take('cmd')];
  await second.answer({ ok: true, id: 'the-same-key', seq: 3 });
  t.is((await again).seq, 3);
});

test('a command of a client that is known to be away fails at once (case 41)', async (t) => {
  const b = bench();
  b.client.connect();
  await b.hello();
  b.wire.down();
  await t.throwsAsync(cancel(b), { code: 'OFFLINE' });
  t.true(b.none('cmd'));
});

test('a command before the first connection waits for it', async (t) => {
  const b = bench();
  const call = cancel(b);
  await b.hello();
  await b.take('cmd').answer({ ok: true, id: 'x', seq: 1, reply: { state: 'cancelled' } });
  t.is((await call).seq, 1);
});

test('a refusal is a ThrumError with the code of the catalogue; a retryable one is repeated with the same key', async (t) => {
  const b = bench();
  b.client.connect();
  await b.hello();
  const call = cancel(b);
  const first = b.take('cmd');
  await first.answer(problem('RETRY', { retryable: true, retryAfterMs: 50 }));
  await b.timers.advance(50);
  const second = b.take('cmd');
  t.is((second.payload as { id: string }).id, (first.payload as { id: string }).id);
  const caught = t.throwsAsync(call, { name: 'ThrumError', code: 'SLOT_UNAVAILABLE' });
  await second.answer(problem('SLOT_UNAVAILABLE', { details: { reason: 'overlap' } }));
  t.deepEqual(((await caught) as unknown as { details: unknown }).details, { reason: 'overlap' });
});

test('errors say what is wrong: the cause of a missing connection, an end, a refusal, a topic of the other sort', async (t) => {
  const away = bench({ token: () => Promise.reject(new Error('my login failed')) });
  away.client.connect();
  await settle();
  t.like(away.client.connection, { state: 'waiting', code: 'TOKEN', detail: 'Error: my login failed' });
  const offline = await t.throwsAsync(away.client.command('user:me', 'user.update', {}));
  t.like(offline, { code: 'OFFLINE', retryable: true, message: 'no connection: Error: my login failed' });
  await away.client.close();
  t.like(await t.throwsAsync(away.client.command('user:me', 'user.update', {})), { code: 'CLOSED', retryable: false });

  const refused = bench();
  refused.client.connect();
  await settle();
  refused.wire.refused({ code: 'UNAUTHENTICATED', title: 'Credentials are missing or wrong' });
  const denied = await t.throwsAsync(refused.client.command('user:me', 'user.update', {}));
  t.like(denied, { code: 'UNAUTHENTICATED', message: 'Credentials are missing or wrong' });

  const b = bench();
  const wrong = [b.client.topic('user:me/alerts' as 'user:me/energy'), b.client.log('user:me/energy' as 'user:me/alerts')];
  for (const topic of wrong) topic.subscribe(() => undefined);
  await b.hello();
  const items = { ok: true, t: 'user:u1/alerts', kind: 'log', e: 'e', s: 1, m: 'items', d: [{}], floor: 1, more: false };
  await b.take('sub').answer({ ok: true, l: [items, snap('user:u1/energy', 7, { score: 65 })] });
  t.deepEqual(
    wrong.map(({ status, error }) => [status, error?.message]),
    [
      ['denied', 'user:me/alerts is a log: use log()'],
      ['denied', 'user:me/energy is no log: use topic()'],
    ],
  );
  t.deepEqual(b.take('unsub').payload, { l: ['user:u1/alerts'] } as never);
});

test('an aborted command rejects at once', async (t) => {
  const b = bench();
  b.client.connect();
  await b.hello();
  const abort = new AbortController();
  const call = cancel(b, {}, { signal: abort.signal });
  abort.abort();
  await t.throwsAsync(call, { code: 'ABORTED' });
});

test('settled waits for the open topics among those that the command changed (case 58)', async (t) => {
  const b = bench();
  b.client.topic(ENERGY).subscribe(() => undefined);
  await b.hello();
  await b.take('sub').answer({ ok: true, l: [snap('user:u1/energy', 7, { score: 65 })] });
  const call = command(b, 'user:me', 'user.anything');
  await b.take('cmd').answer({ ok: true, id: 'x', seq: 9, ch: ['energy', 'summary'] });
  let settled = false;
  const waiting = (await call).settled().then(() => {
    return (settled = true);
  });
  await settle();
  t.false(settled);
  b.wire.pub({ t: 'user:u1/energy', e: 'e', s: 9, p: 7, k: 'd', d: { score: 66 }, at: 1 });
  await waiting;
  t.true(settled);
});

test('settled resolves at once when no open topic is concerned', async (t) => {
  const b = bench();
  b.client.connect();
  await b.hello();
  const call = cancel(b);
  await b.take('cmd').answer({ ok: true, id: 'x', seq: 9, ch: ['status'] });
  await t.notThrowsAsync((await call).settled());
});

test('keys are UUIDv7 and carry their time', (t) => {
  const now = 1_732_150_000_123;
  const key = uuidv7(now, 5, () => 0.999);
  t.regex(key, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  t.is(Number.parseInt(key.replaceAll('-', '').slice(0, 12), 16), now);
  t.is(key, `01934c2f-79fb-7005-bffb-${key.slice(-12)}`);
});

// ------------------------------------------------------------------------------------------------------------ connection

test('a closed client ends its iterators and fails its commands', async (t) => {
  const b = bench();
  const turn = b.client.topic(ENERGY)[Symbol.asyncIterator]().next();
  await b.hello();
  const call = t.throwsAsync(cancel(b), { code: 'CLOSED' });
  await b.client.close();
  t.true((await turn).done);
  await call;
});
