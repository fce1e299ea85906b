import { tQuantile } from '../stats/student-t.ts';
import { momentsOf } from '../stats/welford.ts';

/** Points in the tested window; the reference is the {@link REFERENCE_POINTS} before it. */
export const WINDOW_POINTS = 5;
export const REFERENCE_POINTS = 4 * WINDOW_POINTS;

/** One-sided level of the test: it is repeated at every bucket, so a 1 % level would fire ten times per thousand quiet ones. */
const LEVEL = 0.9995;

export interface MeanShift {
  /** Welch's statistic; 0 when both sides have no variance */
  readonly t: number;
  readonly df: number;
  /** mean of the window minus mean of the reference */
  readonly delta: number;
  /** deviation of the reference */
  readonly referenceSd: number;
  /** in [0, 1]; 1 means that the test fires */
  readonly strength: number;
}

/**
 * Windowed mean shift by Welch's test: fires when |t| reaches the 0.9995 quantile and the means differ by at least one deviation of the
 * reference. Without variance on both sides it fires when the means differ by `minDelta`.
 *
 * @param reference at least two values
 * @param window    at least two values
 */
export function meanShift(reference: readonly number[], window: readonly number[], minDelta = 0): MeanShift {
  const before = momentsOf(reference);
  const after = momentsOf(window);
  if (before.n < 2 || after.n < 2) throw new RangeError('meanShift: both sides need at least two values');
  const a = before.m2 / (before.n - 1) / before.n;
  const b = after.m2 / (after.n - 1) / after.n;
  const delta = after.mean - before.mean;
  const referenceSd = Math.sqrt(before.m2 / (before.n - 1));
  if (a + b < 1e-24) {
    return { t: 0, df: before.n + after.n - 2, delta, referenceSd, strength: delta !== 0 && Math.abs(delta) >= minDelta ? 1 : 0 };
  }
  const t = delta / Math.sqrt(a + b);
  const df = (a + b) ** 2 / (a ** 2 / (before.n - 1) + b ** 2 / (after.n - 1));
  const strength = Math.abs(delta) >= referenceSd ? Math.min(1, Math.abs(t) / tQuantile(LEVEL, df)) : 0;
  return { t, df, delta, referenceSd, strength };
}
