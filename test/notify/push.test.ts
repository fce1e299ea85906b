/** From what a module tells to what a browser shows: the whole server, and a push service that decrypts and verifies (realtime R14, R18). */
import anyTest from 'ava';
import type { TestFn } from 'ava';
import type { EndpointView } from '../../server/notify/endpoints.ts';
import { FakeClock } from '../support/clock.ts';
import { as, system } from '../support/kernel.ts';
import { startPushService } from '../support/push-service.ts';
import type { Browser, PushService } from '../support/push-service.ts';
import { until } from '../support/until.ts';
import { makeWorld } from '../support/world.ts';
import type { Person, World } from '../support/world.ts';

interface Context {
  readonly clock: FakeClock;
  readonly w: World;
  readonly service: PushService;
}

const test = anyTest as TestFn<Context>;
const DAY = 86_400_000;
const NIGHT = Date.parse('2027-03-27T22:00:00Z');

test.before(async (t) => {
  const clock = new FakeClock(Date.parse('2027-03-25T08:00:00Z'));
  t.context = {
    clock,
    service: await startPushService(),
    w: await makeWorld({
      clock,
      listen: true,
      env: { PUSH_ALLOW_PRIVATE: 'on', SIMULATOR: 'off', VAPID_SUBJECT: 'mailto:ops@example.test' },
    }),
  };
});
test.after.always(async (t) => {
  await t.context.w.close();
  await t.context.service.close();
});

let made = 0;

/** A person with so many browsers that may be called. */
async function someone({ w, service }: Context, browsers = 1) {
  const p = await w.person();
  const list: Browser[] = [];
  for (let i = 0; i < browsers; i += 1) {
    const browser = service.browser();
    await register(w, p, browser);
    list.push(browser);
  }
  return { p, browsers: list, browser: list[0]! };
}

async function register(w: World, p: Person, { subscription }: Browser): Promise<{ status: number; endpoint: EndpointView }> {
  const reply = await w.inject({
    method: 'POST',
    url: '/v1/push/endpoints',
    token: p.token,
    payload: { provider: 'webpush', subscription, platform: 'Test' },
  });
  return { status: reply.statusCode, endpoint: reply.json() };
}

const endpointsOf = async (w: World, p: Person): Promise<EndpointView[]> =>
  (await w.inject({ method: 'GET', url: '/v1/push/endpoints', token: p.token })).json<{ items: EndpointView[] }>().items;

async function tell(w: World, p: Person, more: object = {}): Promise<string> {
  made += 1;
  const id = `01a1fc02-0000-4000-8000-${String(made).padStart(12, '0')}`;
  const notice = { category: 'booking_update', severity: 'info', collapseKey: `booking:${made}`, titleKey: 'booking.cancelled' };
  const command = { type: 'notification.create', id, ...notice, args: { resource: 'Room', when: 'Monday' }, ...more };
  const reply = await w.app.actors.ask(`user:${p.id}`, command, as(system));
  if (!reply.ok) throw new Error(reply.error.code);
  return id;
}

interface Listed {
  id: string;
  s: number;
  state: string;
  title: string;
}

const listOf = async (w: World, p: Person): Promise<Listed[]> =>
  (await w.inject({ method: 'GET', url: '/v1/notifications', token: p.token })).json<{ items: Listed[] }>().items;
const stateOf = async (w: World, p: Person, id: string): Promise<string | undefined> =>
  (await listOf(w, p)).find((n) => n.id === id)?.state;

/** Lets time pass in small steps until it is so. What the database was asked is answered before the next step, however slow the machine is. */
const passing = ({ clock, w }: Context, what: string, done: () => Promise<boolean> | boolean): Promise<void> =>
  until(async () => {
    await clock.advance(100);
    await w.app.database.knex.raw('select 1');
    return done();
  }, what);

const preferences = (w: World, p: Person, payload: object) =>
  w.inject({ method: 'PUT', url: '/v1/notifications/preferences', token: p.token, payload });

