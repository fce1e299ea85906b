import test from 'ava';
import { createOutbox } from '@thrum/client/outbox';
import type { KeyValueStore } from '@thrum/client/outbox';
import { createTestServer } from '@thrum/client/testing';
import { fakeTimers, settle } from './bench.ts';

const HOUR = 3_600_000;

function textStore(): KeyValueStore & { readonly texts: Map<string, string> } {
  const texts = new Map<string, string>();
  return {
    texts,
    getItem: (key) => Promise.resolve(texts.get(key) ?? null),
    setItem: (key, value) => Promise.resolve(texts.set(key, value)),
    removeItem: (key) => Promise.resolve(texts.delete(key)),
  };
}

const profile = { today: '2026-03-01', status: 'ok', score: 65, days: {} } as const;

function stage(store?: KeyValueStore, timers = fakeTimers(), server = createTestServer({ timers })) {
  const client = server.connect({ outbox: createOutbox(store === undefined ? {} : { store }) });
  const outbox = client.outbox;
  if (outbox === undefined) throw new Error('the client has an outbox');
  const offline = (): void => server.refuse({ code: 'DRAINING', status: 503, retryable: true, retryAfterMs: 100 });
  return { timers, server, client, outbox, offline };
}

type Stage = ReturnType<typeof stage>;

async function goOffline({ client, server, offline }: Stage): Promise<void> {
  client.connect();
  await settle();
  offline();
  server.cut();
  await settle();
}

async function comeBack({ server, timers }: Stage): Promise<void> {
  server.refuse(undefined);
  await timers.advance(1_000);
}

test('a command that may wait is sent once after the connection is back, with its first key; its expected view is shown throughout (case 40)', async (t) => {
  const s = stage();
  s.server.show('user:u1/energy', profile);
  s.server.onCommand('user.update', () => {
    s.server.show('user:u1/energy', { ...profile, score: 80 });
    return { ok: true, seq: 2, ch: ['energy'] };
  });
  const energy = s.client.topic('user:me/energy');
  const seen: unknown[] = [];
  energy.subscribe((v) => seen.push(v.score));
  await goOffline(s);
  const done = s.client.command(
    'user:me',
    'user.update',
    { displayName: 'Ada' },
    { optimistic: { 'user:me/energy': (v) => ({ ...v, score: 99 }) } },
  );
  await settle();
  t.is(energy.value?.score, 99);
  const [entry] = s.outbox.entries;
  t.like(entry, { to: 'user:me', type: 'user.update', state: 'waiting' });
  t.is(s.server.commands.length, 0);
  await comeBack(s);
  t.is((await done).id, entry?.id ?? '');
  t.deepEqual(
    s.server.commands.map((c) => c.id),
    [entry?.id ?? ''],
  );
  t.deepEqual(s.outbox.entries, []);
  await settle();
  t.is(energy.value?.score, 80);
  t.deepEqual([...new Set(seen)], [65, 99, 80], 'the old value does not come back in between');
});

test('a booking is not queued: away from the server it fails at once (case 41)', async (t) => {
  const s = stage();
  await goOffline(s);
  await t.throwsAsync(s.client.command('booking:b1', 'booking.cancel', { reason: 'ill' }), { code: 'OFFLINE' });
  t.deepEqual(s.outbox.entries, []);
});

test('an entry that waited for more than 20 hours is not sent (case 42)', async (t) => {
  const s = stage();
  await goOffline(s);
  const done = t.throwsAsync(s.client.command('user:me', 'user.update', { displayName: 'Ada' }), { message: /20 hours/ });
  await settle();
  s.timers.sleep(21 * HOUR);
  await comeBack(s);
  await done;
  t.is(s.server.commands.length, 0);
  t.like(s.outbox.entries[0], { state: 'refused', error: { code: 'EXPIRED_OFFLINE' } });
});

test('entries of one actor leave in order, one at a time; a refused one holds those behind it until it is dropped or repeated', async (t) => {
  const s = stage();
  const order: string[] = [];
  let refuse = true;
  s.server.onCommand('user.update', (_to, { displayName }) => {
    order.push(String(displayName));
    return refuse && displayName === 'b' ? { ok: false, error: { code: 'VALIDATION', status: 400 } } : { ok: true, seq: order.length };
  });
  s.server.onCommand('device.autosync', () => ({ ok: true, seq: 1, reply: { autoSync: true } }));
  await goOffline(s);
  const update = (displayName: string): Promise<unknown> => s.client.command('user:me', 'user.update', { displayName });
  const a = update('a');
  const b = t.throwsAsync(update('b'), { message: 'VALIDATION' });
  const c = update('c');
  const other = s.client.command('device:d1', 'device.autosync', { on: true });
  await settle();
  await comeBack(s);
  await Promise.all([a, b, other]);
  await settle();
  t.deepEqual(order, ['a', 'b']);
  t.deepEqual(
    s.outbox.entries.map((e) => e.state),
    ['refused', 'waiting'],
  );
  refuse = false;
  s.outbox.retry(s.outbox.entries[0]?.id ?? '');
  await settle();
  await c;
  t.deepEqual(order, ['a', 'b', 'b', 'c']);
  t.deepEqual(s.outbox.entries, []);
});

