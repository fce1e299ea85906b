import { z } from 'zod';
import type { Principal, Snap, StateValue } from '../../actors/define.ts';
import { cvFactor, falseShare } from '../../calc/anomaly/tune.ts';
import { AlertItem, Direction, MonitorItem, Tier } from './schema.ts';
import { Config, type MonitorContext } from './state.ts';
import { monitorRef, ownerRef } from './state.ts';

const isOwner = (p: Principal, c: MonitorContext): boolean => c.ownerKind === 'user' && c.ownerId === p.id;

/** Staff, admins and the platform itself. */
export const operates = (p: Principal): boolean =>
  (p.kind !== 'user' && p.kind !== 'anonymous') || p.roles.includes('staff') || p.roles.includes('admin');

/** Staff, and the user whose series is watched. */
export const attends = (p: Principal, s: Snap<MonitorContext>): boolean => operates(p) || isOwner(p, s.context);

/** An item of a monitor's own log. */
export const LogItem = z.discriminatedUnion('type', [AlertItem, MonitorItem]);
export type LogItem = z.infer<typeof LogItem>;

/** Latest point of a monitor and where its statechart stands. Times are epoch ms, values in `unit`. */
export const ScoresView = z.strictObject({
  monitor: z.string(),
  owner: z.string(),
  metric: z.string(),
  unit: z.string(),
  condition: z.enum(['learning', 'normal', 'suspect', 'anomalous', 'recovering']),
  alerting: z.enum(['quiet', 'open', 'acknowledged', 'cooling']),
  muting: z.enum(['unmuted', 'muted']),
  feed: z.enum(['live', 'stale']),
  /** points in the baseline, and how many it needs before it judges */
  baseline: z.strictObject({ points: z.number(), needed: z.number() }),
  /** absent before the first point */
  latest: z
    .strictObject({
      t: z.number(),
      value: z.number(),
      expected: z.number(),
      delta: z.number(),
      band: z.strictObject({ lower: z.number(), upper: z.number() }),
      z: z.number().optional(),
      score: z.number(),
      persistence: z.number(),
      direction: Direction,
      severity: Tier,
      exceeds: z.boolean(),
    })
    .optional(),
  threshold: z.strictObject({ base: z.number(), cvFactor: z.number(), feedbackFactor: z.number(), effective: z.number() }),
  labels: z.strictObject({ fp: z.number(), tp: z.number(), missed: z.number() }),
  /** the alert that is open or was last closed */
  alert: z
    .strictObject({
      id: z.string(),
      status: z.enum(['open', 'acknowledged', 'closed']),
      severity: Tier,
      openedAt: z.number(),
      title: z.string(),
    })
    .optional(),
  suppressed: z.number(),
  mutedUntil: z.number().optional(),
});
export type ScoresView = z.infer<typeof ScoresView>;

/** Name of the active state of a region; of a nested one, the outermost. */
function region(value: StateValue, name: string): string {
  const inner = typeof value === 'string' ? undefined : value[name];
  return typeof inner === 'string' ? inner : (Object.keys(inner ?? {})[0] ?? '');
}

export function scoresView({ context: c, value }: Snap<MonitorContext>): ScoresView {
  const r = c.reading;
  return {
    monitor: monitorRef(c),
    owner: ownerRef(c),
    metric: c.metric,
    unit: c.cfg.unit,
    condition: region(value, 'condition') as ScoresView['condition'],
    alerting: region(value, 'alerting') as ScoresView['alerting'],
    muting: region(value, 'muting') as ScoresView['muting'],
    feed: region(value, 'feed') as ScoresView['feed'],
    baseline: { points: c.det.ew.n, needed: c.cfg.minLearn },
    ...(r === null
      ? {}
      : {
          latest: {
            t: r.t,
            value: r.value,
            expected: r.expected,
            delta: r.delta,
            band: { lower: r.lower, upper: r.upper },
            ...(r.z === null ? {} : { z: r.z }),
            score: r.score,
            persistence: r.persistence,
            direction: r.direction,
            severity: r.tier,
            exceeds: r.exceeds,
          },
        }),
    threshold: {
      base: c.cfg.z0,
      cvFactor: cvFactor(c.det.cv),
      feedbackFactor: Math.exp(c.tune.lnF),
      effective: r?.threshold ?? c.cfg.z0,
    },
    labels: { fp: c.tune.fp, tp: c.tune.tp, missed: c.tune.missed },
    ...(c.alert === null
      ? {}
      : {
          alert: {
            id: c.alert.id,
            status: c.alert.status,
            severity: c.alert.severity,
            openedAt: c.alert.openedAt,
            title: c.alert.title,
          },
        }),
    suppressed: c.suppressed.count,
    ...(c.muteUntil === null ? {} : { mutedUntil: c.muteUntil }),
  };
}

/** Everything an operator reads of a monitor beside its scores. */
export const MonitorView = ScoresView.extend({
  cfg: Config,
  cfgVersion: z.number(),
  counts: z.strictObject({ late: z.number(), duplicates: z.number(), invalid: z.number() }),
  /** share of false positives among the labelled alerts, with the 95 % interval */
  falsePositives: z.strictObject({
    share: z.number().nullable(),
    lower: z.number(),
    upper: z.number(),
    suggestion: z.enum(['raise z0', 'z0 may be lowered']).optional(),
  }),
});
export type MonitorView = z.infer<typeof MonitorView>;

export const monitorView = (s: Snap<MonitorContext>): MonitorView => ({
  ...scoresView(s),
  cfg: s.context.cfg,
  cfgVersion: s.context.cfgVersion,
  counts: s.context.counts,
  falsePositives: falseShare(s.context.tune.fp, s.context.tune.tp),
});