test.serial(
  'an alert of a monitor reaches the browser of the person it is about, encrypted and signed, without a vendor account',
  async (t) => {
    const { w, clock } = t.context;
    const { p, browser } = await someone(t.context);
    const first = Math.floor(clock.wall() / DAY) * DAY - 31 * DAY;
    const quiet = [62, 64, 60, 63, 61, 60, 64];
    for (let i = 0; i < 31; i += 1) {
      const point = { type: 'anomaly.observe', t: first + i * DAY, v: i === 30 ? 78 : quiet[i % 7]! };
      const reply = await w.app.actors.ask(`anomaly:user:${p.id}:resting_heart_rate`, point, as(system));
      if (!reply.ok) throw new Error(reply.error.code);
    }
    await passing(t.context, 'pushed', () => browser.received.length > 0);
    const { publicKey } = (await w.inject({ method: 'GET', url: '/v1/push/vapid' })).json<{ publicKey: string }>();
    const [push] = browser.received;
    t.like(push, { senderKey: publicKey, subject: 'mailto:ops@example.test', urgency: 'high' });
    t.true(push!.ttl > 86_300 && push!.ttl <= 86_400);
    t.like(push?.payload, { title: 'New alert', category: 'anomaly_alert', fetch: true, s: 1, tag: push?.topic });
    t.false(JSON.stringify(push?.payload).includes('eart'), 'what is wrong is for the device to fetch');
    await passing(t.context, 'sent', async () => (await listOf(w, p))[0]?.state === 'sent');
    const [item] = await listOf(w, p);
    t.is(item?.title, 'Resting heart rate is unusually high');
    const [endpoint] = await endpointsOf(w, p);
    t.true(endpoint?.lastSuccessAt !== undefined);
  },
);

test.serial('a visible page that renders the item within ten seconds spares the push (case 43)', async (t) => {
  const { w, clock } = t.context;
  const { p, browser } = await someone(t.context);
  const page = await w.live({ token: p.token });
  await page.send('vis', { visible: true });
  const topic = `user:${p.id}/notifications`;
  await page.send('sub', { l: [{ t: topic }] });
  const id = await tell(w, p);
  const pub = page.next('pub', (d) => d['t'] === topic);
  await passing(t.context, 'published', () => page.seen.some((m) => m.data['t'] === topic));
  const { s } = (await pub) as { s: number };
  await page.send('seen', { t: topic, s, how: 'rendered' });
  t.is(await stateOf(w, p, id), 'acknowledged');
  await clock.advance(60_000);
  t.is(browser.requests(), 0);
  page.socket.disconnect();
});

test.serial('what only a hidden page has got is pushed, once to every endpoint (case 44)', async (t) => {
  const { w, clock } = t.context;
  const { p, browsers } = await someone(t.context, 2);
  const page = await w.live({ token: p.token });
  await page.send('vis', { visible: false });
  const id = await tell(w, p);
  await page.send('seen', { t: `user:${p.id}/notifications`, s: 1, how: 'rendered' });
  t.not(await stateOf(w, p, id), 'acknowledged', 'a hidden page shows nothing to anybody');
  await passing(t.context, 'pushed', () => browsers.every((b) => b.received.length > 0));
  await passing(t.context, 'sent', async () => (await stateOf(w, p, id)) === 'sent');
  await clock.advance(120_000);
  t.deepEqual(
    browsers.map((b) => b.requests()),
    [1, 1],
  );
  page.socket.disconnect();
});

test.serial('three scores that were not delivered are one at the push service, the newest (case 47)', async (t) => {
  const { w } = t.context;
  const { p, browser } = await someone(t.context);
  await preferences(w, p, { categories: { daily_summary: { full: true } } });
  for (let n = 1; n <= 3; n += 1) {
    await tell(w, p, {
      category: 'daily_summary',
      collapseKey: 'score',
      titleKey: 'anomaly.alert',
      args: { title: `Score ${n}`, explanation: '' },
    });
    await passing(t.context, `score ${n}`, () => browser.received.length === n);
  }
  t.is(new Set(browser.received.map((r) => r.topic)).size, 1);
  t.deepEqual(
    browser.stored().map((r) => r.payload['title']),
    ['Score 3'],
  );
  t.like(browser.received[0], { urgency: 'low', ttl: 3_600 });
});

test.serial(
  'an endpoint that the push service does not know any more is disabled and never called again; the list shows it (case 48)',
  async (t) => {
    const { w, clock } = t.context;
    const { p, browser } = await someone(t.context);
    browser.answers.push({ status: 410 });
    const id = await tell(w, p);
    await passing(t.context, 'failed', async () => (await stateOf(w, p, id)) === 'failed');
    t.like((await endpointsOf(w, p))[0], { disabledReason: 'HTTP 410' });
    await tell(w, p);
    await clock.advance(60_000);
    t.is(browser.requests(), 1);
    t.is((await register(w, p, browser)).status, 200, 'who comes back is let in again');
    await tell(w, p);
    await passing(t.context, 'pushed', () => browser.received.length === 1);
  },
);

