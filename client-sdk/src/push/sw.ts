/** The service worker's side: shows what the server pushes, opens what is clicked, subscribes anew when the browser gives a subscription up. */

/** What the server sends; `fetch`: the text is fetched, because the push service must not see it. */
interface Push {
  readonly id: string;
  readonly s?: number;
  readonly tag: string;
  readonly severity: 'info' | 'warning' | 'critical';
  readonly title: string;
  readonly body?: string;
  readonly href?: string;
  readonly fetch?: true;
}

/** As much of a service worker's globals as is used: the DOM library does not have them. */
interface Worker {
  readonly registration: ServiceWorkerRegistration;
  readonly location: { readonly origin: string };
  readonly clients: {
    matchAll(o: object): Promise<readonly { readonly url: string; focus(): Promise<{ navigate(url: string): Promise<unknown> }> }[]>;
    openWindow(url: string): Promise<unknown>;
  };
  addEventListener(type: string, fn: (event: never) => void): void;
}

interface Extended {
  waitUntil(done: Promise<unknown>): void;
}

export interface ShowOptions {
  readonly icon?: string;
  readonly badge?: string;
}

const json = { 'content-type': 'application/json' };

async function ask(path: string, init?: RequestInit): Promise<unknown> {
  let reply = await fetch(path, init);
  if (reply.status === 401) {
    await fetch('/v1/auth/refresh', { method: 'POST', headers: json, body: '{}' });
    reply = await fetch(path, init);
  }
  if (!reply.ok) throw new Error(`HTTP ${reply.status}`);
  return reply.json();
}

/** The text of a notification; without it the title that says nothing stays. */
async function full(push: Push): Promise<Push> {
  if (push.fetch === undefined || push.s === undefined) return push;
  try {
    const { items } = (await ask(`/v1/notifications?after=${push.s - 1}&limit=1`)) as {
      items: readonly (Partial<Push> & { id: string })[];
    };
    const { title = push.title, body, href } = items.find((item) => item.id === push.id) ?? {};
    return { ...push, title, body, href };
  } catch {
    return push;
  }
}

/** Call it once, at the top of the service worker. */
export function handlePush(options: ShowOptions = {}): void {
  const worker = globalThis as unknown as Worker;
  const on = (type: string, run: (event: never) => Promise<unknown>): void =>
    worker.addEventListener(type, (event: never) => (event as Extended).waitUntil(run(event)));

  on('push', async ({ data }: { readonly data: { json(): unknown } | null }) => {
    if (data === null) return;
    const { title, body, tag, severity, href = '/', id, s } = await full(data.json() as Push);
    const renotify = severity === 'critical';
    await worker.registration.showNotification(title, { ...options, body, tag, renotify, data: { id, s, href } } as NotificationOptions);
  });

  on('notificationclick', async ({ notification }: { readonly notification: Notification }) => {
    const { href, s } = notification.data as { href: string; s?: number };
    notification.close();
    const seen =
      s === undefined ? undefined : ask('/v1/notifications/seen', { method: 'POST', headers: json, body: JSON.stringify({ s }) });
    const url = new URL(href, worker.location.origin).href;
    const [open] = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
    if (open === undefined) await worker.clients.openWindow(url);
    else {
      const focused = await open.focus();
      if (open.url !== url) await focused.navigate(url).catch(() => undefined);
    }
    await seen?.catch(() => undefined);
  });

  on('pushsubscriptionchange', async () => {
    const { publicKey } = (await ask('/v1/push/vapid')) as { publicKey: string };
    const fresh = await worker.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: publicKey });
    const { endpoint, keys } = fresh.toJSON();
    await ask('/v1/push/endpoints', {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ provider: 'webpush', subscription: { endpoint, keys } }),
    });
  });
}
