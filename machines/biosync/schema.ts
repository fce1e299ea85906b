import { z } from 'zod';
import { personal } from '../../actors/define.ts';

/** Providers of wearable data that the intake knows. `simulator` is built in, `standard` is any sender of Standard Webhooks. */
export const ProviderId = z.enum(['simulator', 'standard']);
export type ProviderId = z.infer<typeof ProviderId>;

export const Day = z.iso.date();

export const Counts = z.strictObject({
  inserted: z.number().int(),
  updated: z.number().int(),
  duplicate: z.number().int(),
  stale: z.number().int(),
  rejected: z.number().int(),
});
export type Counts = z.infer<typeof Counts>;

export const noCounts: Counts = { inserted: 0, updated: 0, duplicate: 0, stale: 0, rejected: 0 };

export function addCounts(a: Counts, b: Counts): Counts {
  return {
    inserted: a.inserted + b.inserted,
    updated: a.updated + b.updated,
    duplicate: a.duplicate + b.duplicate,
    stale: a.stale + b.stale,
    rejected: a.rejected + b.rejected,
  };
}

/** What a device tells its user's actor whenever it changes: an entry of the view `user:{id}/devices`. Times are epoch ms. */
export const DeviceHead = z.strictObject({
  id: z.string(),
  provider: ProviderId,
  label: z.string().meta(personal),
  /** statechart value of region conn joined by dots, `connected.idle` */
  state: z.string(),
  stateSince: z.number(),
  autoSync: z.boolean(),
  lastSyncAt: z.number().optional(),
  lastDataAt: z.number().optional(),
  nextSyncAt: z.number().optional(),
  failures: z.number().int(),
  error: z.string().optional(),
  backfill: z.strictObject({ state: z.enum(['none', 'running', 'completed', 'failed', 'cancelled']), done: z.number(), total: z.number() }),
  scopes: z.array(z.string()),
});
export type DeviceHead = z.infer<typeof DeviceHead>;

export const Trigger = z.enum(['manual', 'auto', 'retry', 'backfill', 'webhook', 'connect']);
export type Trigger = z.infer<typeof Trigger>;

export const Run = z.strictObject({
  id: z.string(),
  trigger: Trigger,
  startedAt: z.number(),
  /** local days fetched, both included */
  from: Day,
  to: Day,
  counts: Counts,
  pages: z.number().int(),
  /** where the next page begins */
  cursor: z.string().optional(),
});
export type Run = z.infer<typeof Run>;

export const Backfill = z.strictObject({
  state: z.enum(['none', 'running', 'completed', 'failed', 'cancelled']),
  /** oldest day wanted */
  from: Day.optional(),
  /** newest day of the chunk that is next */
  to: Day.optional(),
  /** where the next page of that chunk begins */
  cursor: z.string().optional(),
  done: z.number().int(),
  total: z.number().int(),
  failures: z.number().int(),
});

/** Context of `device:{id}`: one connection of one user to one account at a provider. Ids and counts, never tokens or values. */
export const DeviceContext = z.strictObject({
  id: z.string(),
  userId: z.string(),
  provider: ProviderId,
  label: z.string().meta(personal),
  timeZone: z.string().meta(personal),
  state: z.string(),
  stateSince: z.number(),
  autoSync: z.boolean(),
  providerUserId: z.string().meta(personal).optional(),
  scopes: z.array(z.string()),
  connectedAt: z.number().optional(),
  lastSyncAt: z.number().optional(),
  lastDataAt: z.number().optional(),
  lastManualAt: z.number().optional(),
  nextAt: z.number().optional(),
  failures: z.number().int(),
  backoffMs: z.number(),
  rateUntil: z.number(),
  pausedBy: z.enum(['user', 'admin']).optional(),
  error: z.string().optional(),
  run: Run.optional(),
  totals: Counts,
  deliveries: z.number().int(),
  backfill: Backfill,
});
export type DeviceContext = z.infer<typeof DeviceContext>;

/** View of `device:{id}/sync`. */
export const SyncView = z.strictObject({
  id: z.string(),
  provider: ProviderId,
  label: z.string().meta(personal),
  state: z.string(),
  stateSince: z.number(),
  freshness: z.enum(['unknown', 'fresh', 'quiet']),
  autoSync: z.boolean(),
  lastSyncAt: z.number().optional(),
  lastDataAt: z.number().optional(),
  nextAt: z.number().optional(),
  failures: z.number().int(),
  error: z.string().optional(),
  run: Run.optional(),
  /** of everything this device ever delivered */
  totals: Counts,
  deliveries: z.number().int(),
  backfill: z.strictObject({ state: Backfill.shape.state, done: z.number(), total: z.number() }),
  can: z.strictObject({ self: z.array(z.string()), staff: z.array(z.string()) }).optional(),
});
export type SyncView = z.infer<typeof SyncView>;

/** What a fetch came to. `class` as in B3.7. */
export const FetchResult = z.union([
  z.strictObject({ ok: z.literal(true), counts: Counts, cursor: z.string().optional(), more: z.boolean() }),
  z.strictObject({
    ok: z.literal(false),
    class: z.enum(['transient', 'rate_limited', 'auth', 'permanent_object']),
    code: z.string(),
    retryAfterS: z.number().optional(),
  }),
]);
export type FetchResult = z.infer<typeof FetchResult>;

export const FetchInput = z.strictObject({
  deviceId: z.string(),
  userId: z.string(),
  provider: ProviderId,
  providerUserId: z.string().meta(personal),
  from: Day,
  to: Day,
  cursor: z.string().optional(),
});
export type FetchInput = z.infer<typeof FetchInput>;