test.serial('the sixth push in an hour is digested (case 49)', async (t) => {
  const { w, clock } = t.context;
  const { p, browser } = await someone(t.context);
  const ids: string[] = [];
  for (let n = 0; n < 6; n += 1) ids.push(await tell(w, p));
  await passing(t.context, 'five pushed', () => browser.received.length === 5);
  t.is(await stateOf(w, p, ids[5]!), 'digested');
  await clock.advance(30 * 60_000);
  t.is(browser.requests(), 5);
});

test.serial('a push service in trouble is asked again at 1, 5 and 30 s, or when it says', async (t) => {
  const { w, clock } = t.context;
  const { p, browser } = await someone(t.context);
  browser.answers.push({ status: 503 }, { status: 429, headers: { 'retry-after': '90' } });
  const began = clock.wall();
  const id = await tell(w, p);
  await passing(t.context, 'asked twice', () => browser.requests() === 2);
  const second = clock.wall();
  t.true(second - began >= 1_000);
  await passing(t.context, 'taken', () => browser.received.length === 1);
  t.true(clock.wall() - second >= 89_000);
  await passing(t.context, 'sent', async () => (await stateOf(w, p, id)) === 'sent');
});

test.serial('five failures in a row disable an endpoint', async (t) => {
  const { w } = t.context;
  const { p, browser } = await someone(t.context);
  for (let n = 0; n < 5; n += 1) {
    browser.answers.push({ status: 400 });
    const id = await tell(w, p, { severity: 'critical' });
    await passing(t.context, 'failed', async () => (await stateOf(w, p, id)) === 'failed');
  }
  t.like((await endpointsOf(w, p))[0], { failures: 5, disabledReason: 'five failures in a row' });
});

test.serial('one token is one endpoint: registered again it is renewed, by another person it moves, replaced it goes', async (t) => {
  const { w, clock } = t.context;
  const { p, browser } = await someone(t.context);
  const again = await register(w, p, browser);
  t.is(again.status, 200);
  t.is((await endpointsOf(w, p)).length, 1);
  const other = await w.person();
  t.is((await register(w, other, browser)).status, 200);
  t.deepEqual(await endpointsOf(w, p), []);
  await tell(w, p, { severity: 'critical' });
  await clock.advance(30_000);
  t.is(browser.requests(), 0, 'what is for one person is not shown to the next');
  const fresh = t.context.service.browser();
  const payload = { provider: 'webpush', subscription: fresh.subscription, replaces: again.endpoint.id };
  const reply = await w.inject({ method: 'POST', url: '/v1/push/endpoints', token: other.token, payload });
  t.is(reply.statusCode, 201);
  const [left, ...more] = await endpointsOf(w, other);
  t.deepEqual([left?.id, more.length], [reply.json<{ id: string }>().id, 0]);
  const url = `/v1/push/endpoints/${left?.id}`;
  t.is((await w.inject({ method: 'DELETE', url, token: p.token })).statusCode, 404);
  t.is((await w.inject({ method: 'DELETE', url, token: other.token })).statusCode, 204);
  t.is((await w.inject({ method: 'DELETE', url, token: other.token })).statusCode, 404);
});

test.serial('a person tries out a device, not too often', async (t) => {
  const { w } = t.context;
  const { p, browser } = await someone(t.context);
  const [endpoint] = await endpointsOf(w, p);
  const call = () => w.inject({ method: 'POST', url: `/v1/push/endpoints/${endpoint?.id}/test`, token: p.token });
  t.deepEqual((await call()).json(), { outcome: 'sent' });
  t.like(browser.received[0]?.payload, { title: 'Notifications work' });
  t.false('fetch' in browser.received[0]!.payload);
  for (let i = 0; i < 4; i += 1) await call();
  t.like((await call()).json(), { code: 'RATE_LIMITED' });
});

test.serial('a push service must be reached by https, and one without an account is refused', async (t) => {
  const { w } = t.context;
  const p = await w.person();
  const post = (payload: object) => w.inject({ method: 'POST', url: '/v1/push/endpoints', token: p.token, payload });
  t.like((await post({ provider: 'fcm', token: 'a'.repeat(40) })).json(), { code: 'PUSH_PROVIDER_OFF' });
  t.like((await post({ provider: 'webpush', subscription: { endpoint: 'http://x', keys: { p256dh: 'no', auth: 'no' } } })).json(), {
    code: 'VALIDATION',
  });
});

test.serial('the log provider writes what it would push, with no text', async (t) => {
  const { w } = t.context;
  const p = await w.person();
  const payload = { provider: 'log', token: 'my laptop' };
  t.is((await w.inject({ method: 'POST', url: '/v1/push/endpoints', token: p.token, payload })).statusCode, 201);
  const id = await tell(w, p);
  await passing(t.context, 'sent', async () => (await stateOf(w, p, id)) === 'sent');
  const lines = w.log.lines.filter((l) => l.message === 'push');
  t.is(lines.length, 1);
  t.like(lines[0]?.fields, { device: 'my laptop', notificationId: id });
});

