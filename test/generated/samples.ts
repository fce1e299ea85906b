/** What the schemas cannot say: ids that must fit together, times that matter, and who the people around an actor are. */
import type { Principal } from '../../actors/define.ts';
import { shortId } from '../../calc/uuid.ts';
import type { MonitorContext } from '../../machines/anomaly/state.ts';
import type { BookingContext } from '../../machines/booking/booking.state.ts';
import type { ResourceContext } from '../../machines/booking/resource.state.ts';
import type { BreakerContext } from '../../machines/breaker/schema.ts';
import type { UserContext } from '../../machines/user/schema.ts';
import { NewResource } from '../../machines/booking/schema.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** a Monday morning in Berlin */
const NOW = Date.UTC(2027, 2, 1, 8);
const TODAY = Date.UTC(2027, 2, 1);

/** What inputs may depend on. `n` tells the actors of a run apart. */
export interface Given<C> {
  readonly n: number;
  readonly id: string;
  /** of an actor that is not born yet it is empty */
  readonly context: C;
}

export interface Input {
  readonly given: object;
  /** not before this time, epoch ms */
  readonly at?: number;
}

// oxlint-disable-next-line typescript/no-explicit-any -- contexts of different kinds
type AnyContext = any;

export interface Samples<C = AnyContext> {
  /** epoch ms at birth */
  readonly now: number;
  /** keys of the context whose values lead to states of their own */
  readonly tells: readonly string[];
  /** ways, by the beginnings of labels, to states that only many repetitions reach */
  readonly routes: readonly (readonly string[])[];
  /** id of the n-th actor */
  id(n: number): string;
  /** who sends commands beside the platform */
  people(g: Given<Partial<C>>): Principal[];
  /** makes what a companion table holds once differ: between actors, and between the events of one */
  adapt?(type: string, payload: object, unique: string): object;
  /** inputs by command, before those that the schema gives */
  inputs(g: Given<Partial<C>>): { readonly [command: string]: readonly Input[] };
}

const person = (id: string, ...roles: string[]): Principal => ({ kind: 'user', id, roles: ['user', ...roles] });
const uuid = (n: number, k = 0): string => `00000000-0000-4000-8000-${String(n * 100 + k).padStart(12, '0')}`;
/** a person beside those that are actors of a run */
const OWNER = uuid(999_999);
const each = (...given: object[]): Input[] => given.map((one) => ({ given: one }));

const repeated = (times: number, ...labels: string[]): string[] => Array.from({ length: times }, () => labels).flat();

const QUIET = [62, 64, 60, 63, 61, 60, 64];
const month = (end: number): object[] => Array.from({ length: 30 }, (_, i) => ({ t: end - (30 - i) * DAY, v: QUIET[i % 7] }));

const anomaly: Samples<MonitorContext> = {
  now: NOW,
  tells: [],
  routes: [
    // a cautious monitor: two points that are a little high
    ['anomaly.backfill#0 by system', 'anomaly.configure#0 by system', 'anomaly.observe#1 by system', 'anomaly.observe#1 by system'],
  ],
  id: (n) => `user:u${n}:resting_heart_rate`,
  people: ({ n }) => [person(`u${n}`), person('coach', 'staff')],
  inputs: ({ context: c }) => {
    const t = (c.lastT ?? TODAY - 2 * DAY) + DAY;
    const alertId = c.alert?.id;
    const point = (v: number | null, more: object = {}): Input => ({ given: { t, v, ...more }, at: t + 8 * HOUR });
    const alert = (more: object): Input[] => (alertId === undefined || alertId === null ? [] : each({ alertId, ...more }));
    return {
      'anomaly.observe': [62, 66, 78, 120, 30, null]
        .map((v) => point(v))
        .concat(point(62, { quality: 'invalid' }), { given: { t: NOW * 2, v: 1 } }),
      'anomaly.backfill': each({ points: month(TODAY) }, { points: month(TODAY - 20 * DAY) }),
      'anomaly.acknowledge': alert({}),
      'anomaly.resolve': alert({}),
      'anomaly.feedback': [...alert({ label: 'false_positive' }), ...alert({ label: 'true_positive' })],
      'anomaly.configure': each({ patch: { z0: 2, confirmPoints: 2, confirmPointsHigh: 2, minSeverity: 'low' } }),
      'anomaly.mute': each({ forMs: HOUR, reason: 'x' }),
    };
  },
};

const booking: Samples<BookingContext> = {
  now: NOW,
  tells: ['outcome'],
  routes: [],
  id: (n) => uuid(n),
  people: ({ context: c }) => [person(c.userId === undefined || c.userId === '' ? 'mia' : c.userId), person('coach', 'staff')],
  inputs: ({ context: c }) => {
    const claims = [c.claim?.id, c.next?.claim.id].filter((id) => id !== undefined);
    const about = (...more: object[]): Input[] => claims.flatMap((claimId) => more.map((m) => ({ given: { claimId, ...m } })));
    const start = new Date(NOW + 2 * DAY).toISOString();
    return {
      'booking.request': each({ start, durationMin: 60 }, { start, durationMin: 60, holdOnly: true }),
      'claim.held': about({ unit: 0, confirmed: false }, { unit: 0, confirmed: true }),
      ...Object.fromEntries(['confirmed', 'swapped', 'released', 'lost', 'inquire'].map((fact) => [`claim.${fact}`, about({})])),
    };
  },
};

