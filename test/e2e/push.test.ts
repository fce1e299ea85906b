/**
 * Notifications in a real browser, as far as a headless one goes: its own push service is a vendor's and is not asked, so the subscription is that
 * of the local one, and what that receives is handed to the service worker by the debugger.
 */
import test from 'ava';
import type { Browser, CDPSession, Page } from 'playwright-core';
import { freePort } from '../../scripts/server-process.ts';
import { startBrowser, violations } from '../support/browser.ts';
import { as, system } from '../support/kernel.ts';
import { startPushService } from '../support/push-service.ts';
import { until } from '../support/until.ts';
import { makeWorld } from '../support/world.ts';

const browser = await startBrowser();
const paged = browser === undefined ? test.skip : test.serial;
test.after.always(() => browser?.close());

/** In the page: a push manager that hands out the given subscription. */
const SUBSCRIBE = `(subscription) => {
  let current = null;
  PushManager.prototype.getSubscription = async () => current;
  PushManager.prototype.subscribe = async ({ applicationServerKey }) =>
    (current = { options: { applicationServerKey }, toJSON: () => subscription, unsubscribe: async () => ((current = null), true) });
}`;

const SHOWN = `navigator.serviceWorker.getRegistration('/').then((r) => r.getNotifications())
  .then((list) => list.map(({ title, body, tag, data }) => ({ title, body, tag, href: data.href })))`;

async function registrationId(cdp: CDPSession, scope: string): Promise<string> {
  const found = new Promise<string>((resolve) => {
    cdp.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      const one = registrations.find((r) => r.scopeURL === scope);
      if (one !== undefined) resolve(one.registrationId);
    });
  });
  await cdp.send('ServiceWorker.enable');
  return found;
}

paged('a person switches notifications on; an open page is enough, a closed one is called, and the worker fetches the text', async (t) => {
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const service = await startPushService();
  const w = await makeWorld({ listen: true, env: { PORT: String(port), PUBLIC_URL: origin, PUSH_ALLOW_PRIVATE: 'on', SIMULATOR: 'off' } });
  t.teardown(async () => {
    await w.close();
    await service.close();
  });
  const p = await w.person();
  const device = service.browser();
  let made = 0;
  const tell = async (): Promise<string> => {
    made += 1;
    const id = `01a1fc02-0000-4000-8000-${String(made).padStart(12, '0')}`;
    const args = { resource: 'Loft', when: 'Monday' };
    const facts = { category: 'booking_update', severity: 'critical', collapseKey: `booking:${made}`, titleKey: 'booking.cancelled', args };
    await w.app.actors.ask(`user:${p.id}`, { type: 'notification.create', id, ...facts, href: '/?from=push' }, as(system));
    return id;
  };
  const stateOf = async (id: string): Promise<string | undefined> => {
    const list = (await w.inject({ method: 'GET', url: '/v1/notifications', token: p.token })).json<{
      items: { id: string; state: string }[];
    }>();
    return list.items.find((n) => n.id === id)?.state;
  };

  const context = await (browser as Browser).newContext({ viewport: { width: 1_280, height: 900 }, reducedMotion: 'reduce' });
  t.teardown(() => context.close());
  await context.grantPermissions(['notifications'], { origin });
  await context.addInitScript(`(${SUBSCRIBE})(${JSON.stringify(device.subscription)})`);
  const page: Page = await context.newPage();
  page.setDefaultTimeout(45_000);
  await page.goto(`${origin}/favicon.svg`);
  const login = await context.request.post(`${origin}/v1/auth/login`, {
    data: { email: p.email, password: p.password, client: 'web' },
    headers: { origin },
  });
  t.true(login.ok());
  await page.goto(origin);
  const card = page.locator('section', { hasText: 'Be called on this device' });
  await card.getByRole('button', { name: 'Turn on' }).click();
  await page.getByText('Notifications are on').waitFor();
  const on = page.locator('section', { hasText: 'This device is called' });
  t.deepEqual(await violations(page), []);
  await on.getByRole('button', { name: 'Send a test' }).click();
  await until(() => device.received.length === 1, 'the test arrives');
  t.is(device.received[0]?.payload['title'], 'Notifications work');

  const shown = await tell();
  await page.getByText('Loft was cancelled').first().waitFor();
  await until(async () => (await stateOf(shown)) === 'acknowledged', 'the page says that it was seen');
  t.is(device.received.length, 1, 'a page that showed it is enough');

  const cdp = await context.newCDPSession(page);
  const worker = await registrationId(cdp, `${origin}/`);
  await page.goto(`${origin}/favicon.svg`);
  await tell();
  await until(() => device.received.length === 2, 'the push arrives');
  const { payload } = device.received[1]!;
  t.like(payload, { title: 'News about a booking', fetch: true });
  await cdp.send('ServiceWorker.deliverPushMessage', { origin, registrationId: worker, data: JSON.stringify(payload) });
  await until(async () => (await page.evaluate<unknown[]>(SHOWN)).length > 0, 'the worker shows it');
  t.deepEqual(await page.evaluate(SHOWN), [
    {
      title: 'Loft was cancelled',
      body: 'Your booking on Monday was cancelled by the studio.',
      tag: payload['tag'],
      href: '/?from=push',
    },
  ]);

  await page.goto(origin);
  await page.locator('#notifications-title').waitFor();
  await until(async () => (await page.evaluate<unknown[]>(SHOWN)).length === 0, 'the page closes what was seen');

  await page.getByRole('button', { name: 'Turn on' }).click();
  await page.getByRole('button', { name: 'Turn off' }).click();
  await page.getByText('Notifications are off').waitFor();
  const left = await w.inject({ method: 'GET', url: '/v1/push/endpoints', token: p.token });
  t.deepEqual(left.json(), { items: [] });
});