test.serial('who holds a session whose key was used twice is called on every device, in quiet hours too', async (t) => {
  const { w, clock } = t.context;
  const { p, browser } = await someone(t.context);
  await preferences(w, p, { categories: {}, quiet: { from: '00:01', to: '00:00', bypassCritical: false } });
  const { refreshToken } = await w.app.identity.login({ email: p.email, password: p.password, address: 'thief', userAgent: undefined });
  await w.app.identity.refresh(refreshToken);
  await clock.advance(11_000);
  t.like(await t.throwsAsync(w.app.identity.refresh(refreshToken)), { code: 'REFRESH_REUSED' });
  await passing(t.context, 'called', () => browser.received.length === 1);
  t.like(browser.received[0], { urgency: 'high', payload: { title: 'Security notice' } });
});

test.serial('tokens are not readable in the database, and neither is the private key', async (t) => {
  const { w } = t.context;
  const { browser } = await someone(t.context);
  const { knex } = w.app.database;
  const rows = await knex('push_endpoints').select<{ token_enc: Buffer }[]>('token_enc');
  const [key] = await knex('push_keys').select<{ private_enc: Buffer }[]>('private_enc');
  for (const bytes of [...rows.map((r) => r.token_enc), key!.private_enc]) {
    t.false(bytes.toString('latin1').includes('127.0.0.1'));
    t.false(bytes.toString('latin1').includes(browser.subscription.keys.auth));
  }
});

test.serial('what is seen over HTTP is acknowledged, as far as there is something', async (t) => {
  const { w } = t.context;
  const p = await w.person();
  const seen = (s: number) => w.inject({ method: 'POST', url: '/v1/notifications/seen', token: p.token, payload: { s } });
  t.deepEqual((await seen(5)).json(), { s: 0 });
  const id = await tell(w, p);
  t.deepEqual((await seen(900)).json(), { s: 1 });
  t.is(await stateOf(w, p, id), 'acknowledged');
  const page = await w.inject({ method: 'GET', url: '/v1/notifications?after=0&limit=1', token: p.token });
  t.like(page.json(), { seen: 1, items: [{ id, s: 1 }] });
});

test.serial('an endpoint that was not seen for sixty days is disabled, and that of an erased person is deleted', async (t) => {
  const { w, clock } = t.context;
  const { p } = await someone(t.context);
  const { p: erased } = await someone(t.context);
  await w.app.actors.erase(`user:${erased.id}`, { by: 'boss', reason: 'asked for it' });
  const { knex } = w.app.database;
  await knex('push_endpoints')
    .where('user_id', p.id)
    .update({ last_seen_at: new Date(clock.wall() - 61 * DAY) });
  const left = (id: string) => knex('push_endpoints').where('user_id', id).select<{ disabled_reason: string | null }[]>('disabled_reason');
  // the hourly job is due now, if it is not running anyway
  const due = () =>
    knex('jobs')
      .where('kind', 'notify.sweep')
      .where('status', 'delayed')
      .update({ run_at: new Date(0) });
  await passing(t.context, 'swept', async () => (await due(), (await left(erased.id)).length === 0));
  t.deepEqual(await left(p.id), [{ disabled_reason: 'not seen for 60 days' }]);
});

test.serial('quiet hours hold until 07:00 CEST, but not what is critical, if the person lets it (cases 45 and 46)', async (t) => {
  const { w, clock } = t.context;
  clock.setWall(NIGHT - 60_000);
  const { p, browser } = await someone(t.context);
  await preferences(w, p, { categories: {}, quiet: { from: '22:00', to: '07:00' } });
  await clock.advance(60_000);
  const id = await tell(w, p);
  await passing(t.context, 'deferred', async () => (await stateOf(w, p, id)) === 'deferred');
  await tell(w, p, { severity: 'critical' });
  await passing(t.context, 'the critical one at once', () => browser.received.length === 1);
  t.is(browser.received[0]?.urgency, 'high');
  t.true(clock.wall() < NIGHT + 120_000);
  await clock.advance(Date.parse('2027-03-28T04:59:50Z') - clock.wall());
  t.is(browser.requests(), 1);
  await passing(t.context, 'the other in the morning', () => browser.received.length === 2);
  t.true(clock.wall() >= Date.parse('2027-03-28T05:00:00Z'));
});
