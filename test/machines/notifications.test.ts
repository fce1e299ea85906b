import test from 'ava';
import { user as userKind } from '../../machines/user/kind.ts';
import type { NotificationItem, Preferences } from '../../machines/notifications/schema.ts';
import { FakeClock } from '../support/clock.ts';
import { as, system, testKernel, user } from '../support/kernel.ts';

const ID = '01a1fc02-8a54-7f98-bfe2-e7aa91051f01';
const REF = `user:${ID}`;
const PHONE = '01a1fc02-8a54-4f98-bfe2-e7aa91051f11';
const LAPTOP = '01a1fc02-8a54-4f98-bfe2-e7aa91051f12';
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const night = { from: '22:00', to: '07:00', bypassCritical: true };

const idOf = (n: number): string => `01a1fc02-0000-4000-8000-${String(n).padStart(12, '0')}`;

interface Wanted {
  category?: string;
  severity?: string;
  collapseKey?: string;
  expiresAt?: number;
}

async function rig(o: { at?: string; endpoints?: readonly string[]; preferences?: Partial<Preferences> } = {}) {
  const clock = new FakeClock(o.at === undefined ? undefined : Date.parse(o.at));
  const k = await testKernel({ kinds: [userKind], effects: { user: { computeScores: async () => ({ results: [], changed: 0 }) } }, clock });
  const ask = async (type: string, payload: object = {}, from = system): Promise<void> => {
    const reply = await k.system.ask(REF, { type, ...payload }, as(from));
    if (!reply.ok)
      throw new Error(JSON.stringify([reply.error, k.log.lines.at(-1)], (_, v: unknown) => (v instanceof Error ? v.stack : v)));
  };
  await ask('user.register', { displayName: 'Mia', timeZone: 'Europe/Berlin' });
  for (const endpointId of o.endpoints ?? [PHONE]) await ask('endpoint.registered', { endpointId, provider: 'fcm' });
  if (o.preferences !== undefined) {
    await ask('notification.configure', { preferences: { categories: {}, ...o.preferences } }, user(ID));
  }
  return {
    k,
    clock,
    ask,
    create: (n: number, w: Wanted = {}) => {
      const { category = 'anomaly_alert', severity = 'info', collapseKey = `key-${n}`, ...rest } = w;
      return ask('notification.create', {
        id: idOf(n),
        category,
        severity,
        collapseKey,
        titleKey: 'anomaly.alert',
        args: { title: 'High', explanation: 'It is high.' },
        ...rest,
      });
    },
    seen: (s: number) => ask('notification.seen', { topic: `${REF}/notifications`, s, how: 'rendered' }, user(ID)),
    finished: (n: number, endpointId = PHONE, outcome = 'sent') => ask('delivery.finished', { id: idOf(n), endpointId, outcome }),
    states: () => Object.fromEntries(k.store.rows('notifications').map((r) => [(r['id'] as string).slice(-2), r['state']])),
    reason: (n: number) => k.store.rows('notifications').find((r) => r['id'] === idOf(n))?.['reason'],
    jobs: (kind = 'notify.send') =>
      k.store
        .rows('jobs')
        .flatMap((r) => (r['kind'] === kind ? [r['payload'] as { id: string; endpointId: string; digest?: number }] : [])),
    items: async () => {
      const slice = await k.system.slice(`${REF}/notifications`, { n: 100 });
      return slice.kind === 'log' ? (slice.d as unknown as NotificationItem[]) : [];
    },
  };
}

test('a notification that is not seen within ten seconds goes to every endpoint, once each, and is sent when all have answered (N1, N2)', async (t) => {
  const r = await rig({ endpoints: [PHONE, LAPTOP] });
  await r.create(1);
  t.like((await r.items())[0], { title: 'High', body: 'It is high.' });
  await r.clock.advance(9_999);
  t.deepEqual(r.jobs(), []);
  await r.clock.advance(2);
  t.deepEqual(
    r.jobs().map((j) => j.endpointId),
    [PHONE, LAPTOP],
  );
  await r.finished(1, PHONE);
  t.deepEqual(r.states(), { '01': 'pushing' });
  await r.finished(1, LAPTOP, 'failed');
  t.deepEqual(r.states(), { '01': 'sent' });
  await r.clock.advance(HOUR);
  t.is(r.jobs().length, 2);
});

