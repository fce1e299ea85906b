import { finite } from './finite.ts';

/** Running count, mean and sum of squared deviations; JSON-safe. */
export interface Moments {
  readonly n: number;
  readonly mean: number;
  readonly m2: number;
}

export type VarianceMode = 'population' | 'sample';

export const noMoments: Moments = { n: 0, mean: 0, m2: 0 };

/**
 * Adds one value, O(1).
 *
 * @throws NonFiniteError
 * @see Welford, Technometrics 4 (1962) 419
 */
export function add(s: Moments, x: number): Moments {
  finite('welford', x);
  const n = s.n + 1;
  const d = x - s.mean;
  const mean = s.mean + d / n;
  return { n, mean, m2: s.m2 + d * (x - mean) };
}

/** Moments of two samples together. @see Chan, Golub, LeVeque (1983) */
export function merge(a: Moments, b: Moments): Moments {
  const n = a.n + b.n;
  if (n === 0) return noMoments;
  const d = b.mean - a.mean;
  return { n, mean: a.mean + (d * b.n) / n, m2: a.m2 + b.m2 + (d * d * a.n * b.n) / n };
}

/** Share of m2 below which a removal has left nothing but rounding. */
const CANCELLED = 1e-14;

/**
 * Takes one value out again; `x` must be one that went in.
 *
 * @throws RangeError when fewer than two values are in
 */
export function remove(s: Moments, x: number): Moments {
  finite('welford', x);
  if (s.n < 2) throw new RangeError('welford: cannot remove from fewer than two values');
  const mean = (s.n * s.mean - x) / (s.n - 1);
  const m2 = s.m2 - (x - s.mean) * (x - mean);
  return { n: s.n - 1, mean, m2: m2 > s.m2 * CANCELLED ? m2 : 0 };
}

export function momentsOf(xs: readonly number[]): Moments {
  let s = noMoments;
  for (let i = 0; i < xs.length; i += 1) s = add(s, finite('welford', xs[i] ?? Number.NaN, i));
  return s;
}

/** Variance, or null when there are too few values (1 for population, 2 for sample). */
export function variance(s: Moments, mode: VarianceMode = 'sample'): number | null {
  const divisor = mode === 'population' ? s.n : s.n - 1;
  return divisor > 0 ? s.m2 / divisor : null;
}

export function deviation(s: Moments, mode: VarianceMode = 'sample'): number | null {
  const v = variance(s, mode);
  return v === null ? null : Math.sqrt(v);
}

/** Coefficient of variation s/|mean|; null when |mean| < 1e-9 or there are too few values. */
export function variation(s: Moments, mode: VarianceMode = 'sample'): number | null {
  const sd = deviation(s, mode);
  return sd === null || Math.abs(s.mean) < 1e-9 ? null : sd / Math.abs(s.mean);
}

/** Variation of successive differences, robust to trend and season: sqrt(Σ (x_t - x_{t-1})² / (2(n-1))) / |mean|. */
export function differenceVariation(xs: readonly number[]): number | null {
  const s = momentsOf(xs);
  if (s.n < 2 || Math.abs(s.mean) < 1e-9) return null;
  let sum = 0;
  for (let i = 1; i < xs.length; i += 1) sum += ((xs[i] ?? 0) - (xs[i - 1] ?? 0)) ** 2;
  return Math.sqrt(sum / (2 * (s.n - 1))) / Math.abs(s.mean);
}
