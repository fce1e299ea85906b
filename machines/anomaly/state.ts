import { z } from 'zod';
import { personal } from '../../actors/define.ts';
import { metricDefaults } from '../../calc/anomaly/metrics.ts';
import { noCusum } from '../../calc/anomaly/cusum.ts';
import { noTune } from '../../calc/anomaly/tune.ts';
import { noEw } from '../../calc/stats/ewm.ts';
import type { CloseReason } from './schema.ts';
import { AlertItem, Direction, Tier } from './schema.ts';

/** What an operator may change of a monitor; users only `z0`, within 2 to 6. */
export const ConfigPatch = z.strictObject({
  halfLife: z.number().min(2).max(2_000).optional(),
  minLearn: z.number().int().min(5).max(1_000).optional(),
  z0: z.number().min(2).max(6).optional(),
  minDelta: z.number().min(0).optional(),
  residualDelta: z.number().min(0.01).max(10).optional(),
  deltaScale: z.number().positive().optional(),
  slack: z.number().min(0.1).max(2).optional(),
  limit: z.number().min(2).max(20).optional(),
  confirmPoints: z.number().int().min(1).max(10).optional(),
  confirmPointsHigh: z.number().int().min(1).max(10).optional(),
  recoverPoints: z.number().int().min(2).max(10).optional(),
  adoptAfter: z.number().int().min(2).max(1_000).optional(),
  maxGap: z.number().int().min(1).max(1_000).optional(),
  minSeverity: z.enum(['low', 'medium', 'high', 'critical']).optional(),
  cooldownMs: z
    .number()
    .int()
    .min(60_000)
    .max(30 * 86_400_000)
    .optional(),
  staleAfterMs: z
    .number()
    .int()
    .min(60_000)
    .max(90 * 86_400_000)
    .optional(),
  side: z.enum(['both', 'high', 'low']).optional(),
});
export type ConfigPatch = z.infer<typeof ConfigPatch>;

export const Config = ConfigPatch.required().extend({
  unit: z.string(),
  transform: z.enum(['none', 'ln']),
  intervalMs: z.number(),
  lo: z.number(),
  hi: z.number(),
});

const Tune = z.strictObject({
  lnF: z.number(),
  k: z.number().int(),
  fp: z.number().int(),
  tp: z.number().int(),
  missed: z.number().int(),
  fpRun: z.number().int(),
});

export const Reading = z.strictObject({
  t: z.number(),
  value: z.number().meta(personal),
  expected: z.number().meta(personal),
  delta: z.number().meta(personal),
  lower: z.number().meta(personal),
  upper: z.number().meta(personal),
  z: z.number().nullable().meta(personal),
  score: z.number(),
  persistence: z.number(),
  threshold: z.number(),
  direction: Direction,
  tier: Tier,
  level: z.number().int(),
  exceeds: z.boolean(),
  clear: z.boolean(),
  outlying: z.boolean(),
});

/** A run of anomalous points. `held`: why its alert was not opened. Times are starts of buckets. */
export const Episode = z.strictObject({
  startedAt: z.number(),
  since: z.number(),
  direction: Direction,
  kind: z.enum(['metric', 'utilization', 'persistence']),
  points: z.number().int(),
  level: z.number().int(),
  peakZ: z.number().meta(personal),
  peakDelta: z.number().meta(personal),
  held: z.enum(['muted', 'historical', 'below_min', 'cooldown']).nullable(),
});
export type Episode = z.infer<typeof Episode>;

/** Context of a monitor: at most 12 KiB, whatever the number of points. */
export const MonitorContext = z.strictObject({
  id: z.string(),
  ownerKind: z.string(),
  ownerId: z.string(),
  metric: z.string(),
  cfg: Config,
  cfgVersion: z.number().int(),
  /** false while the baseline is being learned */
  learned: z.boolean(),
  det: z.strictObject({
    ew: z.strictObject({ n: z.number().int(), mean: z.number().meta(personal), v: z.number().meta(personal) }),
    cusum: z.strictObject({ high: z.number(), low: z.number(), highRun: z.number().int(), lowRun: z.number().int() }),
    seen: z.number().int(),
    cv: z.number().nullable(),
    cvAt: z.number(),
  }),
  /** the last points by their number modulo 32 */
  recent: z.record(z.string(), z.strictObject({ t: z.number(), x: z.number().meta(personal), z: z.number().nullable().meta(personal) })),
  /** fed points that wait to be scored again after a backfill; empty between events */
  replay: z.array(z.strictObject({ t: z.number(), v: z.number().meta(personal) })),
  lastT: z.number().nullable(),
  lastValue: z.number().nullable().meta(personal),
  reading: Reading.nullable(),
  /** missing points in a row */
  missing: z.number().int(),
  suspectRun: z.number().int(),
  normalRun: z.number().int(),
  persistRun: z.number().int(),
  episode: Episode.nullable(),
  /** alerts opened so far; the number of an alert gives its id */
  alertNo: z.number().int(),
  /** the last alert as it was last published */
  alert: AlertItem.nullable(),
  suppressed: z.strictObject({ count: z.number().int(), lastAt: z.number() }),
  tune: Tune.extend({ base: Tune }),
  /** the last 64 labels by number */
  labels: z.record(z.string(), z.strictObject({ label: z.enum(['fp', 'tp', 'missed']), alert: z.string().optional() })),
  muteUntil: z.number().nullable(),
  counts: z.strictObject({ late: z.number().int(), duplicates: z.number().int(), invalid: z.number().int() }),
});
export type MonitorContext = z.infer<typeof MonitorContext>;

/** @param id `{ownerKind}:{ownerId}:{metric}`; the owner's id may hold colons, the metric may not */
export function initialContext(id: string): MonitorContext {
  const first = id.indexOf(':');
  const last = id.lastIndexOf(':');
  const metric = id.slice(last + 1);
  return {
    id,
    ownerKind: id.slice(0, Math.max(0, first)),
    ownerId: last > first ? id.slice(first + 1, last) : '',
    metric,
    cfg: metricDefaults(metric),
    cfgVersion: 1,
    learned: false,
    ...noHistory,
    replay: [],
    lastT: null,
    lastValue: null,
    reading: null,
    missing: 0,
    suspectRun: 0,
    normalRun: 0,
    persistRun: 0,
    episode: null,
    alertNo: 0,
    alert: null,
    suppressed: { count: 0, lastAt: 0 },
    tune: noTune,
    labels: {},
    muteUntil: null,
    counts: { late: 0, duplicates: 0, invalid: 0 },
  };
}

/** Detectors that have seen nothing. */
export const noHistory: Pick<MonitorContext, 'det' | 'recent'> = {
  det: { ew: noEw, cusum: noCusum, seen: 0, cv: null, cvAt: 0 },
  recent: {},
};

export const ownerRef = (c: Pick<MonitorContext, 'ownerKind' | 'ownerId'>): string => `${c.ownerKind}:${c.ownerId}`;
export const monitorRef = (c: Pick<MonitorContext, 'id'>): string => `anomaly:${c.id}`;

export type SuppressReason = NonNullable<Episode['held']>;
export type Closing = CloseReason;
