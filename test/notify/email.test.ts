/** Notifications as mail: the whole server, and a mail server that takes or refuses what it gets (realtime R14). */
import anyTest from 'ava';
import type { TestFn } from 'ava';
import type { EndpointView } from '../../server/notify/endpoints.ts';
import { createLinks } from '../../server/notify/links.ts';
import { FakeClock } from '../support/clock.ts';
import { as, system } from '../support/kernel.ts';
import { startMailServer } from '../support/smtp.ts';
import type { MailServer, Received } from '../support/smtp.ts';
import { until } from '../support/until.ts';
import { makeWorld } from '../support/world.ts';
import type { Person, World } from '../support/world.ts';

interface Context {
  readonly clock: FakeClock;
  readonly w: World;
  readonly mail: MailServer;
}
const test = anyTest as TestFn<Context>;

test.before(async (t) => {
  const clock = new FakeClock(Date.parse('2027-03-25T08:00:00Z'));
  const mail = await startMailServer();
  const env = { SIMULATOR: 'off', SMTP_URL: mail.url, MAIL_FROM: 'Studio <hello@studio.test>' };
  t.context = { clock, mail, w: await makeWorld({ clock, env, listen: true }) };
});
test.after.always(async (t) => {
  await t.context.w.close();
  await t.context.mail.close();
});

/** Lets time pass in small steps until it is so. */
const passing = ({ clock, w }: Context, what: string, done: () => Promise<boolean> | boolean): Promise<void> =>
  until(async () => {
    await clock.advance(100);
    await w.app.database.knex.raw('select 1');
    return done();
  }, what);

const tokenIn = ({ text }: Received, what: string): string => new RegExp(`#${what}=([\\w.-]+)`).exec(text)?.[1] ?? '';
const mailsTo = ({ mail }: Context, p: Person): Received[] => mail.received.filter((m) => m.to === p.email);

/** Somebody whose address is verified, by the mail that asks for it. */
async function reader(c: Context): Promise<Person> {
  const p = await c.w.person();
  const asked = await c.w.inject({ method: 'POST', url: '/v1/auth/verify-email/resend', token: p.token });
  if (asked.statusCode !== 202) throw new Error(asked.body);
  await passing(c, 'asked', () => mailsTo(c, p).length > 0);
  const token = tokenIn(mailsTo(c, p)[0]!, 'confirm-email');
  const reply = await c.w.inject({ method: 'POST', url: '/v1/auth/verify-email', payload: { token } });
  if (reply.statusCode !== 204) throw new Error(reply.body);
  c.mail.received.splice(0);
  return p;
}

const configure = (w: World, p: Person, payload: object) =>
  w.inject({ method: 'PUT', url: '/v1/notifications/preferences', token: p.token, payload });
const preferencesOf = async (w: World, p: Person) =>
  (await w.inject({ method: 'GET', url: '/v1/notifications/preferences', token: p.token })).json<{
    preferences: { quiet?: object };
    categories: Record<string, { email: boolean }>;
    endpoints: object;
  }>();
const endpointsOf = async (w: World, p: Person): Promise<EndpointView[]> =>
  (await w.inject({ method: 'GET', url: '/v1/push/endpoints', token: p.token })).json<{ items: EndpointView[] }>().items;

const noted = ({ fields }: { readonly fields?: object }, name: string): unknown => new Map(Object.entries(fields ?? {})).get(name);

let made = 0;
async function tell(w: World, p: Person, more: object = {}): Promise<string> {
  made += 1;
  const id = `01a1fc02-0000-4000-9000-${String(made).padStart(12, '0')}`;
  const notice = { category: 'booking_update', severity: 'info', collapseKey: `booking:${made}`, titleKey: 'booking.cancelled' };
  const command = { type: 'notification.create', id, ...notice, args: { resource: 'Room <1>', when: 'Monday' }, href: '/#rooms', ...more };
  const reply = await w.app.actors.ask(`user:${p.id}`, command, as(system));
  if (!reply.ok) throw new Error(reply.error.code);
  return id;
}

interface Delivery {
  readonly channel: string;
  readonly state: string;
  readonly attempts: number;
  readonly error: string | null;
}
const deliveryOf = ({ w }: Context, id: string): Promise<Delivery | undefined> =>
  w.app.database.knex<Delivery & { notification_id: string }>('notification_deliveries').where({ notification_id: id }).first();
const delivered = (c: Context, id: string, state: string): Promise<void> =>
  passing(c, state, async () => (await deliveryOf(c, id))?.state === state);

