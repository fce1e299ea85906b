/** Lets the server call this browser or app: permission, subscription, registration and their renewal. */
import { ThrumError } from '../errors.ts';
import type { Problem } from '../protocol.ts';

export interface PushServer {
  /** origin of the server; default: that of the page */
  readonly url?: string;
  /** gives an access token; without it the session cookie of the page is used */
  readonly token?: () => Promise<string>;
  /** id of the registered device that this client runs on */
  readonly device?: string;
}

export interface WebPush extends PushServer {
  readonly provider: 'webpush';
  /** of a worker that uses `@thrum/client/push/sw`; its path, or its registration. Default `/sw.js` */
  readonly serviceWorker?: string | ServiceWorkerRegistration;
}

/** React Native and other apps: the token that their system gave them. */
export interface NativePush extends PushServer {
  readonly provider: 'fcm' | 'apns';
  readonly deviceToken: string;
  /** bundle identifier; needed for `apns` */
  readonly appId?: string;
  readonly env?: 'production' | 'sandbox';
}

export interface PushRegistration {
  /** of the endpoint, as `GET /v1/push/endpoints` lists it */
  readonly id: string;
  /** Calls this device now. Gives `sent`, or what was wrong. */
  test(): Promise<string>;
  /** Before signing out, or when the person switches notifications off. */
  unregister(): Promise<void>;
}

/** What can be done here: `off` may become `on` by {@link registerPush}; `blocked` only by the person, in the settings of the browser. */
export type PushStatus = 'unsupported' | 'blocked' | 'off' | 'on';

type Json = Record<string, unknown>;

async function call(server: PushServer, method: string, path: string, body?: Json): Promise<Json> {
  const send = async (): Promise<Response> =>
    fetch((server.url ?? '') + path, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(server.token === undefined ? {} : { authorization: `Bearer ${await server.token()}` }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  let reply = await send();
  if (reply.status === 401 && server.token === undefined) {
    // the session cookie has run out, its refresh cookie may not have
    await fetch('/v1/auth/refresh', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
    reply = await send();
  }
  const text = await reply.text();
  const value = (text === '' ? {} : JSON.parse(text)) as Json;
  if (!reply.ok) throw new ThrumError(value as unknown as Problem);
  return value;
}

const refused = (code: string, detail: string): ThrumError => new ThrumError({ code, detail, retryable: false });

const supported = (): boolean => 'serviceWorker' in navigator && 'PushManager' in globalThis && 'Notification' in globalThis;

async function worker(o: WebPush): Promise<ServiceWorkerRegistration> {
  const { serviceWorker = '/sw.js' } = o;
  if (typeof serviceWorker !== 'string') return serviceWorker;
  await navigator.serviceWorker.register(serviceWorker);
  return navigator.serviceWorker.ready;
}

const bytes = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));

/** The subscription under the server's present key; one under another key is given up. */
async function subscribed(registration: ServiceWorkerRegistration, key: Uint8Array<ArrayBuffer>): Promise<PushSubscription> {
  const old = await registration.pushManager.getSubscription();
  const theirs = old?.options.applicationServerKey;
  const same = theirs != null && String(new Uint8Array(theirs)) === String(key);
  if (old !== null && same) return old;
  await old?.unsubscribe();
  return registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
}

async function webEndpoint(o: WebPush): Promise<{ body: Json; forget: () => Promise<unknown> }> {
  const { publicKey } = await call(o, 'GET', '/v1/push/vapid');
  const subscription = await subscribed(await worker(o), bytes(publicKey as string));
  const { endpoint, keys } = subscription.toJSON();
  return { body: { subscription: { endpoint, keys } }, forget: () => subscription.unsubscribe() };
}

/** Whether this browser is called, and if not, why. */
export async function pushStatus(o: Omit<WebPush, 'provider'> = {}): Promise<PushStatus> {
  if (!supported()) return 'unsupported';
  if (Notification.permission === 'denied') return 'blocked';
  const at = typeof o.serviceWorker === 'object' ? o.serviceWorker : await navigator.serviceWorker.getRegistration();
  const subscription = await at?.pushManager.getSubscription();
  return Notification.permission === 'granted' && subscription != null ? 'on' : 'off';
}

/**
 * Registers this browser or app, or renews what was registered; it is the same endpoint as long as its token is the same. In a browser it asks for
 * permission, which must happen in the handler of a click or a key.
 *
 * @throws ThrumError `PUSH_UNSUPPORTED`, `PUSH_BLOCKED`, `PUSH_NEEDS_GESTURE`, or what the server refuses
 */
export async function registerPush(o: WebPush | NativePush): Promise<PushRegistration> {
  let made: { body: Json; forget?: () => Promise<unknown> };
  if (o.provider === 'webpush') {
    if (!supported()) throw refused('PUSH_UNSUPPORTED', 'this browser cannot be called');
    if (Notification.permission === 'default') {
      if ('userActivation' in navigator && !navigator.userActivation.isActive)
        throw refused('PUSH_NEEDS_GESTURE', 'permission is asked for when somebody clicks');
      await Notification.requestPermission();
    }
    if (Notification.permission !== 'granted') throw refused('PUSH_BLOCKED', 'notifications are not allowed in this browser');
    made = await webEndpoint(o);
  } else {
    made = { body: { token: o.deviceToken, appId: o.appId, ...(o.provider === 'apns' ? { env: o.env } : {}) } };
  }
  const { id } = (await call(o, 'POST', '/v1/push/endpoints', { provider: o.provider, deviceId: o.device, ...made.body })) as {
    id: string;
  };
  return {
    id,
    test: async () => (await call(o, 'POST', `/v1/push/endpoints/${id}/test`))['outcome'] as string,
    async unregister() {
      await made.forget?.();
      await call(o, 'DELETE', `/v1/push/endpoints/${id}`);
    },
  };
}

/** At each start of a page: renews what the person switched on earlier, and asks nothing. Undefined where it is not on. */
export async function renewPush(o: Omit<WebPush, 'provider'> = {}): Promise<PushRegistration | undefined> {
  return (await pushStatus(o)) === 'on' ? registerPush({ ...o, provider: 'webpush' }) : undefined;
}

/** Closes what this browser shows of the notifications up to number `s`, which the person has seen here or elsewhere. */
export async function closeShown(s: number): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration();
  for (const shown of (await registration?.getNotifications()) ?? []) {
    const data = shown.data as { s?: number } | null;
    if (data?.s !== undefined && data.s <= s) shown.close();
  }
}