test('what is seen in time is not pushed; what is seen later is taken back (N3)', async (t) => {
  const r = await rig();
  await r.create(1);
  await r.clock.advance(9_000);
  await r.seen(1);
  await r.clock.advance(HOUR);
  t.deepEqual(r.states(), { '01': 'acknowledged' });
  t.deepEqual(r.jobs(), []);
  await r.create(2);
  await r.clock.advance(11_000);
  await r.finished(2);
  await r.seen(2);
  t.deepEqual(r.states(), { '01': 'acknowledged', '02': 'acknowledged' });
  t.like(r.jobs('notify.retract'), [{ endpointId: PHONE, collapseKey: 'key-2' }]);
});

test('nobody waits for a page that nobody looks at', async (t) => {
  const r = await rig();
  await r.create(1);
  await r.ask('notification.unwatched', { id: idOf(1) });
  await r.clock.advance(10);
  t.is(r.jobs().length, 1);
});

test('quiet hours defer to their end on the clock of the person, across the change to summer time (case 45, N4)', async (t) => {
  const r = await rig({ at: '2027-03-27T22:00:00Z', preferences: { quiet: night } });
  await r.create(1);
  await r.clock.advance(11_000);
  t.deepEqual(r.states(), { '01': 'deferred' });
  await r.clock.advance(Date.parse('2027-03-28T04:59:59Z') - r.clock.wall());
  t.deepEqual(r.jobs(), []);
  await r.clock.advance(1_001);
  t.is(r.jobs().length, 1);
  t.is(new Date(r.clock.wall()).toISOString().slice(0, 19), '2027-03-28T05:00:00');
});

test('a critical alert passes quiet hours where the person lets it, and so does security always (case 46)', async (t) => {
  const r = await rig({ at: '2027-03-27T22:00:00Z', preferences: { quiet: night } });
  await r.create(1, { severity: 'critical' });
  await r.create(2, { category: 'security' });
  await r.clock.advance(11_000);
  t.is(r.jobs().length, 2);
  await r.ask('notification.configure', { preferences: { categories: {}, quiet: { ...night, bypassCritical: false } } }, user(ID));
  await r.create(3, { severity: 'critical' });
  await r.clock.advance(11_000);
  t.is(r.states()['03'], 'deferred');
});

test('what is deferred is dropped when it is over, has expired, or was seen; switched off quiet hours let it go at once', async (t) => {
  const r = await rig({ at: '2027-03-27T22:00:00Z', preferences: { quiet: night } });
  await r.create(1);
  await r.create(2, { expiresAt: Date.parse('2027-03-28T01:00:00Z') });
  await r.create(3);
  await r.create(4);
  await r.clock.advance(11_000);
  await r.ask('notification.withdraw', { collapseKey: 'key-1' });
  t.is(r.reason(1), 'over');
  await r.ask('notification.configure', { preferences: { categories: { anomaly_alert: { push: true } } } }, user(ID));
  await r.clock.advance(10);
  t.deepEqual(r.states(), { '01': 'suppressed', '02': 'pushing', '03': 'pushing', '04': 'pushing' });

  const late = await rig({ at: '2027-03-27T22:00:00Z', preferences: { quiet: night } });
  await late.create(2, { expiresAt: Date.parse('2027-03-28T01:00:00Z') });
  await late.create(3);
  await late.clock.advance(11_000);
  await late.seen(2);
  await late.clock.advance(12 * HOUR);
  t.deepEqual(late.states(), { '02': 'acknowledged', '03': 'acknowledged' });
  await late.create(5, { expiresAt: late.clock.wall() + 5_000 });
  await late.clock.advance(11_000);
  t.is(late.states()['05'], 'expired');
});

test('the sixth push in an hour waits for the digest, which is one push for all that waited (case 49, N5)', async (t) => {
  const r = await rig({ at: '2027-03-01T08:00:00Z' });
  for (let n = 1; n <= 8; n += 1) await r.create(n);
  await r.clock.advance(11_000);
  t.is(r.jobs().length, 5);
  t.deepEqual([r.states()['05'], r.states()['06'], r.states()['08']], ['pushing', 'digested', 'digested']);
  await r.create(9, { severity: 'critical' });
  await r.clock.advance(11_000);
  t.is(r.jobs().length, 6, 'critical ones are exempt');
  await r.clock.advance(Date.parse('2027-03-01T17:00:01Z') - r.clock.wall());
  t.is(r.jobs().length, 7, 'at 18:00 in Berlin');
  t.like(r.jobs()[6], { id: idOf(8), digest: 3 });
  await r.finished(8);
  t.deepEqual([r.states()['06'], r.states()['07'], r.states()['08']], ['sent', 'sent', 'sent']);
  await r.create(10);
  await r.clock.advance(11_000);
  t.is(r.jobs().length, 8, 'the hour is over');
});