const breaker: Samples<BreakerContext> = {
  now: NOW,
  tells: [],
  routes: [
    ['calls.reported#0 by system', 'calls.reported#1 by system', 'timer xstate.after.WAIT', ...repeated(3, 'probe.succeeded#0 by system')],
  ],
  id: (n) => n.toString(16).padStart(20, '0'),
  people: () => [person('coach', 'staff'), person('boss', 'admin'), { kind: 'actor', id: 'device:x', roles: [] }],
  inputs: ({ context: c }) => {
    const batch = { name: 'provider:test', rules: 'remote', slow: 0, broken: true, tripped: false };
    return {
      'calls.reported': each(
        { ...batch, calls: 3, failures: 0, streak: 0 },
        { ...batch, calls: 5, failures: 5, streak: 5, broken: false },
        { ...batch, calls: 1, failures: 1, streak: 1, tripped: true },
      ),
      'probe.succeeded': each({ of: null }, { of: c.rev ?? 0 }),
      'probe.failed': each({ of: null }, { of: c.rev ?? 0 }),
    };
  },
};

const device: Samples = {
  now: NOW,
  adapt: (type, payload, unique) => (type === 'data.ingested' ? { ...payload, id: unique } : payload),
  tells: [],
  routes: [
    [
      'device.connect#0 by system',
      'connect.succeeded#0 by system',
      'device.sync#0 by system',
      'error page',
      ...repeated(7, 'timer xstate.after.BACKOFF', 'error page'),
    ],
  ],
  id: (n) => uuid(n),
  people: () => [person(OWNER), person('boss', 'admin')],
  inputs: () => ({
    'device.connect': each({ userId: OWNER, provider: 'simulator', label: 'Ring', timeZone: 'Europe/Berlin' }),
    'connect.succeeded': each({ providerUserId: 'mia', scopes: ['sleep'], missing: [] }),
  }),
};

const resource: Samples<ResourceContext> = {
  now: NOW,
  tells: [],
  routes: [],
  id: (n) => `room-${n}`,
  people: () => [person('coach', 'staff'), person('boss', 'admin')],
  inputs: ({ n, context: c }) => {
    const { resourceId: _id, ...config } = NewResource.parse({ resourceId: 'x', name: 'Room', timeZone: 'Europe/Berlin' });
    const start = NOW + DAY;
    const hold = { start, end: start + HOUR, qty: 1, backstopAt: NOW + HOUR };
    const claims = [...new Set(Object.values(c.days ?? {}).flatMap((day) => Object.keys(day)))].slice(0, 2);
    const about = (more: object = {}): Input[] => claims.map((claimId) => ({ given: { claimId, ...more } }));
    const [first = shortId(uuid(n, 1)), second = shortId(uuid(n, 2))] = claims;
    return {
      'resource.create': each({ no: n, config }),
      'resource.configure': each({ patch: { capacity: 2 } }, { patch: {}, expectedRev: 99 }),
      'resource.block': each(
        { blockId: uuid(n, 9), start, end: start + HOUR },
        { blockId: uuid(n, 9), start, end: start + HOUR, force: true },
      ),
      'resource.unblock': each({ blockId: uuid(n, 9) }),
      'claim.hold': each(
        { ...hold, claimId: shortId(uuid(n, 1)), bookingId: uuid(n, 11) },
        { ...hold, claimId: shortId(uuid(n, 1)), bookingId: uuid(n, 11), confirm: true },
        { ...hold, claimId: shortId(uuid(n, 2)), bookingId: uuid(n, 12), start: start + 2 * HOUR, end: start + 3 * HOUR },
      ),
      'claim.confirm': about(),
      'claim.release': about(),
      'claim.swap': each({ newClaimId: first, oldClaimId: second }, { newClaimId: second, oldClaimId: first }),
      'claim.answer': ['pending', 'confirmed', 'aborted'].flatMap((answer) => about({ answer })),
    };
  },
};

const user: Samples<UserContext> = {
  now: NOW,
  tells: [],
  routes: [
    [
      'user.register#0 by system',
      'data.committed#0 by system',
      'timer xstate.after.SETTLE',
      'error scores',
      ...repeated(4, 'timer xstate.after.BACKOFF', 'error scores'),
    ],
    [
      'user.register#0 by system',
      'endpoint.registered#0 by system',
      'notification.create#0 by system',
      'timer xstate.after.NOTICE',
      'delivery.finished#0 by system',
    ],
  ],
  id: (n) => uuid(n),
  people: ({ id }) => [person(id), person('boss', 'admin')],
  inputs: ({ n, id, context: c }) => {
    const notice = {
      category: 'booking_update',
      severity: 'info',
      collapseKey: 'a',
      titleKey: 'push.test',
      args: {},
      expiresAt: NOW + 40 * DAY,
    };
    const quiet = { from: '00:00', to: '23:59', bypassCritical: false };
    const pushed = Object.entries(c.notices ?? {}).find(([, one]) => one.state === 'pushing')?.[0] ?? uuid(n, 1);
    return {
      'user.register': each({ displayName: 'Mia', timeZone: 'Europe/Berlin' }),
      'endpoint.registered': each({ endpointId: uuid(n, 5), provider: 'log' }),
      'endpoint.removed': each({ endpointId: uuid(n, 5) }),
      'notification.create': each(
        { ...notice, id: uuid(n, 1) },
        { ...notice, id: uuid(n, 2), category: 'marketing' },
        { ...notice, id: uuid(n, 3), severity: 'critical' },
      ),
      'notification.configure': each({ preferences: { categories: {}, quiet, digestAt: '12:00' } }),
      'notification.seen': each({ topic: `user:${id}/notifications`, s: 1, how: 'rendered' }),
      'notification.withdraw': each({ collapseKey: 'a' }),
      'delivery.finished': each(
        { id: pushed, endpointId: uuid(n, 5), outcome: 'sent' },
        { id: pushed, endpointId: uuid(n, 5), outcome: 'gone' },
      ),
    };
  },
};

export const samples: { readonly [kind: string]: Samples } = { anomaly, booking, breaker, device, resource, user };
