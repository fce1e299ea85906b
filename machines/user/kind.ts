import { z } from 'zod';
import type { ActorRef, Principal, Snap, StateValue } from '../../actors/define.ts';
import { command, defineActor, defineTopic, effect, personal, platformOnly, query } from '../../actors/define.ts';
import { isTimeZone } from '../../calc/time/civil.ts';
import { AlertItem, alertFacts } from '../anomaly/schema.ts';
import { DeviceHead } from '../biosync/schema.ts';
import { BookingItem } from '../booking/schema.ts';
import { notificationRows } from '../notifications/row.ts';
import { channelsOf } from '../notifications/rules.ts';
import {
  categories,
  Create,
  noNotices,
  NotificationItem,
  outcomes,
  Preferences,
  providers,
  SettingsView,
} from '../notifications/schema.ts';
import { ComputeInput, ComputeOutput, DevicesView, EnergyView, ProfileView, Reads, Seen, UserContext } from './schema.ts';
import { userMachine } from './user.machine.ts';

type S = Snap<UserContext>;

/** The person, and the staff of the studio who look after them. */
const selfOrStaff = (p: Principal, id: string): boolean => p.id === id || p.roles.includes('staff') || p.roles.includes('admin');
const self = (p: Principal, id: string): boolean => p.id === id || p.roles.includes('admin');
const idOf = (ref: ActorRef): string => ref.slice(ref.indexOf(':') + 1);

export function energyView({ context: c }: S): EnergyView {
  const at = c.latest === undefined ? undefined : c.days[c.latest.day];
  return {
    today: c.today,
    ...(c.latest ?? { status: 'waiting' as const }),
    ...(c.stale ? { stale: true as const } : {}),
    ...(at?.hrvMs === undefined ? {} : { hrvMs: at.hrvMs }),
    ...(at?.restingBpm === undefined ? {} : { restingBpm: at.restingBpm }),
    days: c.days,
  };
}

const profileView = ({ context: c }: S): ProfileView => ({
  id: c.id,
  displayName: c.displayName,
  timeZone: c.timeZone,
  registeredAt: c.registeredAt,
  ...(c.hidden === true ? { hidden: c.hidden } : {}),
});

const topic = { subject: 'user', version: 1 } as const;
const stateTopic = { ...topic, kind: 'state', conflateMs: 250 } as const;

export const energy = defineTopic({
  ...stateTopic,
  view: 'energy',
  schema: EnergyView,
  project: energyView,
  authorize: (p, at) => selfOrStaff(p, at.id),
});

export const devices = defineTopic({
  ...stateTopic,
  view: 'devices',
  schema: DevicesView,
  project: (s: S) => ({ devices: s.context.devices }),
  authorize: (p, at) => selfOrStaff(p, at.id),
});

export const profile = defineTopic({
  ...stateTopic,
  view: 'profile',
  schema: ProfileView,
  project: profileView,
  authorize: (p, at) => selfOrStaff(p, at.id),
  can: true,
});

export const alerts = defineTopic({
  ...topic,
  view: 'alerts',
  kind: 'log',
  item: AlertItem,
  authorize: (p, at) => selfOrStaff(p, at.id),
  retainDays: 90,
  retainItems: 10_000,
});

export const bookings = defineTopic({
  ...topic,
  view: 'bookings',
  kind: 'log',
  item: BookingItem,
  authorize: (p, at) => selfOrStaff(p, at.id),
  retainDays: 365,
  retainItems: 10_000,
});

export const notifications = defineTopic({
  ...topic,
  view: 'notifications',
  kind: 'log',
  item: NotificationItem,
  authorize: (p, at) => p.id === at.id,
  retainDays: 90,
  retainItems: 1_000,
});

const settingsView = ({ context: { preferences, endpoints } }: S): z.output<typeof SettingsView> => ({
  preferences,
  categories: Object.fromEntries(categories.map((c) => [c, channelsOf(preferences, c)])) as z.output<typeof SettingsView>['categories'],
  endpoints,
});

