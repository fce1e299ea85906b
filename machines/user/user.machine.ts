/**
 * One person. Region `account` knows who it is, `scoring` keeps the energy score in step with the data, `calendar` knows what day it is there,
 * `notifications` decides whom to call and when (machines/notifications).
 *
 * Invariants: U1 a computation covers every day that changed before it began · U2 at most one computation runs · U3 a day that changes while
 * one runs is computed after it · U4 `latest` is the newest day with a score, or the newest day when none has one · U5 `days` holds at most
 * sixty days · U6 a monitor is told a daily value once per value.
 */
import { assign, enqueueActions, setup } from 'xstate';
import { kernel, effectRef } from '../../actors/define.ts';
import { last, now, selfId } from '../../actors/scope.ts';
import { addDays, dayBounds, localDate } from '../../calc/time/civil.ts';
import type { AlertFact } from '../anomaly/schema.ts';
import type { DeviceHead } from '../biosync/schema.ts';
import type { BookingItem } from '../booking/schema.ts';
import { alertNotice, alertOver } from '../notifications/alerts.ts';
import * as flow from '../notifications/flow.ts';
import { perform } from '../notifications/perform.ts';
import type { Create, EndpointHead, Preferences } from '../notifications/schema.ts';
import { noNotices } from '../notifications/schema.ts';
import { monitorTells } from './monitors.ts';
import type { ComputeOutput, Score, ScoreResult, UserContext } from './schema.ts';
import type { ComputeInput } from './schema.ts';
import type { z } from 'zod';

export const CHART_DAYS = 60;
const SETTLE_MS = 250;
const SETTLE_MAX_MS = 2_000;
const MAX_ATTEMPTS = 5;
const MOST_READS = 64;

export type UserEvent =
  | { readonly type: 'user.register'; readonly displayName: string; readonly timeZone: string }
  | { readonly type: 'user.update'; readonly displayName?: string; readonly timeZone?: string; readonly hidden?: boolean }
  | { readonly type: 'device.changed'; readonly device: DeviceHead }
  | { readonly type: 'device.removed'; readonly deviceId: string }
  | { readonly type: 'notification.seen'; readonly topic: string; readonly s: number; readonly how: string }
  | ({ readonly type: 'notification.create' } & Create)
  | { readonly type: 'notification.withdraw'; readonly collapseKey: string }
  | { readonly type: 'notification.unwatched'; readonly id: string }
  | { readonly type: 'notification.configure'; readonly preferences: Preferences }
  | { readonly type: 'endpoint.registered'; readonly endpointId: string; readonly provider: EndpointHead['provider'] }
  | { readonly type: 'endpoint.removed'; readonly endpointId: string }
  | ({ readonly type: 'delivery.finished' } & flow.Finished)
  | { readonly type: 'notices.changed' }
  | { readonly type: 'data.committed'; readonly days: readonly string[] }
  | { readonly type: 'booking.noted'; readonly item: BookingItem }
  | AlertFact;

const alertOf = (event: UserEvent): AlertFact['item'] => as(event, 'alert.opened', 'alert.updated', 'alert.closed').item;

interface Args {
  readonly context: UserContext;
  readonly event: UserEvent;
}

type Of<T extends UserEvent['type']> = Extract<UserEvent, { type: T }>;
const as = <T extends UserEvent['type']>(event: UserEvent, ..._types: T[]): Of<T> => event as Of<T>;
type Range = { readonly from: string; readonly to: string };

function span(a: Range | undefined, b: Range | undefined): Range | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return { from: a.from < b.from ? a.from : b.from, to: a.to > b.to ? a.to : b.to };
}

const rangeOf = (days: readonly string[]): Range | undefined => {
  const sorted = days.toSorted();
  const [from, to] = [sorted[0], sorted.at(-1)];
  return from === undefined || to === undefined ? undefined : { from, to };
};

/** The result of the invocation; its done event is typed by the kernel, not by the union of commands. */
const outputOf = (event: unknown): readonly ScoreResult[] => (event as { output: ComputeOutput }).output.results;