test('a group of categories has its daily cap, too', async (t) => {
  const r = await rig({ at: '2027-03-01T05:00:00Z' });
  for (let n = 1; n <= 7; n += 1) {
    await r.create(n, { category: n % 2 === 0 ? 'recovery_alert' : 'device_attention' });
    await r.clock.advance(HOUR);
  }
  t.is(r.jobs().length, 6);
  t.is(r.states()['07'], 'digested');
});

test('a newer notification replaces one with the same key that has not arrived (N6)', async (t) => {
  const r = await rig();
  await r.create(1, { collapseKey: 'score' });
  await r.create(2, { collapseKey: 'score' });
  await r.clock.advance(11_000);
  t.deepEqual(
    r.jobs().map((j) => j.id),
    [idOf(2)],
  );
  await r.create(3, { collapseKey: 'score' });
  t.deepEqual(r.states(), { '01': 'suppressed', '02': 'suppressed', '03': 'live' });
  t.is(r.reason(2), 'replaced');
  await r.finished(2);
  t.is(r.states()['02'], 'suppressed', 'a late outcome changes nothing');
});

test('a category without a channel is suppressed with its reason; security cannot be switched off; marketing is off until asked for', async (t) => {
  const off = { inapp: false, push: false, email: false };
  const r = await rig({ preferences: { categories: { anomaly_alert: off, security: off } } });
  await r.create(1);
  await r.create(2, { category: 'security' });
  await r.create(3, { category: 'marketing' });
  await r.clock.advance(11_000);
  t.deepEqual(r.states(), { '01': 'suppressed', '02': 'pushing', '03': 'suppressed' });
  t.is(r.reason(1), 'preference');
  t.is((await r.items()).length, 1);
});

test('without an endpoint, or with push switched off, an item stays where it is: in the application', async (t) => {
  const r = await rig({ endpoints: [] });
  await r.create(1);
  await r.clock.advance(HOUR);
  t.deepEqual([r.states(), r.jobs()], [{ '01': 'live' }, []]);
  const other = await rig({ preferences: { categories: { anomaly_alert: { push: false } } } });
  await other.create(1);
  await other.clock.advance(HOUR);
  t.deepEqual([other.states(), other.jobs()], [{ '01': 'live' }, []]);
  await other.seen(1);
  t.deepEqual(other.states(), { '01': 'acknowledged' });
});

test('an endpoint that is gone is waited for no longer (N7)', async (t) => {
  const r = await rig({ endpoints: [PHONE, LAPTOP] });
  await r.create(1);
  await r.clock.advance(11_000);
  await r.finished(1, PHONE, 'gone');
  await r.finished(1, LAPTOP, 'failed');
  t.deepEqual(r.states(), { '01': 'failed' });
  await r.create(2);
  await r.clock.advance(11_000);
  t.deepEqual(
    r
      .jobs()
      .slice(2)
      .map((j) => j.endpointId),
    [LAPTOP],
  );
});

test('the same notification is told once, and what is kept of notifications is bounded (N8)', async (t) => {
  const r = await rig({ endpoints: [] });
  await r.create(1);
  await r.create(1);
  t.is((await r.items()).length, 1);
  for (let n = 2; n <= 60; n += 1) await r.create(n);
  const { state } = await r.k.system.inspect.one(REF);
  const { notices } = (state as unknown as { context: { notices: object } }).context;
  t.is(Object.keys(notices).length, 32);
  t.is((await r.items()).length, 60);
});

test('a deferred notification survives the death of the process', async (t) => {
  const r = await rig({ at: '2027-03-27T22:00:00Z', preferences: { quiet: night } });
  await r.create(1);
  await r.clock.advance(11_000);
  const next = await r.k.restart();
  await r.clock.advance(8 * HOUR);
  t.is(next.store.rows('jobs').filter((j) => j['kind'] === 'notify.send').length, 1);
});
