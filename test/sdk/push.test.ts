/** `@thrum/client/push` and its service worker half, over globals that stand for those of a browser. */
import test from 'ava';
import { closeShown, pushStatus, registerPush, renewPush } from '@thrum/client/push';
import { handlePush } from '@thrum/client/push/sw';

interface Call {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly authorization?: string | null;
}

const KEY = 'BIRe-_kW';
const replies = new Map<string, [status: number, body: object]>();
const calls: Call[] = [];
const shown: { title: string; options: Record<string, unknown>; closed: boolean }[] = [];
const listeners = new Map<string, (event: object) => void>();
let permission: 'default' | 'granted' | 'denied' = 'default';
let asked = 0;
let clicked = true;
let subscription: Record<string, unknown> | null = null;
let made = 0;

const set = (name: string, value: unknown): void =>
  void Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });

const registration = {
  pushManager: {
    getSubscription: async () => subscription,
    subscribe: async ({ applicationServerKey }: { applicationServerKey: Uint8Array }) => {
      made += 1;
      const endpoint = `https://push.example/${made}`;
      subscription = {
        options: { applicationServerKey },
        toJSON: () => ({ endpoint, keys: { p256dh: 'p', auth: 'a' } }),
        unsubscribe: async () => ((subscription = null), true),
      };
      return subscription;
    },
  },
  showNotification: async (title: string, options: Record<string, unknown>) => void shown.push({ title, options, closed: false }),
  getNotifications: async () =>
    shown.filter((n) => !n.closed).map((n) => ({ data: n.options['data'], close: () => void (n.closed = true) })),
};
const windows: { url: string; focused: boolean; went?: string }[] = [];
const opened: string[] = [];

test.before(() => {
  set('Notification', {
    get permission() {
      return permission;
    },
    requestPermission: async () => ((asked += 1), (permission = 'granted')),
  });
  set('PushManager', Object);
  set('navigator', {
    get userActivation() {
      return { isActive: clicked };
    },
    serviceWorker: { register: async () => registration, ready: Promise.resolve(registration), getRegistration: async () => registration },
  });
  set('fetch', async (url: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    const method = init.method ?? 'GET';
    calls.push({
      method,
      path: url,
      ...(init.body === undefined ? {} : { body: JSON.parse(init.body as string) as unknown }),
      ...(headers.has('authorization') ? { authorization: headers.get('authorization') } : {}),
    });
    const [status, body] = replies.get(`${method} ${url}`) ?? [200, {}];
    return new Response(JSON.stringify(body), { status });
  });
  set('registration', registration);
  set('location', { origin: 'https://studio.example' });
  set('clients', {
    matchAll: async () =>
      windows.map((w) => ({
        url: w.url,
        focus: async () => ((w.focused = true), { navigate: async (to: string) => void (w.went = to) }),
      })),
    openWindow: async (url: string) => void opened.push(url),
  });
  set('addEventListener', (type: string, fn: (event: object) => void) => void listeners.set(type, fn));
});
test.beforeEach(() => {
  calls.length = shown.length = windows.length = opened.length = 0;
  replies.clear();
  replies.set('GET /v1/push/vapid', [200, { publicKey: KEY }]);
  replies.set('POST /v1/push/endpoints', [201, { id: 'e1' }]);
  replies.set('POST /v1/push/endpoints/e1/test', [200, { outcome: 'sent' }]);
});

/** An event of the worker, and everything that it waits for. */
async function dispatch(type: string, event: object): Promise<void> {
  const work: Promise<unknown>[] = [];
  listeners.get(type)?.({ ...event, waitUntil: (p: Promise<unknown>) => void work.push(p) });
  await Promise.all(work);
}

const pushed = (data: object) => dispatch('push', { data: { json: () => data } });

test.serial(
  'permission is asked for in a click only; then the browser is subscribed under the key of the server and registered',
  async (t) => {
    clicked = false;
    t.is(await pushStatus(), 'off');
    t.like(await t.throwsAsync(registerPush({ provider: 'webpush' })), { code: 'PUSH_NEEDS_GESTURE' });
    t.is(asked, 0);
    clicked = true;
    const here = await registerPush({ provider: 'webpush', device: 'd1' });
    t.is(asked, 1);
    t.is(await pushStatus(), 'on');
    t.deepEqual(calls.at(-1), {
      method: 'POST',
      path: '/v1/push/endpoints',
      body: { provider: 'webpush', deviceId: 'd1', subscription: { endpoint: 'https://push.example/1', keys: { p256dh: 'p', auth: 'a' } } },
    });
    t.is(await here.test(), 'sent');
  },
);

test.serial('each start renews what is on, with the same subscription; another key of the server makes a new one', async (t) => {
  t.truthy(await renewPush());
  t.is(made, 1);
  replies.set('GET /v1/push/vapid', [200, { publicKey: 'AAAA-_kW' }]);
  await renewPush();
  t.is(made, 2);
  t.like(calls.at(-1)?.body, { subscription: { endpoint: 'https://push.example/2' } });
});

