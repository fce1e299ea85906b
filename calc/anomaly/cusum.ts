import { clamp, finite } from '../stats/finite.ts';

/** Tabular two-sided CUSUM; runs count the points since the side was last 0. */
export interface Cusum {
  readonly high: number;
  readonly low: number;
  readonly highRun: number;
  readonly lowRun: number;
}

export const noCusum: Cusum = { high: 0, low: 0, highRun: 0, lowRun: 0 };

/** One value counts as at most this many deviations, so that a lone spike never looks like a lasting shift. */
export const Z_CLIP = 4;

/**
 * One step for a shift in the mean.
 *
 * @param z     standardised value; held within ±{@link Z_CLIP}
 * @param slack allowance k in deviations, half the shift to detect
 * @param cap   the sums are held at this value; Infinity leaves them alone
 * @throws NonFiniteError: a NaN would silence the alarm for good
 * @see Montgomery, Introduction to Statistical Quality Control, ch. 9.1
 */
export function cusumStep(s: Cusum, z: number, slack = 0.5, cap = Infinity): Cusum {
  const held = clamp(finite('cusum', z), -Z_CLIP, Z_CLIP);
  const high = Math.min(cap, Math.max(0, s.high + held - slack));
  const low = Math.min(cap, Math.max(0, s.low - held - slack));
  return { high, low, highRun: high > 0 ? s.highRun + 1 : 0, lowRun: low > 0 ? s.lowRun + 1 : 0 };
}

/** Estimated size of the shift in deviations, signed: k + S/n on the larger side. */
export function cusumShift(s: Cusum, slack = 0.5): number {
  if (s.high >= s.low) return s.highRun > 0 ? slack + s.high / s.highRun : 0;
  return -(slack + s.low / s.lowRun);
}
