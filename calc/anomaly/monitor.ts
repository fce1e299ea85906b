import type { Ew } from '../stats/ewm.ts';
import { ewAdd, lambdaOf, noEw } from '../stats/ewm.ts';
import { tQuantile } from '../stats/student-t.ts';
import type { Cusum } from './cusum.ts';
import { cusumStep, noCusum, Z_CLIP } from './cusum.ts';
import { ewzLearn, ewzRead, ewzScore } from './ewz.ts';
import type { MonitorConfig } from './metrics.ts';
import { classify, type SeverityTier } from './severity.ts';
import { meanShift, REFERENCE_POINTS, WINDOW_POINTS } from './shift.ts';
import { effectiveThreshold } from './tune.ts';

/** A recent point: start of its bucket, value on the scale of the model, standardised value (null while learning). */
export interface RecentPoint {
  readonly t: number;
  readonly x: number;
  readonly z: number | null;
}

/** The last points by their number modulo {@link RECENT_POINTS}; a context map, so that one point patches one entry. */
export type Recent = Readonly<Record<string, RecentPoint>>;

export const RECENT_POINTS = 32;

/** State of the detectors of one series. */
export interface Detectors {
  readonly ew: Ew;
  readonly cusum: Cusum;
  readonly recent: Recent;
  /** points fed since the detectors began */
  readonly seen: number;
  /** variation of the baseline that widens the threshold, and when it was last looked at */
  readonly cv: number | null;
  readonly cvAt: number;
}

export const noDetectors: Detectors = { ew: noEw, cusum: noCusum, recent: {}, seen: 0, cv: null, cvAt: 0 };

/** What the detectors say of one point, computed with the baseline before it. Values in the unit of the metric. */
export interface Reading {
  readonly t: number;
  readonly value: number;
  readonly expected: number;
  readonly delta: number;
  /** where a new point is expected with 95 % confidence */
  readonly lower: number;
  readonly upper: number;
  /** null while the baseline is flat or shorter than two points */
  readonly z: number | null;
  /** 1 - two-sided tail probability */
  readonly score: number;
  readonly persistence: number;
  readonly threshold: number;
  readonly direction: 'high' | 'low';
  readonly tier: SeverityTier;
  readonly level: number;
  readonly exceeds: boolean;
  readonly clear: boolean;
  /** the deviation itself exceeds, not only its persistence */
  readonly outlying: boolean;
}

const DAY = 86_400_000;
/** A deviation must be at least this many sd for its size to count. */
const SIZE_FROM_SD = 2.5;
/** Below this share of the thresholds a point is clear (hysteresis). */
const CLEAR_SHARE = 0.7;

export const toModel = (v: number, cfg: MonitorConfig): number => (cfg.transform === 'ln' ? Math.log(v) : v);
export const fromModel = (x: number, cfg: MonitorConfig): number => (cfg.transform === 'ln' ? Math.exp(x) : x);

/** Points of the ring from oldest to newest. */
export function recentPoints(d: Pick<Detectors, 'recent' | 'seen'>): RecentPoint[] {
  const points: RecentPoint[] = [];
  for (let i = Math.max(0, d.seen - RECENT_POINTS); i < d.seen; i += 1) {
    const point = d.recent[String(i % RECENT_POINTS)];
    if (point !== undefined) points.push(point);
  }
  return points;
}

const ofSide = (side: MonitorConfig['side'], value: number): number =>
  (side === 'high' && value < 0) || (side === 'low' && value > 0) ? 0 : value;

/** Standardised value for the persistence detectors; a flat baseline knows only "the same" and "different". */
const standard = (z: number | null, delta: number, minDelta: number): number => {
  if (z !== null) return z;
  return delta !== 0 && Math.abs(delta) >= minDelta ? Math.sign(delta) * Z_CLIP : 0;
};

function shiftOf(zs: readonly number[], side: MonitorConfig['side']): { strength: number; delta: number } {
  if (zs.length < WINDOW_POINTS + REFERENCE_POINTS) return { strength: 0, delta: 0 };
  const shift = meanShift(zs.slice(-WINDOW_POINTS - REFERENCE_POINTS, -WINDOW_POINTS), zs.slice(-WINDOW_POINTS));
  return { strength: ofSide(side, shift.delta) === 0 ? 0 : shift.strength, delta: shift.delta };
}

/**
 * Takes one point in: its reading, and the detectors after it except for the baseline, which learns (or not) as the statechart decides.
 *
 * @param lnF     logarithm of the feedback factor
 * @param learned false while the baseline is being learned: nothing exceeds and the persistence detectors rest
 */