/** U4 */
function newest(latest: Score | undefined, results: readonly ScoreResult[]): Score | undefined {
  let best = latest;
  for (const { score } of results) {
    const later = best === undefined || score.day >= best.day;
    if (best === undefined || score.day === best.day || (later && (score.status === 'ok' || best.status !== 'ok'))) best = score;
  }
  return best;
}

/** Start of the bucket of a local day: midnight UTC of its date, or local midnight where that has not come yet. */
const bucket = (zone: string, day: string): number => {
  const utc = Date.parse(`${day}T00:00:00Z`);
  return utc <= now() ? utc : dayBounds(zone, day)[0];
};

/** An alert of one of the person's monitors: an item of its log, and a call where it is worth one. */
const told = {
  actions: [
    { type: 'publish', params: ({ event }: Args) => ({ view: 'alerts' as const, item: alertOf(event) }) },
    'heedAlert',
    { type: 'reply', params: null },
  ],
} as const;

const machine = setup({
  types: {
    context: {} as UserContext,
    events: {} as UserEvent,
    input: {} as { id: string },
  },
  actors: { computeScores: effectRef<z.input<typeof ComputeInput>, ComputeOutput>('computeScores') },
  delays: {
    SETTLE: ({ context }) => Math.max(1, Math.min(SETTLE_MS, context.dirtySince + SETTLE_MAX_MS - now())),
    BACKOFF: ({ context }) => 1_000 * 2 ** (context.attempts - 1),
    NOTICE: ({ context }) => Math.max(1, (flow.nextDue(context) ?? 0) - now()),
    MIDNIGHT: ({ context }) => dayBounds(context.timeZone, localDate(context.timeZone, now()))[1] - now() + 1,
  },
  guards: {
    dirty: ({ context }) => context.dirty !== undefined,
    named: ({ event }) => rangeOf(as(event, 'data.committed').days) !== undefined,
    awaitsNotice: ({ context }) => flow.nextDue(context) !== undefined,
    mayRetry: ({ context }) => context.attempts < MAX_ATTEMPTS,
  },
  actions: {
    ...kernel.actions,
    register: assign(({ event }) => {
      const e = as(event, 'user.register');
      return { displayName: e.displayName, timeZone: e.timeZone, registeredAt: now() };
    }),
    update: assign(({ context, event }) => {
      const e = as(event, 'user.update', 'user.register');
      const kept = { displayName: e.displayName ?? context.displayName, timeZone: e.timeZone ?? context.timeZone };
      if (e.type === 'user.register' || e.hidden === undefined) return kept;
      return { ...kept, hidden: e.hidden ? (true as const) : undefined };
    }),
    noteToday: assign(({ context }) => ({ today: localDate(context.timeZone, now()) })),
    setDevice: assign(({ context, event }) => {
      const { device } = as(event, 'device.changed');
      return { devices: { ...context.devices, [device.id]: device } };
    }),
    dropDevice: assign(({ context, event }) => ({
      devices: Object.fromEntries(Object.entries(context.devices).filter(([id]) => id !== as(event, 'device.removed').deviceId)),
    })),
    noteSeen: assign(({ context, event }) => {
      const { topic, s } = as(event, 'notification.seen');
      const { [topic]: before = 0, ...others } = context.reads;
      const kept = Object.entries(others).slice(1 - MOST_READS);
      return { reads: { ...Object.fromEntries(kept), [topic]: Math.max(before, s) } };
    }),
    merge: assign(({ context, event }) => ({
      dirty: span(context.dirty, rangeOf(as(event, 'data.committed').days)),
      dirtySince: context.dirty === undefined ? now() : context.dirtySince,
    })),
    take: assign(({ context }) => ({ computing: context.dirty, dirty: undefined })),
    giveBack: assign(({ context }) => ({
      dirty: span(context.dirty, context.computing),
      computing: undefined,
      dirtySince: now(),
      attempts: context.attempts + 1,
    })),
    lapse: assign({ stale: true }),
    store: assign(({ context, event }) => {
      const results = outputOf(event);
      const oldest = addDays(context.today === '' ? localDate(context.timeZone, now()) : context.today, -CHART_DAYS + 1);
      const days = { ...context.days };
      for (const { score, point } of results) days[score.day] = point;
      return {
        computing: undefined,
        attempts: 0,
        stale: false,
        latest: newest(context.latest, results),
        days: Object.fromEntries(Object.entries(days).filter(([day]) => day >= oldest)),
      };
    }),
    createNotice: enqueueActions(({ context, event, enqueue }) =>
      perform(enqueue, flow.create(context, as(event, 'notification.create'), { now: now(), last: last('notifications') })),
    ),
    heedAlert: enqueueActions(({ context, event, enqueue }) => {
      const item = alertOf(event);
      const wanted = alertNotice(item, now());
      const over = alertOver(item);
      if (wanted !== undefined) perform(enqueue, flow.create(context, wanted, { now: now(), last: last('notifications') }));
      else if (over !== undefined) perform(enqueue, flow.withdraw(context, over, now()));
    }),
    withdrawNotice: enqueueActions(({ context, event, enqueue }) =>
      perform(enqueue, flow.withdraw(context, as(event, 'notification.withdraw').collapseKey, now())),
    ),
    hurryNotice: enqueueActions(({ context, event, enqueue }) =>
      perform(enqueue, flow.unwatched(context, as(event, 'notification.unwatched').id, now())),
    ),
    acknowledgeNotices: enqueueActions(({ context, event, enqueue }) => {
      const { topic, s } = as(event, 'notification.seen');
      if (topic === `user:${selfId()}/notifications`) perform(enqueue, flow.seen(context, s, now()));
    }),
    lookAtNotices: enqueueActions(({ context, enqueue }) => perform(enqueue, flow.due(context, now()))),
    configureNotices: enqueueActions(({ context, event, enqueue }) =>
      perform(enqueue, flow.configured(context, as(event, 'notification.configure').preferences, now())),
    ),
    addEndpoint: enqueueActions(({ context, event, enqueue }) => {
      const { endpointId, provider } = as(event, 'endpoint.registered');
      perform(enqueue, flow.registered(context, endpointId, { provider, at: now() }, now()));
    }),
    dropEndpoint: enqueueActions(({ context, event, enqueue }) =>
      perform(enqueue, flow.removed(context, as(event, 'endpoint.removed').endpointId, now())),
    ),
    finishDelivery: enqueueActions(({ context, event, enqueue }) =>
      perform(enqueue, flow.finished(context, as(event, 'delivery.finished'), now())),
    ),
    /** before `store`: compares with what was known (U6) */
    observe: enqueueActions(({ context, event, enqueue }) => {
      const tells = monitorTells(context.days, outputOf(event), (day) => bucket(context.timeZone, day));
      for (const { metric, type, payload } of tells)
        enqueue({ type: 'tell', params: { to: `anomaly:user:${selfId()}:${metric}`, type, payload } });
    }),
    /** before `store`: the newest score, when it is new or revised, goes to the outgoing webhooks */
    announce: enqueueActions(({ context, event, enqueue }) => {
      const score = newest(context.latest, outputOf(event));
      if (score === undefined || (score.day === context.latest?.day && score.revision === context.latest.revision)) return;
      const data = {
        type: 'score.updated',
        eventId: `score_${selfId()}_${score.day}_${score.revision}`,
        at: now(),
        data: { userId: selfId(), ...score },
      };
      enqueue({ type: 'job', params: { queue: 'webhook', name: 'webhook.publish', data } });
    }),
  },
}).createMachine({
  id: 'user',
  type: 'parallel',
  context: ({ input }) => ({
    id: input.id,
    displayName: '',
    timeZone: 'UTC',
    registeredAt: 0,
    devices: {},
    days: {},
    reads: {},
    ...noNotices,
    dirtySince: 0,
    attempts: 0,
    stale: false,
    today: '',
  }),
  on: {
    'device.changed': { actions: ['setDevice', { type: 'reply', params: null }] },
    'device.removed': { actions: ['dropDevice', { type: 'reply', params: null }] },
    'booking.noted': {
      actions: [
        { type: 'publish', params: ({ event }: Args) => ({ view: 'bookings', item: as(event, 'booking.noted').item }) },
        { type: 'reply', params: null },
      ],
    },
    'alert.opened': told,
    'alert.updated': told,
    'alert.closed': told,
  },
  states: {
    account: {
      initial: 'unknown',
      states: {
        unknown: { on: { 'user.register': { target: 'active', actions: ['register', { type: 'reply', params: null }] } } },
        active: {
          meta: { resting: 'a person who has registered stays one' },
          on: {
            'user.register': { actions: ['update', { type: 'reply', params: null }] },
            'user.update': { actions: ['update', { type: 'reply', params: null }] },
          },
        },
      },
    },
    calendar: {
      initial: 'unknown',
      states: {
        unknown: { on: { 'user.register': 'known' } },
        known: {
          entry: 'noteToday',
          after: { MIDNIGHT: { target: 'known', reenter: true } },
          on: { 'user.register': { target: 'known', reenter: true }, 'user.update': { target: 'known', reenter: true } },
        },
      },
    },
    notifications: {
      initial: 'idle',
      states: {
        idle: { meta: { resting: 'nothing is to be looked at' } },
        waiting: { after: { NOTICE: { actions: 'lookAtNotices' } } },
      },
      on: {
        'notices.changed': [{ guard: 'awaitsNotice', target: '.waiting', reenter: true }, { target: '.idle' }],
        'notification.create': { actions: ['createNotice', { type: 'reply', params: null }] },
        'notification.withdraw': { actions: ['withdrawNotice', { type: 'reply', params: null }] },
        'notification.unwatched': { actions: ['hurryNotice', { type: 'reply', params: null }] },
        'notification.configure': { actions: ['configureNotices', { type: 'reply', params: null }] },
        'endpoint.registered': { actions: ['addEndpoint', { type: 'reply', params: null }] },
        'endpoint.removed': { actions: ['dropEndpoint', { type: 'reply', params: null }] },
        'delivery.finished': { actions: ['finishDelivery', { type: 'reply', params: null }] },
        'notification.seen': {
          actions: [
            'noteSeen',
            'acknowledgeNotices',
            { type: 'reply', params: ({ context, event }: Args) => ({ s: context.reads[as(event, 'notification.seen').topic] ?? 0 }) },
          ],
        },
      },
    },
    scoring: {
      initial: 'fresh',
      states: {
        fresh: {
          on: {
            'data.committed': [
              { guard: 'named', target: 'stale', actions: ['merge', { type: 'reply', params: null }] },
              { actions: { type: 'reply', params: null } },
            ],
          },
        },
        stale: {
          after: { SETTLE: 'computing' },
          on: { 'data.committed': { target: 'stale', reenter: true, actions: ['merge', { type: 'reply', params: null }] } },
        },
        computing: {
          entry: 'take',
          invoke: {
            id: 'scores',
            src: 'computeScores',
            input: ({ context }) => ({
              userId: context.id,
              timeZone: context.timeZone,
              from: context.computing?.from ?? context.today,
              to: context.computing?.to ?? context.today,
            }),
            onDone: [
              { guard: 'dirty', target: 'stale', actions: ['observe', 'announce', 'store'] },
              { target: 'fresh', actions: ['observe', 'announce', 'store'] },
            ],
            onError: { target: 'failed', actions: 'giveBack' },
          },
          on: { 'data.committed': { actions: ['merge', { type: 'reply', params: null }] } },
        },
        failed: {
          always: [{ guard: 'mayRetry', target: 'backingOff' }, { target: 'degraded' }],
        },
        backingOff: {
          after: { BACKOFF: 'computing' },
          on: { 'data.committed': { actions: ['merge', { type: 'reply', params: null }] } },
        },
        degraded: {
          entry: 'lapse',
          after: { 900_000: 'computing' },
          on: { 'data.committed': { target: 'computing', actions: ['merge', { type: 'reply', params: null }] } },
        },
      },
    },
  },
});

export const userMachine = machine;