const byMail = { categories: { booking_update: { email: true } } };
const byMailInFull = { categories: { booking_update: { email: true, full: true } } };

test.serial('an address is written to only when its person has followed the link that was mailed to it', async (t) => {
  const { w, clock } = t.context;
  const p = await w.person();
  await configure(w, p, byMail);
  await tell(w, p);
  await clock.advance(60_000);
  t.deepEqual(mailsTo(t.context, p), []);

  t.is((await w.inject({ method: 'POST', url: '/v1/auth/verify-email/resend', token: p.token })).statusCode, 202);
  await passing(t.context, 'asked', () => mailsTo(t.context, p).length === 1);
  const [ask] = mailsTo(t.context, p);
  t.like(ask, { from: 'hello@studio.test', to: p.email });
  t.is(ask?.headers['from'], 'Studio <hello@studio.test>');
  const confirm = (token: string) => w.inject({ method: 'POST', url: '/v1/auth/verify-email', payload: { token } });
  const token = tokenIn(ask!, 'confirm-email');
  t.like((await confirm(`${token}x`)).json(), { code: 'VALIDATION' });
  t.deepEqual(await endpointsOf(w, p), []);
  t.is((await confirm(token)).statusCode, 204);
  t.is((await confirm(token)).statusCode, 204, 'once more changes nothing');
  t.deepEqual(
    (await endpointsOf(w, p)).map((e) => e.provider),
    ['email'],
  );

  const old = createLinks(w.secrets.operator).sign('confirm', { userId: p.id, email: p.email, until: clock.wall() - 1 });
  t.like((await confirm(old)).json(), { code: 'VALIDATION' });
  const another = createLinks(w.secrets.operator).sign('confirm', { userId: p.id, email: 'x@example.test', until: clock.wall() + 1_000 });
  t.like((await confirm(another)).json(), { code: 'VALIDATION' }, 'the person has another address by now');
  for (let i = 0; i < 2; i += 1) await w.inject({ method: 'POST', url: '/v1/auth/verify-email/resend', token: p.token });
  t.like((await w.inject({ method: 'POST', url: '/v1/auth/verify-email/resend', token: p.token })).json(), { code: 'RATE_LIMITED' });
});

