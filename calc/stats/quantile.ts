import { allFinite } from './finite.ts';

/** 1 / Φ⁻¹(0.75) turned round: a MAD times 1.4826 estimates the standard deviation of a normal sample. */
export const MAD_TO_SD = 0.6744897501960817;

const ascending = (xs: readonly number[]): number[] => allFinite('quantile', xs).toSorted((a, b) => a - b);

function at(sorted: readonly number[], p: number): number {
  const h = (sorted.length - 1) * p;
  const below = sorted[Math.floor(h)] ?? Number.NaN;
  const above = sorted[Math.ceil(h)] ?? below;
  return below + (h - Math.floor(h)) * (above - below);
}

/**
 * Exact quantile with linear interpolation (type 7 of Hyndman and Fan, the default of R and numpy), O(n log n).
 *
 * @throws RangeError when `xs` is empty or `p` lies outside [0, 1]
 */
export function quantile(xs: readonly number[], p: number): number {
  if (xs.length === 0) throw new RangeError('quantile: no values');
  if (!(p >= 0 && p <= 1)) throw new RangeError(`quantile: p must lie in [0, 1], got ${p}`);
  return at(ascending(xs), p);
}

export const median = (xs: readonly number[]): number => quantile(xs, 0.5);

/** Median absolute deviation from `centre` (the median when absent), not scaled. */
export function mad(xs: readonly number[], centre = median(xs)): number {
  return median(xs.map((x) => Math.abs(x - centre)));
}