test('entries survive a reload and keep their key; a repetition is recognised by it', async (t) => {
  const store = textStore();
  const timers = fakeTimers();
  const server = createTestServer({ timers });
  let done = 0;
  server.onCommand('user.update', () => ({ ok: true, seq: (done += 1) }));
  const before = stage(store, timers, server);
  await goOffline(before);
  const lost = t.throwsAsync(before.client.command('user:me', 'user.update', { displayName: 'Ada' }), { message: 'CLOSED' });
  await settle();
  const id = before.outbox.entries[0]?.id;
  await before.client.close();
  await lost;

  server.refuse(undefined);
  server.loseAcks(1);
  const after = stage(store, timers, server);
  after.client.connect();
  await settle();
  await timers.advance(2_000);
  t.is(done, 1);
  t.deepEqual(
    server.commands.map((c) => c.id),
    [id, id],
  );
  t.deepEqual(after.outbox.entries, []);
  t.is(store.texts.size, 0);
});

test('what one user left waiting is not sent for another, and a revoked session leaves nothing', async (t) => {
  const store = textStore();
  const timers = fakeTimers();
  const first = stage(store, timers);
  await goOffline(first);
  first.client.command('user:me', 'user.update', { displayName: 'Ada' }).catch(() => undefined);
  await settle();
  t.is(store.texts.size, 1);
  await first.client.close();

  const server = createTestServer({ timers, user: 'u2' });
  const second = stage(store, timers, server);
  second.client.connect();
  await timers.advance(1_000);
  t.is(server.commands.length, 0);
  t.is(store.texts.size, 0);

  await goOffline(second);
  const lost = t.throwsAsync(second.client.command('user:me', 'user.update', { displayName: 'Eve' }));
  await settle();
  server.refuse({ code: 'REVOKED', status: 401, retryable: false });
  await timers.advance(1_000);
  await lost;
  t.is(second.client.connection.state, 'refused');
  t.is(store.texts.size, 0);
});

test('the outbox holds 200 entries', async (t) => {
  const s = stage();
  await goOffline(s);
  const all = Array.from({ length: 201 }, (_, i) =>
    s.client.command('user:me', 'user.update', { displayName: `n${i}` }).catch((e: unknown) => (e as { code: string }).code),
  );
  await settle();
  t.is(await all[200], 'OUTBOX_FULL');
  t.is(s.outbox.entries.length, 200);
});

test('a store that is broken or closed keeps nothing, and stops no command', async (t) => {
  const closed = (): Promise<never> => Promise.reject(new Error('the store is closed'));
  for (const store of [
    { getItem: () => '{broken', setItem: () => undefined, removeItem: () => undefined },
    { getItem: () => 'null', setItem: () => undefined, removeItem: () => undefined },
    { getItem: closed, setItem: closed, removeItem: closed },
  ]) {
    const s = stage(store);
    s.server.onCommand('user.update', () => ({ ok: true, seq: 1 }));
    await goOffline(s);
    const done = s.client.command('user:me', 'user.update', { displayName: 'Ada' });
    await settle();
    t.is(s.outbox.entries.length, 1);
    await comeBack(s);
    t.is((await done).seq, 1);
    await s.client.close();
  }
});

test('two pages of one person do not lose what the other one keeps for later', async (t) => {
  const store = textStore();
  const [one, two] = [stage(store), stage(store)];
  for (const s of [one, two]) s.server.onCommand('user.update', () => ({ ok: true, seq: 1 }));
  for (const s of [one, two]) await goOffline(s);
  const first = one.client.command('user:me', 'user.update', { displayName: 'Ada' }, { key: 'from-page-one' });
  await settle();
  void two.client.command('user:me', 'user.update', { timeZone: 'Europe/Paris' }, { key: 'from-page-two' }).catch(() => undefined);
  await settle();
  const kept = (): unknown[] =>
    (JSON.parse(store.texts.get('thrum.outbox') ?? '{"entries":[]}') as { entries: { d: unknown }[] }).entries.map(({ d }) => d);
  t.deepEqual(kept(), [{ displayName: 'Ada' }, { timeZone: 'Europe/Paris' }]);
  await comeBack(one);
  await first;
  await settle();
  t.deepEqual(kept(), [{ timeZone: 'Europe/Paris' }], 'what was sent is gone, the other page has its own');
  await two.client.close();
  const later = stage(store);
  later.client.connect();
  await settle();
  t.deepEqual(
    later.server.commands.map((c) => c.d),
    [{ timeZone: 'Europe/Paris' }],
  );
});