test.serial('a mail has a plain and an HTML form, and says no more than the person allows it to', async (t) => {
  const { w } = t.context;
  const p = await reader(t.context);
  await configure(w, p, byMail);
  const generic = await tell(w, p, { severity: 'warning' });
  await delivered(t.context, generic, 'sent');
  const [first] = mailsTo(t.context, p);
  t.like(first?.headers, { subject: 'News about a booking', 'auto-submitted': 'auto-generated', 'message-id': `<${generic}@studio.test>` });
  t.regex(first!.text, /Open Thrum to read it/);
  t.false((first!.text + first!.html).includes('Monday'), 'mailboxes belong to others');

  await configure(w, p, byMailInFull);
  const full = await tell(w, p);
  await delivered(t.context, full, 'sent');
  const [, second] = mailsTo(t.context, p);
  t.is(second?.headers['subject'], 'Room <1> was cancelled');
  t.regex(second!.text, /Your booking on Monday was cancelled by the studio\.[^]*http:\/\/localhost:3000\/#rooms/);
  t.regex(second!.html, /<h1[^>]*>Room &lt;1&gt; was cancelled<\/h1>/);
  t.like(await deliveryOf(t.context, full), { channel: 'email', state: 'sent', attempts: 1 });
});

test.serial('who wants no mail of a category gets none, and a push does not go to the mailbox', async (t) => {
  const { w, clock } = t.context;
  const p = await reader(t.context);
  await tell(w, p, { severity: 'critical' });
  await clock.advance(60_000);
  t.deepEqual(mailsTo(t.context, p), []);
  await w.inject({ method: 'POST', url: '/v1/push/endpoints', token: p.token, payload: { provider: 'log', token: `phone of ${p.id}` } });
  await configure(w, p, { categories: { booking_update: { email: true, push: false } } });
  const id = await tell(w, p);
  await delivered(t.context, id, 'sent');
  t.is(mailsTo(t.context, p).length, 1);
  t.false(w.log.lines.some((l) => l.message === 'push' && noted(l, 'notificationId') === id));
});

test.serial('one click in the mailbox ends the mails of a category, and nothing else (RFC 8058)', async (t) => {
  const { w, clock } = t.context;
  const p = await reader(t.context);
  const quiet = { from: '00:00', to: '00:00', bypassCritical: true };
  await configure(w, p, { categories: { booking_update: { email: true }, job_done: { email: true } }, quiet });
  await delivered(t.context, await tell(w, p), 'sent');
  const { headers, text } = mailsTo(t.context, p)[0]!;
  t.is(headers['list-unsubscribe-post'], 'List-Unsubscribe=One-Click');
  const url =
    /^<http:\/\/localhost:3000(\/v1\/notifications\/unsubscribe\?token=[\w.-]+)>$/.exec(headers['list-unsubscribe'] ?? '')?.[1] ?? '';

  const looked = await w.inject({ method: 'GET', url });
  t.is(looked.statusCode, 303);
  t.is(looked.headers.location, `/#unsubscribe=${tokenIn({ text } as Received, 'unsubscribe')}`);
  t.true((await preferencesOf(w, p)).categories['booking_update']?.email, 'a program that looks changes nothing');

  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const clicked = await w.inject({ method: 'POST', url, headers: form, payload: 'List-Unsubscribe=One-Click' });
  t.is(clicked.statusCode, 204, clicked.body);
  const { categories, preferences } = await preferencesOf(w, p);
  t.deepEqual([categories['booking_update']?.email, categories['job_done']?.email], [false, true]);
  t.like(preferences, { quiet });
  await tell(w, p, { severity: 'critical' });
  await clock.advance(60_000);
  t.is(mailsTo(t.context, p).length, 1);
  t.like((await w.inject({ method: 'POST', url: url.slice(0, -2) })).json(), { code: 'VALIDATION' });
});

test.serial('security mail cannot be switched off and carries no way out', async (t) => {
  const { w } = t.context;
  const p = await reader(t.context);
  await configure(w, p, { categories: { security: { email: false } }, quiet: { from: '00:01', to: '00:00', bypassCritical: false } });
  await delivered(t.context, await tell(w, p, { category: 'security', titleKey: 'security.session_reused' }), 'sent');
  const [sent] = mailsTo(t.context, p);
  t.is(sent?.headers['subject'], 'Security notice');
  t.is(sent?.headers['list-unsubscribe'], undefined);
});

test.serial('a mail server that is busy is asked again after 1 s, 5 s, 30 s …; the mail comes once', async (t) => {
  const { w, mail } = t.context;
  const p = await reader(t.context);
  await configure(w, p, byMail);
  mail.refusals.push({ at: 'rcpt', code: 451, text: '4.7.1 greylisted' }, { at: 'data', code: 452, text: '4.3.1 out of disk' });
  const id = await tell(w, p);
  await delivered(t.context, id, 'retrying');
  await delivered(t.context, id, 'sent');
  t.is((await deliveryOf(t.context, id))?.attempts, 3);
  t.is(mailsTo(t.context, p).length, 1);
});

test.serial('a mail that is refused for good has failed; the fifth in a row disables the address', async (t) => {
  const { w, mail } = t.context;
  const p = await reader(t.context);
  await configure(w, p, byMail);
  for (let i = 0; i < 5; i += 1) {
    mail.refusals.push({ at: 'data', code: 554, text: '5.7.1 looks like spam' });
    const id = await tell(w, p, { severity: 'critical' });
    await delivered(t.context, id, 'failed');
    t.regex((await deliveryOf(t.context, id))?.error ?? '', /looks like spam/);
  }
  await passing(t.context, 'removed', async () => Object.keys((await preferencesOf(w, p)).endpoints).length === 0);
  t.like((await endpointsOf(w, p))[0], { provider: 'email', failures: 5, disabledReason: 'five failures in a row' });
});

/** Lets `ms` pass; at no moment is a job left under way. */
async function pass({ clock, w }: Context, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    await clock.advance(1_000);
    await until(
      async () => (await w.app.database.knex('jobs').where({ queue: 'notify', status: 'active' }).first(`job_id`)) === undefined,
      'no job under way',
    );
  }
}

async function circuitOf(w: World): Promise<string | undefined> {
  const admin = await w.person({ roles: ['admin'] });
  const { items } = (await w.inject({ method: 'GET', url: '/v1/admin/breakers', token: admin.token })).json<{
    items: { name: string; state: string }[];
  }>();
  return items.find(({ name }) => name.startsWith('mail:127.0.0.1'))?.state;
}