export function observe(
  d: Detectors,
  p: { readonly t: number; readonly v: number },
  cfg: MonitorConfig,
  lnF: number,
  learned: boolean,
): { reading: Reading; next: Detectors } {
  const x = toModel(p.v, cfg);
  const parts = ewzRead(d.ew, x, cfg);
  const expected = d.ew.n > 0 ? fromModel(parts.mean, cfg) : p.v;
  const unitSd = cfg.transform === 'ln' ? expected * parts.sd : parts.sd;
  const delta = p.v - expected;
  const standardised = standard(parts.z, delta, cfg.minDelta);
  const cusum = learned ? cusumStep(d.cusum, standardised, cfg.slack, cfg.limit) : d.cusum;
  const recent = {
    ...d.recent,
    [String(d.seen % RECENT_POINTS)]: { t: p.t, x, z: learned ? Math.max(-Z_CLIP, Math.min(Z_CLIP, standardised)) : null },
  };
  const refresh = d.cv === null || p.t - d.cvAt >= DAY;
  const cv = refresh ? variationOf(expected, unitSd) : d.cv;
  const next: Detectors = { ew: d.ew, cusum, recent, seen: d.seen + 1, cv, cvAt: refresh ? p.t : d.cvAt };

  const shift = learned ? shiftOf(standardisedOf(next), cfg.side) : { strength: 0, delta: 0 };
  const sums = { high: cfg.side === 'low' ? 0 : cusum.high, low: cfg.side === 'high' ? 0 : cusum.low };
  const persistence = Math.max(Math.min(1, Math.max(sums.high, sums.low) / cfg.limit), shift.strength);
  const threshold = effectiveThreshold(cfg.z0, cv, lnF);
  const sidedZ = parts.z === null ? 0 : Math.abs(ofSide(cfg.side, parts.z));
  const sidedDelta = Math.abs(ofSide(cfg.side, delta));
  const deltaThreshold = Math.max(cfg.residualDelta * cfg.deltaScale * Math.exp(lnF), SIZE_FROM_SD * unitSd);
  const flatJump = parts.z === null && sidedDelta > 0 && sidedDelta >= cfg.minDelta;
  const outlying = learned && ((sidedZ >= threshold && sidedDelta >= cfg.minDelta) || sidedDelta >= deltaThreshold || flatJump);
  const severity = classify({
    z: sidedZ,
    residualDelta: sidedDelta >= SIZE_FROM_SD * unitSd ? sidedDelta / cfg.deltaScale : 0,
    persistence,
    n: d.ew.n,
  });
  const margin = d.ew.n > 1 ? tQuantile(0.975, Math.max(1, parts.size - 1)) * parts.spread : 0;
  const bySums = Math.max(sums.high, sums.low) >= cfg.limit * shift.strength ? sums.high - sums.low : shift.delta;
  const lean = outlying ? delta : bySums || delta;
  return {
    next,
    reading: {
      t: p.t,
      value: p.v,
      expected,
      delta,
      lower: d.ew.n > 0 ? fromModel(parts.mean - margin, cfg) : p.v,
      upper: d.ew.n > 0 ? fromModel(parts.mean + margin, cfg) : p.v,
      z: parts.z,
      score: learned ? ewzScore(parts) : 0,
      persistence,
      threshold,
      direction: lean < 0 ? 'low' : 'high',
      tier: learned ? severity.tier : 'none',
      level: learned ? severity.level : 0,
      exceeds: learned && (outlying || persistence >= 1),
      clear: sidedZ < CLEAR_SHARE * threshold && sidedDelta < CLEAR_SHARE * deltaThreshold && !flatJump && persistence < 0.5,
      outlying,
    },
  };
}

const variationOf = (mean: number, sd: number): number | null => (Math.abs(mean) < 1e-9 ? null : sd / Math.abs(mean));

const standardisedOf = (d: Detectors): number[] => recentPoints(d).flatMap((point) => (point.z === null ? [] : [point.z]));

/** The baseline after the newest point; an outlier is held within three deviations. */
export function learn(d: Detectors, cfg: MonitorConfig): Detectors {
  const newest = d.recent[String((d.seen - 1) % RECENT_POINTS)];
  return newest === undefined ? d : { ...d, ew: ewzLearn(d.ew, newest.x, cfg) };
}

/** Learns the newest `points` points once more, unclipped: a pattern known to be benign stops being one that alarms. */
export function forgive(d: Detectors, points: number, cfg: MonitorConfig): Detectors {
  const lambda = lambdaOf(cfg.halfLife);
  const again = recentPoints(d).slice(-Math.min(points, RECENT_POINTS));
  return { ...d, ew: again.reduce((ew, p) => ewAdd(ew, p.x, lambda), d.ew) };
}

/** Takes the level since `since` (start of a bucket) as the new normal: moments start anew there and the persistence detectors at zero. */
export function adopt(d: Detectors, since: number, cfg: MonitorConfig): Detectors {
  const lambda = lambdaOf(cfg.halfLife);
  const after = recentPoints(d).filter((p) => p.t >= since);
  const fresh = after.reduce((ew, p) => ewAdd(ew, p.x, lambda), noEw);
  const ew = fresh.n >= 5 ? fresh : { n: Math.max(5, fresh.n), mean: fresh.n > 0 ? fresh.mean : d.ew.mean, v: d.ew.v };
  const recent: Record<string, RecentPoint> = {};
  for (const [key, p] of Object.entries(d.recent)) recent[key] = { ...p, z: null };
  return { ...d, ew, cusum: noCusum, recent };
}

/** Start of the bucket from which the series deviates, by the larger CUSUM side; undefined when it is at rest or longer ago than the ring. */
export function changePoint(d: Detectors, direction: 'high' | 'low'): number | undefined {
  const run = direction === 'high' ? d.cusum.highRun : d.cusum.lowRun;
  return run === 0 || run > RECENT_POINTS ? undefined : d.recent[String((d.seen - run) % RECENT_POINTS)]?.t;
}

/** Detectors after a whole series in order, as if it had been fed without any anomaly. */
export function rebuild(points: readonly { readonly t: number; readonly v: number }[], cfg: MonitorConfig): Detectors {
  return points.reduce((d, p) => learn(observe(d, p, cfg, 0, d.ew.n >= cfg.minLearn).next, cfg), noDetectors);
}
