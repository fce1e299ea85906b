/** A studio of one process without a kernel, behind the fake server: enough for the pages to be developed and drawn without the real one. */
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join } from 'node:path';
import { categories } from '../../machines/notifications/schema.ts';
import { fakeInspector } from './fake-inspector.ts';
import { startFakeServer } from './fake-server.ts';
import type { FakeServer } from './fake-server.ts';

const TYPES: { readonly [ext: string]: string } = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};
const HOUR = 3_600_000;

const people = [
  { id: 'mara', email: 'mara@demo.thrum', displayName: 'Mara Lindqvist', timeZone: 'Europe/Berlin', plan: 'pro', roles: ['user'] },
  { id: 'jonas', email: 'jonas@demo.thrum', displayName: 'Jonas Weber', timeZone: 'Europe/Berlin', plan: 'team', roles: ['user', 'staff'] },
  {
    id: 'ada',
    email: 'ada@demo.thrum',
    displayName: 'Ada Okafor',
    timeZone: 'Europe/Berlin',
    plan: 'team',
    roles: ['user', 'staff', 'admin'],
  },
];
const rooms = [
  { resourceId: 'garden', name: 'Garden studio' },
  { resourceId: 'loft', name: 'Loft' },
  { resourceId: 'reformer', name: 'Reformer room' },
].map((r) => ({
  ...r,
  kind: 'room',
  timeZone: 'Europe/Berlin',
  status: 'active',
  slotStepMin: 15,
  capacity: 1,
  openingRules: [{ days: [1, 2, 3, 4, 5, 6, 7], from: r.resourceId === 'loft' ? '09:00' : '07:00', to: '21:00' }],
}));

interface Booking {
  readonly bookingId: string;
  readonly resourceId: string;
  readonly user: string;
  start: number;
  end: number;
  state: string;
}

const body = async (req: IncomingMessage): Promise<Record<string, unknown>> => {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  return chunks.length === 0 ? {} : (JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>);
};

