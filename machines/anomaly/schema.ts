import { z } from 'zod';
import { command, personal, platformOnly } from '../../actors/define.ts';

export const Tier = z.enum(['none', 'low', 'medium', 'high', 'critical']);
export type Tier = z.infer<typeof Tier>;

export const Direction = z.enum(['high', 'low']);
export type Direction = z.infer<typeof Direction>;

export const CloseReason = z.enum(['auto', 'manual', 'false_positive', 'adopted']);
export type CloseReason = z.infer<typeof CloseReason>;

export const Label = z.enum(['true_positive', 'false_positive']);
export type Label = z.infer<typeof Label>;

/**
 * One step in the life of an alert, as people read it: the item of `anomaly:{…}/alerts`, `resource:{id}/anomalies` and `user:{id}/alerts`.
 * Times are epoch ms; `value`, `expected`, `delta` and `band` are in `unit`; absent keys instead of null.
 */
export const AlertItem = z.strictObject({
  type: z.enum(['alert.opened', 'alert.updated', 'alert.closed']),
  /** UUID of the alert; the same in all its items */
  id: z.string(),
  /** `{ownerKind}:{ownerId}:{metric}:{direction}`: at most one alert is open per key */
  key: z.string(),
  /** ref of the monitor, `anomaly:{ownerKind}:{ownerId}:{metric}`; where acknowledge, resolve and feedback go */
  monitor: z.string(),
  /** ref of the watched actor, `user:{id}` or `resource:{id}` */
  owner: z.string(),
  metric: z.string(),
  unit: z.string(),
  /** what fired: a daily metric, a utilization, or a lasting shift */
  kind: z.enum(['metric', 'utilization', 'persistence']),
  status: z.enum(['open', 'acknowledged', 'closed']),
  /** why this item was published */
  reason: z.enum(['new', 'reopened', 'escalated', 'unacknowledged', 'acknowledged', 'labelled', ...CloseReason.options]),
  /** false: for the record only, nobody needs to be told */
  notify: z.boolean(),
  direction: Direction,
  severity: Tier,
  /** the tier as a number, 1 (low) to 4 (critical) */
  level: z.number().int().min(0).max(4),
  action: z.enum(['none', 'observe', 'review_24h', 'investigate_4h', 'page_now']),
  /** one short line, such as "HRV is unusually low" */
  title: z.string().meta(personal),
  /** one or two sentences with the numbers, for a coach or an operator */
  explanation: z.string().meta(personal),
  /** when this item came about */
  at: z.number(),
  /** start of the bucket of the latest point */
  pointAt: z.number(),
  value: z.number().meta(personal),
  expected: z.number().meta(personal),
  delta: z.number().meta(personal),
  /** where a new point is expected with 95 % confidence */
  band: z.strictObject({ lower: z.number(), upper: z.number() }).meta(personal),
  /** absent while the baseline is flat */
  z: z.number().meta(personal).optional(),
  /** effective threshold of |z| */
  threshold: z.number(),
  /** persistence score in [0, 1]; 1 = a lasting shift */
  persistence: z.number(),
  /** points of the episode so far */
  points: z.number().int(),
  /** start of the bucket from which the series deviates */
  since: z.number(),
  openedAt: z.number(),
  /** alert of the same monitor that this one continues */
  linkedTo: z.string().optional(),
  ackBy: z.string().optional(),
  ackAt: z.number().optional(),
  label: Label.optional(),
  closedAt: z.number().optional(),
  closedBy: z.string().optional(),
  closeReason: CloseReason.optional(),
  note: z.string().meta(personal).optional(),
});
export type AlertItem = z.infer<typeof AlertItem>;

const fact = command({ input: z.strictObject({ item: AlertItem }), reply: z.null(), allow: platformOnly, fuse: true });

/** What a monitor tells its owner. An owner kind spreads these into its commands and publishes `item` in its log topic. */
export const alertFacts = { 'alert.opened': fact, 'alert.updated': fact, 'alert.closed': fact } as const;

/** The events of {@link alertFacts} as an owner's machine sees them. */
export type AlertFact = { readonly type: keyof typeof alertFacts; readonly item: AlertItem };

/** Other things that happen to a monitor; items of its own log beside those of {@link AlertItem}. */
export const MonitorItem = z.strictObject({
  type: z.enum([
    'monitor.ready',
    'monitor.stale',
    'monitor.live',
    'monitor.adopted',
    'monitor.suspicion_cleared',
    'monitor.muted',
    'monitor.unmuted',
    'alert.suppressed',
  ]),
  at: z.number(),
  monitor: z.string(),
  metric: z.string(),
  /** alert.suppressed: why nobody was told, what it was, and the alert that covered it */
  reason: z.enum(['muted', 'historical', 'below_min', 'cooldown']).optional(),
  severity: Tier.optional(),
  direction: Direction.optional(),
  pointAt: z.number().optional(),
  value: z.number().meta(personal).optional(),
  expected: z.number().meta(personal).optional(),
  coveredBy: z.string().optional(),
  until: z.number().optional(),
});
export type MonitorItem = z.infer<typeof MonitorItem>;