test.serial('a session that has run out is renewed once; what the server refuses is an error with its code', async (t) => {
  replies.set('GET /v1/push/vapid', [401, { code: 'TOKEN_EXPIRED', status: 401 }]);
  t.like(await t.throwsAsync(renewPush()), { code: 'TOKEN_EXPIRED', status: 401 });
  t.deepEqual(
    calls.map((c) => c.path),
    ['/v1/push/vapid', '/v1/auth/refresh', '/v1/push/vapid'],
  );
});

test.serial('unregistering forgets both the subscription and the endpoint; a blocked browser says so', async (t) => {
  const here = await renewPush();
  await here?.unregister();
  t.is(subscription, null);
  t.like(calls.at(-1), { method: 'DELETE', path: '/v1/push/endpoints/e1' });
  t.is(await renewPush(), undefined);
  permission = 'denied';
  t.is(await pushStatus(), 'blocked');
  t.like(await t.throwsAsync(registerPush({ provider: 'webpush' })), { code: 'PUSH_BLOCKED' });
  permission = 'granted';
});

test.serial('an app registers the token that its system gave it, with its own access token', async (t) => {
  const url = 'https://api.example';
  replies.set(`POST ${url}/v1/push/endpoints`, [201, { id: 'e2' }]);
  const here = await registerPush({
    provider: 'apns',
    deviceToken: 'ab12',
    appId: 'org.example.app',
    env: 'sandbox',
    url,
    token: async () => 'secret',
  });
  t.is(here.id, 'e2');
  t.deepEqual(calls, [
    {
      method: 'POST',
      path: `${url}/v1/push/endpoints`,
      authorization: 'Bearer secret',
      body: { provider: 'apns', token: 'ab12', appId: 'org.example.app', env: 'sandbox' },
    },
  ]);
});

test.serial('the worker shows what it was sent, and fetches the text that the push service must not see', async (t) => {
  handlePush({ icon: '/icon.svg' });
  await pushed({ id: 'n1', s: 7, tag: 'tag', severity: 'info', title: 'Your day', body: 'is ready', href: '/day' });
  t.deepEqual(shown[0], {
    title: 'Your day',
    options: { icon: '/icon.svg', body: 'is ready', tag: 'tag', renotify: false, data: { id: 'n1', s: 7, href: '/day' } },
    closed: false,
  });
  t.is(calls.length, 0);
  replies.set('GET /v1/notifications?after=7&limit=1', [
    200,
    { items: [{ id: 'n2', title: 'Pulse is high', body: '78 bpm', href: '/#alerts' }] },
  ]);
  await pushed({ id: 'n2', s: 8, tag: 'tag', severity: 'critical', title: 'New alert', fetch: true });
  t.like(shown[1], { title: 'Pulse is high', options: { body: '78 bpm', renotify: true, data: { href: '/#alerts' } } });
});

test.serial('without the server the worker shows the title that says nothing', async (t) => {
  replies.set('GET /v1/notifications?after=7&limit=1', [401, {}]);
  await pushed({ id: 'n2', s: 8, tag: 'tag', severity: 'warning', title: 'New alert', fetch: true });
  t.like(shown[0], { title: 'New alert', options: { data: { href: '/' } } });
  t.deepEqual(
    calls.map((c) => c.path),
    ['/v1/notifications?after=7&limit=1', '/v1/auth/refresh', '/v1/notifications?after=7&limit=1'],
  );
});

test.serial('a click opens a window at the place, or takes one that is open there, and says what was seen', async (t) => {
  let closed = 0;
  const click = () => dispatch('notificationclick', { notification: { data: { href: '/day', s: 9 }, close: () => (closed += 1) } });
  await click();
  t.deepEqual([opened, closed], [['https://studio.example/day'], 1]);
  t.like(calls[0], { method: 'POST', path: '/v1/notifications/seen', body: { s: 9 } });
  windows.push({ url: 'https://studio.example/', focused: false });
  await click();
  t.deepEqual(windows, [{ url: 'https://studio.example/', focused: true, went: 'https://studio.example/day' }]);
  t.is(opened.length, 1);
});

test.serial('a page closes what its person has seen, here or elsewhere', async (t) => {
  for (const s of [1, 2, 3]) await pushed({ id: `n${s}`, s, tag: `t${s}`, severity: 'info', title: 'x' });
  await closeShown(2);
  t.deepEqual(
    shown.map((n) => n.closed),
    [true, true, false],
  );
});

test.serial('a subscription that the browser gave up is replaced', async (t) => {
  await dispatch('pushsubscriptionchange', {});
  t.like(calls.at(-1), { method: 'POST', path: '/v1/push/endpoints', body: { provider: 'webpush' } });
});