const name = z.string().trim().min(1).max(120).meta(personal);
const zone = z.string().max(64).refine(isTimeZone, 'must be a time zone of the tz database').meta(personal);
const fact = (input: z.ZodType) => command({ input, reply: z.null(), allow: platformOnly });
/** What devices and bookings tell: committed with what makes them say it, where both are at hand. */
const told = (input: z.ZodType) => command({ input, reply: z.null(), allow: platformOnly, fuse: true });
const none = z.strictObject({});

const regions = (value: StateValue): { readonly [region: string]: StateValue } => (typeof value === 'string' ? {} : value);

/** A person: `user:{id}`. */
export const user = defineActor<UserContext>({
  kind: 'user',
  version: 3,
  machine: userMachine,
  retention: { journal: '90d' },
  context: UserContext,
  maps: { devices: 1, days: 1, reads: 1, notices: 1, endpoints: 1 },
  visible: (p, ref) => selfOrStaff(p, idOf(ref)),
  owner: (ref) => idOf(ref),
  commands: {
    'user.register': fact(z.strictObject({ displayName: name, timeZone: zone })),
    'user.update': command({
      offline: 'queue',
      input: z.strictObject({ displayName: name.optional(), timeZone: zone.optional(), hidden: z.boolean().optional() }),
      reply: z.null(),
      allow: (p, ref) => platformOnly(p) || self(p, idOf(ref)),
    }),
    'notification.seen': command({
      input: Seen,
      reply: z.strictObject({ s: z.number().int() }),
      allow: (p, ref) => p.id === idOf(ref),
    }),
    'notification.create': told(Create),
    'notification.withdraw': told(z.strictObject({ collapseKey: z.string().min(1).max(120) })),
    'notification.unwatched': fact(z.strictObject({ id: z.uuid() })),
    'notification.configure': command({
      offline: 'queue',
      input: z.strictObject({ preferences: Preferences }),
      reply: z.null(),
      allow: (p, ref) => p.id === idOf(ref),
    }),
    'endpoint.registered': fact(z.strictObject({ endpointId: z.uuid(), provider: z.enum(providers) })),
    'endpoint.removed': fact(z.strictObject({ endpointId: z.uuid() })),
    'delivery.finished': fact(z.strictObject({ id: z.uuid(), endpointId: z.uuid(), outcome: z.enum(outcomes) })),
    'device.changed': told(z.strictObject({ device: DeviceHead })),
    'device.removed': told(z.strictObject({ deviceId: z.string() })),
    'data.committed': fact(z.strictObject({ days: z.array(z.iso.date()).max(4_000) })),
    'booking.noted': told(z.strictObject({ item: BookingItem })),
    ...alertFacts,
  },
  queries: {
    energy: query<UserContext>({ input: none, output: EnergyView, run: energyView }),
    devices: query<UserContext>({ input: none, output: DevicesView, run: (s) => ({ devices: s.context.devices }) }),
    reads: query<UserContext>({ input: none, output: Reads, run: (s) => s.context.reads, allow: (p, ref) => p.id === idOf(ref) }),
    notifications: query<UserContext>({
      input: none,
      output: SettingsView,
      run: settingsView,
      allow: (p, ref) => platformOnly(p) || p.id === idOf(ref),
    }),
    profile: query<UserContext>({ input: none, output: ProfileView, run: profileView }),
  },
  effects: {
    computeScores: effect({
      input: ComputeInput,
      output: ComputeOutput,
      timeout: 30_000,
      retry: { attempts: 1, base: 1_000, factor: 2, max: 8_000 },
      concurrency: 4,
    }),
  },
  topics: [energy, devices, profile, alerts, bookings, notifications],
  companions: { notifications: notificationRows },
  create: ['user.register'],
  migrations: {
    1: (s) => ({ ...s, context: { ...s.context, reads: {} } }),
    2: (s) => ({ ...s, value: { ...regions(s.value), notifications: 'idle' }, context: { ...s.context, ...noNotices } }),
  },
});
