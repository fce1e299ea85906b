/** Everything that a monitor needs to know of its metric; plain numbers, so that any of it may be configured. */
export interface MonitorConfig {
  /** unit of values, expected values, deltas and bands */
  readonly unit: string;
  /** `ln`: modelled as its logarithm, reported in its own unit */
  readonly transform: 'none' | 'ln';
  /** expected time between points, ms */
  readonly intervalMs: number;
  /** in points */
  readonly halfLife: number;
  readonly minLearn: number;
  /** base threshold of |z| */
  readonly z0: number;
  /** in the unit: smaller movements are never an anomaly */
  readonly minDelta: number;
  /** share of `deltaScale` that is an anomaly by itself */
  readonly residualDelta: number;
  /** what one whole residualDelta means in the unit */
  readonly deltaScale: number;
  /** CUSUM allowance and decision interval, in deviations */
  readonly slack: number;
  readonly limit: number;
  /** points that must exceed in a row before an episode opens */
  readonly confirmPoints: number;
  /** the same when the severity is high */
  readonly confirmPointsHigh: number;
  /** clear points that end an episode */
  readonly recoverPoints: number;
  /** points of a lasting shift after which it is the new normal */
  readonly adoptAfter: number;
  /** missing points in a row after which the baseline is learned anew */
  readonly maxGap: number;
  readonly minSeverity: 'low' | 'medium' | 'high' | 'critical';
  readonly cooldownMs: number;
  readonly staleAfterMs: number;
  /** which deviations matter */
  readonly side: 'both' | 'high' | 'low';
  /** physical bounds in the unit; points outside are not fed */
  readonly lo: number;
  readonly hi: number;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const daily: MonitorConfig = {
  unit: '',
  transform: 'none',
  intervalMs: DAY,
  halfLife: 14,
  minLearn: 14,
  z0: 3,
  minDelta: 0,
  residualDelta: 0.25,
  deltaScale: 1,
  slack: 0.5,
  limit: 5,
  confirmPoints: 2,
  confirmPointsHigh: 2,
  recoverPoints: 2,
  adoptAfter: 14,
  maxGap: 14,
  minSeverity: 'low',
  cooldownMs: DAY,
  staleAfterMs: 3 * DAY,
  side: 'both',
  lo: -1e9,
  hi: 1e9,
};

/** Defaults of the metrics that Thrum knows; bounds are physiological, scales those that make one severity table serve all. */
const KNOWN: Readonly<Record<string, Partial<MonitorConfig>>> = {
  utilization: { unit: 'ratio', halfLife: 28, minDelta: 0.05, lo: 0, hi: 10 },
  hrv_rmssd: { unit: 'ms', transform: 'ln', minDelta: 3, deltaScale: 60, confirmPointsHigh: 1, side: 'low', lo: 3, hi: 400 },
  resting_heart_rate: { unit: 'bpm', minDelta: 2, deltaScale: 20, confirmPointsHigh: 1, side: 'high', lo: 25, hi: 220 },
  sleep_total: { unit: 'min', halfLife: 21, minDelta: 20, deltaScale: 180, confirmPointsHigh: 1, side: 'low', lo: 0, hi: 1_440 },
  skin_temp_delta: { unit: 'K', halfLife: 10, minDelta: 0.2, deltaScale: 2, confirmPointsHigh: 1, side: 'high', lo: -8, hi: 8 },
};

/** Defaults for a metric; an unknown one gets those of a daily series without unit. */
export const metricDefaults = (metric: string): MonitorConfig => ({ ...daily, ...KNOWN[metric] });

/** How long alerts of the same series stay quiet: doubled for every consecutive false positive, at most eightfold. */
export const cooldownMs = (cfg: MonitorConfig, fpRun: number): number => cfg.cooldownMs * Math.min(8, 2 ** fpRun);