test.serial('while the mail server is away mails wait without spending their tries, and it gets them when it is back', async (t) => {
  const { w, mail } = t.context;
  const people = [await reader(t.context), await reader(t.context), await reader(t.context)];
  for (const p of people) await configure(w, p, byMail);
  mail.away(true);
  const ids: string[] = [];
  for (const p of people) for (let i = 0; i < 2; i += 1) ids.push(await tell(w, p, { severity: 'critical' }));
  await pass(t.context, 600_000);
  const rows = await Promise.all(ids.map((id) => deliveryOf(t.context, id)));
  t.true(rows.every((row) => row?.state === 'retrying'));
  t.true(rows.some((row) => row?.error === 'CIRCUIT_OPEN'));
  const tries = rows.reduce((sum, row) => sum + (row?.attempts ?? 0), 0);
  t.true(tries <= 15, `${tries} tries; without the circuit each mail would have had five`);
  t.is(await circuitOf(w), 'open');

  mail.away(false);
  const isSent = async (id: string): Promise<boolean> => (await deliveryOf(t.context, id))?.state === 'sent';
  // the mail that has tried longest waits half an hour for its last try
  for (let i = 0; i < 70 && !(await Promise.all(ids.map(isSent))).every(Boolean); i += 1) await pass(t.context, 30_000);
  for (const p of people) t.is(mailsTo(t.context, p).length, 2, 'each mail once');
  t.is(await circuitOf(w), 'closed');
});

test.serial('answers about single mails open no circuit', async (t) => {
  const { w, mail } = t.context;
  const p = await reader(t.context);
  await configure(w, p, byMail);
  for (let i = 0; i < 6; i += 1) mail.refusals.push({ at: 'rcpt', code: 451, text: '4.7.1 greylisted' });
  const ids: string[] = [];
  for (let i = 0; i < 3; i += 1) ids.push(await tell(w, p, { severity: 'critical' }));
  for (const id of ids) await delivered(t.context, id, 'sent');
  const rows = await Promise.all(ids.map((id) => deliveryOf(t.context, id)));
  t.is(
    rows.reduce((sum, row) => sum + (row?.attempts ?? 0), 0),
    9,
  );
  t.is(await circuitOf(w), 'closed');
});

test.serial('an address that is no mailbox is not written to again', async (t) => {
  const { w, mail, clock } = t.context;
  const p = await reader(t.context);
  await configure(w, p, byMail);
  mail.refusals.push({ at: 'rcpt', code: 550, text: '5.1.1 no such user' });
  await delivered(t.context, await tell(w, p), 'gone');
  await passing(t.context, 'removed', async () => Object.keys((await preferencesOf(w, p)).endpoints).length === 0);
  await tell(w, p, { severity: 'critical' });
  await clock.advance(60_000);
  t.deepEqual(mailsTo(t.context, p), []);
});

test.serial('mails wait for the end of quiet hours, and count among the five calls of an hour (cases 45, 49)', async (t) => {
  const { w, clock } = t.context;
  const p = await reader(t.context);
  await configure(w, p, { ...byMail, quiet: { from: '00:01', to: '00:00', bypassCritical: true } });
  const held = await tell(w, p);
  await clock.advance(60_000);
  const state = async (id: string): Promise<string | undefined> =>
    (await w.inject({ method: 'GET', url: '/v1/notifications', token: p.token }))
      .json<{ items: { id: string; state: string }[] }>()
      .items.find((n) => n.id === id)?.state;
  await passing(t.context, 'deferred', async () => (await state(held)) === 'deferred');
  t.deepEqual(mailsTo(t.context, p), []);
  await configure(w, p, byMail);
  await delivered(t.context, held, 'sent');
  for (let i = 0; i < 4; i += 1) await delivered(t.context, await tell(w, p), 'sent');
  const sixth = await tell(w, p);
  await passing(t.context, 'digested', async () => (await state(sixth)) === 'digested');
  t.is(mailsTo(t.context, p).length, 5);
});

test('without a mail server the log tells what would be mailed, and the link that confirms an address', async (t) => {
  const w = await makeWorld({ env: { SIMULATOR: 'off' }, listen: true });
  t.teardown(w.close);
  const p = await w.person();
  await w.inject({ method: 'POST', url: '/v1/auth/verify-email/resend', token: p.token });
  const confirm = () => w.log.lines.flatMap((l) => noted(l, 'confirm') ?? [])[0];
  await until(() => confirm() !== undefined, 'told');
  const token = /#confirm-email=(.*)/.exec(confirm() as string)?.[1];
  t.is((await w.inject({ method: 'POST', url: '/v1/auth/verify-email', payload: { token } })).statusCode, 204);
  await configure(w, p, byMailInFull);
  const id = await tell(w, p);
  await until(() => w.log.lines.some((l) => noted(l, 'notificationId') === id), 'mailed');
  t.false(JSON.stringify(w.log.lines).includes('Monday'), 'words are not for the log');
});
