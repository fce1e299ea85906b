/** What the notifications of a person are made of (realtime R14). Times are epoch ms, times of day `HH:MM` on the person's clock. */
import { z } from 'zod';
import { personal } from '../../actors/define.ts';

export const categories = [
  'daily_summary',
  'recovery_alert',
  'weekly_report',
  'device_attention',
  'booking_update',
  'booking_reminder',
  'anomaly_alert',
  'job_done',
  'security',
  'marketing',
] as const;

export const Category = z.enum(categories);
export type Category = z.infer<typeof Category>;

export const Severity = z.enum(['info', 'warning', 'critical']);
export type Severity = z.infer<typeof Severity>;

/** What fills the words of a text; at most 8, each at most 500 characters. */
export const Args = z
  .record(z.string().regex(/^[a-z][A-Za-z0-9]{0,30}$/), z.union([z.string().max(500), z.number()]))
  .refine((args) => Object.keys(args).length <= 8, 'at most 8')
  .meta(personal);

/** A path of our own pages: a notification leads nowhere else. */
export const Href = z
  .string()
  .max(300)
  .regex(/^\/(?![/\\])/);

/** What a module asks for. The same `id` is told once. */
export const Create = z.strictObject({
  id: z.uuid().lowercase(),
  category: Category,
  severity: Severity,
  /** a newer notification with the same key replaces one that has not gone out */
  collapseKey: z.string().min(1).max(120),
  /** of the texts in `texts.ts` */
  titleKey: z.string().min(1).max(60),
  args: Args,
  href: Href.optional(),
  /** after it nobody is called any more; default a day */
  expiresAt: z.int().optional(),
});
export type Create = z.infer<typeof Create>;

/** An item of `user:{id}/notifications`. */
export const NotificationItem = z.strictObject({
  id: z.string(),
  category: Category,
  severity: Severity,
  collapseKey: z.string(),
  titleKey: z.string(),
  args: Args,
  /** the texts in English, for those who have none of their own */
  title: z.string().meta(personal),
  body: z.string().meta(personal),
  href: z.string().optional(),
  at: z.int(),
  expiresAt: z.int(),
});
export type NotificationItem = z.infer<typeof NotificationItem>;

export const noticeStates = ['live', 'deferred', 'digested', 'pushing', 'sent', 'failed', 'acknowledged', 'suppressed', 'expired'] as const;

/** A notification that somebody still has to do with; those that are over stand in the table only. */
export const Notice = z.strictObject({
  seq: z.int(),
  state: z.enum(['live', 'deferred', 'digested', 'pushing', 'sent']),
  category: Category,
  severity: Severity,
  collapseKey: z.string(),
  titleKey: z.string(),
  args: Args,
  href: z.string().optional(),
  at: z.int(),
  expiresAt: z.int(),
  /** when it is looked at next */
  due: z.int().optional(),
  /** endpoints whose outcome is awaited, and those that have it */
  waits: z.array(z.string()).optional(),
  shown: z.array(z.string()).optional(),
  /** the digest that it leads: ids of the others in it */
  digest: z.array(z.string()).optional(),
});
export type Notice = z.infer<typeof Notice>;

export const providers = ['webpush', 'fcm', 'apns', 'log', 'email'] as const;

/** A browser, an app or a verified address that can be called. Its token is kept by the server, encrypted. */
export const EndpointHead = z.strictObject({ provider: z.enum(providers), at: z.int() });
export type EndpointHead = z.infer<typeof EndpointHead>;

const Time = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/);

/** Of one category. `push`: browsers and apps; `full`: vendors of push services and mailboxes may see the text. */
export const Channels = z.strictObject({
  inapp: z.boolean(),
  push: z.boolean(),
  email: z.boolean(),
  full: z.boolean(),
});
export type Channels = z.infer<typeof Channels>;

export const Preferences = z.strictObject({
  /** what differs from the defaults */
  categories: z.partialRecord(Category, Channels.partial()),
  /** absent: never quiet. From = to is never, too */
  quiet: z.strictObject({ from: Time, to: Time, bypassCritical: z.boolean().default(true) }).optional(),
  digestAt: Time.default('18:00'),
});
export type Preferences = z.infer<typeof Preferences>;

export const outcomes = ['sent', 'failed', 'gone'] as const;

/** What the person's actor keeps. */
export const NotifyState = z.strictObject({
  notices: z.record(z.string(), Notice),
  endpoints: z.record(z.string(), EndpointHead),
  preferences: Preferences,
  /** pushes that count: when, in the last hour; and how many on the day, by group of categories */
  pushed: z.strictObject({ at: z.array(z.int()), day: z.string(), groups: z.record(z.string(), z.int()) }),
  digestDue: z.int().optional(),
});
export type NotifyState = z.infer<typeof NotifyState>;

export const noNotices: NotifyState = {
  notices: {},
  endpoints: {},
  preferences: { categories: {}, digestAt: '18:00' },
  pushed: { at: [], day: '', groups: {} },
};

/** What is to be sent to one endpoint. Ids, not texts. */
export const SendJob = z.strictObject({
  userId: z.string(),
  id: z.uuid().lowercase(),
  endpointId: z.uuid(),
  /** the vendor may see the text */
  full: z.boolean(),
  /** notifications that this push stands for, when it is a digest */
  digest: z.int().optional(),
});
export type SendJob = z.infer<typeof SendJob>;

export const RetractJob = z.strictObject({ userId: z.string(), endpointId: z.uuid(), collapseKey: z.string() });
export type RetractJob = z.infer<typeof RetractJob>;

export const SettingsView = z.strictObject({
  preferences: Preferences,
  /** as they are in force, defaults and all */
  categories: z.record(Category, Channels),
  endpoints: z.record(z.string(), EndpointHead),
});