/** @param root folder of the built pages */
export async function startFakeStudio(root: string): Promise<FakeServer> {
  const bookings = new Map<string, Booking>();
  let server: FakeServer | undefined;
  let signedIn: string | undefined;
  let preferences: { categories: { [category: string]: object }; digestAt: string } = { categories: {}, digestAt: '18:00' };
  let hasAddress = false;
  const settings = (): object => ({
    preferences,
    categories: Object.fromEntries(
      categories.map((c) => [c, { inapp: true, push: true, email: c === 'security', full: false, ...preferences.categories[c] }]),
    ),
    endpoints: hasAddress ? { e1: { provider: 'email', at: 0 } } : {},
  });
  const berlin = new Intl.DateTimeFormat('en-CA', { timeZone: 'Europe/Berlin' });
  const dayOf = (at: number): string => berlin.format(at);

  const at = (day: string, hour: number): number =>
    Date.parse(`${day}T00:00:00Z`) + (hour - ([0, 1, 2, 10, 11].includes(new Date(`${day}T12:00Z`).getUTCMonth()) ? 1 : 2)) * HOUR;

  function showRoom(resourceId: string, day: string): void {
    const on = [...bookings.values()].filter((b) => b.resourceId === resourceId && dayOf(b.start) === day && b.state !== 'cancelled');
    const query = `days=1&from=${day}`;
    const room = rooms.find((r) => r.resourceId === resourceId) ?? rooms[0];
    const iso = (at: number): string => new Date(at).toISOString();
    const hour = (hhmm: string): number => at(day, Number(hhmm.slice(0, 2)));
    const window = { start: iso(hour(room?.openingRules[0]?.from ?? '07:00')), end: iso(hour('21:00')) };
    const head = {
      ...room,
      rev: 1,
      from: day,
      days: 1,
      start: iso(hour('00:00')),
      end: iso(hour('00:00') + 24 * HOUR),
      open: { [window.start]: window },
    };
    server?.show(`resource:${resourceId}/availability?${query}`, {
      ...head,
      busy: Object.fromEntries(on.map((b) => [iso(b.start), { start: iso(b.start), end: iso(b.end), used: 1 }])),
    });
    const claim = (b: Booking): object => ({
      claimId: b.bookingId,
      bookingId: b.bookingId,
      start: iso(b.start),
      end: iso(b.end),
      bufferBeforeMin: 0,
      bufferAfterMin: 0,
      qty: 1,
      state: 'confirmed',
    });
    server?.show(`resource:${resourceId}/schedule?${query}`, {
      ...head,
      claims: Object.fromEntries(on.map((b) => [b.bookingId, claim(b)])),
    });
  }

  function changed(b: Booking, type: string): void {
    server?.append(`user:${b.user}/bookings`, {
      type,
      bookingId: b.bookingId,
      resourceId: b.resourceId,
      start: new Date(b.start).toISOString(),
      end: new Date(b.end).toISOString(),
      sequence: 1,
      at: new Date().toISOString(),
    });
    const live = ['booking.cancel', 'booking.reschedule'];
    const can = b.state === 'cancelled' ? { self: [], staff: [] } : { self: live, staff: live };
    server?.show(`booking:${b.bookingId}/status`, {
      bookingId: b.bookingId,
      resourceId: b.resourceId,
      userId: b.user,
      state: b.state,
      start: new Date(b.start).toISOString(),
      end: new Date(b.end).toISOString(),
      can,
    });
    showRoom(b.resourceId, dayOf(b.start));
  }

  function add(resourceId: string, user: string, start: number, minutes: number): Booking {
    const b = { bookingId: `b${bookings.size + 1}`, resourceId, user, start, end: start + minutes * 60_000, state: 'confirmed' };
    bookings.set(b.bookingId, b);
    changed(b, 'confirmed');
    return b;
  }

  const clash = (b: Omit<Booking, 'user' | 'state'>): boolean =>
    [...bookings.values()].some(
      (o) => o.bookingId !== b.bookingId && o.resourceId === b.resourceId && o.state !== 'cancelled' && o.start < b.end && b.start < o.end,
    );

  async function rest(req: IncomingMessage, url: URL): Promise<readonly [number, unknown]> {
    const route = `${req.method} ${url.pathname}`;
    const unavailable = [409, { code: 'SLOT_UNAVAILABLE', status: 409, title: 'The slot is no longer free', retryable: false }] as const;
    const me = people.find((p) => p.id === signedIn);
    const id = url.pathname.split('/')[4];
    const b = id === undefined ? undefined : bookings.get(id);
    if (route === 'GET /v1/demo') return [200, { logins: people.map((p) => ({ ...p, password: 'demo' })) }];
    if (route === 'POST /v1/auth/login') {
      const { email } = await body(req);
      signedIn = people.find((p) => p.email === email)?.id;
      return signedIn === undefined ? [401, { code: 'UNAUTHENTICATED', status: 401, title: 'E-mail or password is wrong' }] : [200, {}];
    }
    if (route === 'POST /v1/auth/logout') {
      signedIn = undefined;
      return [204, undefined];
    }
    if (route === 'POST /v1/notifications/unsubscribe') return [204, undefined];
    if (me === undefined) return [401, { code: 'UNAUTHENTICATED', status: 401, title: 'Sign in first' }];
    if (route === 'GET /v1/me') return [200, me];
    if (url.pathname.startsWith('/v1/admin/')) return [200, fakeInspector(url.pathname)];
    if (route === 'GET /v1/users')
      return [
        200,
        {
          items: [
            ...people,
            { id: 'lena', displayName: 'Lena Brandt', roles: ['user'] },
            { id: 'tom', displayName: 'Tom Albers', roles: ['user'] },
          ],
        },
      ];
    if (route === 'GET /v1/notifications/preferences') return [200, settings()];
    if (route === 'PUT /v1/notifications/preferences') {
      preferences = (await body(req)) as typeof preferences;
      return [200, null];
    }
    if (route === 'POST /v1/auth/verify-email/resend') {
      hasAddress = true;
      return [202, undefined];
    }
    if (route === 'GET /v1/booking/resources') return [200, { items: rooms }];
    if (route === 'POST /v1/booking/bookings') {
      const { resourceId, start, durationMin, userId } = (await body(req)) as {
        resourceId: string;
        start: string;
        durationMin: number;
        userId?: string;
      };
      const at = Date.parse(start);
      if (clash({ bookingId: '', resourceId, start: at, end: at + durationMin * 60_000 })) return unavailable;
      return [201, add(resourceId, userId ?? me.id, at, durationMin)];
    }
    if (b !== undefined && url.pathname.endsWith('/reschedule')) {
      const { start } = (await body(req)) as { start: string };
      const at = Date.parse(start);
      const to = { ...b, start: at, end: at + b.end - b.start };
      if (clash(to)) return unavailable;
      Object.assign(b, to);
      changed(b, 'rescheduled');
      return [200, b];
    }
    if (b !== undefined && url.pathname.endsWith('/cancel')) {
      b.state = 'cancelled';
      changed(b, 'cancelled');
      return [200, b];
    }
    return [404, { code: 'NOT_FOUND', status: 404, title: 'Nothing is found under this name' }];
  }

  async function handler(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? '/', 'http://x');
    if (url.pathname.startsWith('/v1/')) {
      const [status, value] = await rest(req, url);
      res.writeHead(status, { 'content-type': 'application/json' });
      res.end(value === undefined ? undefined : JSON.stringify(value));
      return;
    }
    const file = url.pathname === '/' ? '/index.html' : url.pathname.startsWith('/inspect') ? '/inspect.html' : url.pathname;
    const content = await readFile(join(root, file)).catch(() => undefined);
    res.writeHead(content === undefined ? 404 : 200, { 'content-type': TYPES[extname(file)] ?? 'text/plain' });
    res.end(content);
  }

  server = await startFakeServer({ handler: (req, res) => void handler(req, res), user: () => signedIn ?? null });
  const now = Date.now();
  const today = dayOf(now);
  for (const offset of [0, 1, 2]) {
    const day = dayOf(now + offset * 24 * HOUR);
    for (const r of rooms) showRoom(r.resourceId, day);
    add('garden', 'lena', at(day, 9), 60);
    add('garden', 'mara', at(day, 17), 90);
    add('loft', 'jonas', at(day, 12), 45);
    add('loft', 'tom', at(day, 18.5), 60);
    add('reformer', 'lena', at(day, 8), 30);
    add('reformer', 'lena', at(day, 15), 120);
  }
  for (const r of rooms)
    server.append(`resource:${r.resourceId}/anomalies`, {
      id: 'quiet',
      status: 'closed',
      severity: 'low',
      title: 'Use of the room was unusually high',
      explanation: '',
      monitor: 'x',
      value: 0.9,
      band: { lower: 0.3, upper: 0.7 },
      unit: '1',
      at: now - 5 * 24 * HOUR,
    });
  const days = Object.fromEntries(
    Array.from({ length: 30 }, (_, i) => [
      dayOf(now - (29 - i) * 24 * HOUR),
      { score: i === 29 ? 65.3308 : 68 + 14 * Math.sin(i / 4) - (i % 7) },
    ]),
  );
  const points = { sleep: 26.1817, hrv: 13.6697, rhr: 3.8128, activity: 15, mood: 6.6667 };
  let version = 1;
  const showProfile = (id: string, hidden: boolean): void =>
    server?.show(`user:${id}/profile`, {
      id,
      displayName: id,
      timeZone: 'Europe/Berlin',
      registeredAt: now,
      ...(hidden ? { hidden } : {}),
    });
  server.onCommand('user.update', (to, { hidden }: { hidden?: boolean }) => {
    showProfile(to.slice(5), hidden === true);
    return { ok: true, seq: (version += 1), reply: null };
  });
  for (const { id } of people) {
    if (id !== 'mara')
      server.append(`user:${id}/bookings`, {
        type: 'cancelled',
        bookingId: 'x',
        resourceId: 'x',
        start: '2026-01-01T00:00:00Z',
        end: '2026-01-01T01:00:00Z',
        sequence: 1,
        at: '2026-01-01T00:00:00Z',
      });
    server.show(`user:${id}/energy`, {
      day: today,
      status: 'ok',
      score: 65.3308,
      band: 'good',
      revision: 3,
      points,
      today,
      change: {
        score: -2.1,
        parts: { sleep: { points: -1.4 }, hrv: { points: -3.2 }, rhr: { points: 0.4 }, activity: { points: 2.1 }, mood: { points: 0 } },
      },
      confidenceLevel: 'high',
      days,
      confidence: 0.86,
      computedAt: now - 240_000,
    });
    showProfile(id, false);
    server.show(`user:${id}/devices`, {
      devices: {
        [`ring-${id}`]: { provider: 'simulator', label: 'Aria ring', state: 'connected.idle' },
        [`band-${id}`]: { provider: 'simulator', label: 'Pulse band', state: 'connected.stalled' },
      },
    });
    server.show(`device:ring-${id}/sync`, {
      state: 'connected.idle',
      lastSyncAt: now - 8 * 60_000,
      nextAt: now + 50 * 60_000,
      can: { self: ['device.sync'], staff: [] },
    });
    server.show(`device:band-${id}/sync`, {
      state: 'connected.stalled',
      lastSyncAt: now - 3 * 24 * HOUR,
      can: { self: ['device.sync'], staff: [] },
    });
    const alert = (
      n: number,
      severity: string,
      status: string,
      title: string,
      explanation: string,
      value: number,
      band: object,
      unit: string,
    ): object => ({
      type: 'alert.opened',
      id: `alert-${n}`,
      key: `k${n}`,
      monitor: `anomaly:user:${id}:m${n}`,
      owner: `user:${id}`,
      metric: 'hrv_rmssd',
      unit,
      status,
      severity,
      title,
      explanation,
      at: now - n * 47 * 60_000,
      openedAt: now - n * 47 * 60_000,
      value,
      expected: 50,
      band,
      ...(status === 'acknowledged' ? { ackAt: now - 20 * 60_000 } : {}),
    });
    server.append(`user:${id}/alerts`, alert(30, 'low', 'closed', 'Sleep was unusually short', '', 5.1, { lower: 6.2, upper: 8.4 }, 'h'));
    server.append(
      `user:${id}/alerts`,
      alert(
        2,
        'medium',
        'acknowledged',
        'Resting heart rate is unusually high',
        'Resting heart rate was 61 bpm; 53 bpm was expected, usually 50 to 57 bpm. Common with incomplete recovery, stress, heat or the start of an illness: consider an easy day.',
        61,
        { lower: 50, upper: 57 },
        'bpm',
      ),
    );
    server.append(
      `user:${id}/alerts`,
      alert(
        1,
        'high',
        'open',
        'Heart-rate variability (HRV) is unusually low',
        'Heart-rate variability (HRV) was 31 ms; 50 ms was expected, usually 44 to 57 ms. Common after hard training, short sleep, alcohol or at the start of an illness: ask before the next hard session.',
        31,
        { lower: 44, upper: 57 },
        'ms',
      ),
    );
    for (const n of [1, 2]) {
      const can = n === 1 ? ['anomaly.acknowledge', 'anomaly.feedback'] : ['anomaly.feedback'];
      server.show(`anomaly:user:${id}:m${n}/scores`, { condition: 'anomalous', alerting: 'open', can: { self: can, staff: can } });
    }
    server.onCommand('anomaly.acknowledge', (to) => {
      server?.append(`user:${to.split(':')[2]}/alerts`, {
        ...alert(1, 'high', 'acknowledged', 'Heart-rate variability (HRV) is unusually low', 'Seen.', 31, { lower: 44, upper: 57 }, 'ms'),
        ackAt: Date.now(),
      });
      return { ok: true, seq: 9, reply: { repeated: false }, ch: [`${to}/scores`] };
    });
    server.onCommand('device.sync', (to) => {
      server?.show(`${to}/sync`, { state: 'connected.syncing', lastSyncAt: now, can: { self: [], staff: [] } });
      setTimeout(
        () => server?.show(`${to}/sync`, { state: 'connected.idle', lastSyncAt: Date.now(), can: { self: ['device.sync'], staff: [] } }),
        1_500,
      ).unref();
      return { ok: true, seq: 2, reply: { runId: 'r1' }, ch: ['sync'] };
    });
  }
  return server;
}
