import { incompleteBeta } from './beta.ts';
import { lnBeta } from './gamma.ts';
import { invert } from './invert.ts';
import { normalQuantile, normalSf } from './normal.ts';

const NORMAL_FROM = 1e7;

function check(df: number): void {
  if (!(df >= 1e-3)) throw new RangeError(`student t: degrees of freedom must be at least 1e-3, got ${df}`);
}

/**
 * P(T > t) of Student's t distribution with real `df` >= 1e-3 degrees of freedom; the normal above 1e7. Relative accuracy about 1e-13
 * in the upper tail.
 */
export function tSf(t: number, df: number): number {
  check(df);
  if (Number.isNaN(t)) throw new RangeError('student t: t must be a number');
  if (t === 0) return 0.5;
  if (t < 0) return 1 - tSf(-t, df);
  if (df > NORMAL_FROM) return normalSf(t);
  const ratio = (t / df) * t;
  if (ratio === Infinity) return 0;
  return 0.5 * incompleteBeta(1 / (1 + ratio), df / 2, 0.5, ratio / (1 + ratio));
}

/** P(T <= t). */
export const tCdf = (t: number, df: number): number => (t <= 0 ? tSf(-t, df) : 1 - tSf(t, df));

/** t with P(T <= t) = p; exactly 0 at p = 0.5 and exactly antisymmetric about it. */
export function tQuantile(p: number, df: number): number {
  check(df);
  if (!(p > 0 && p < 1)) throw new RangeError(`student t: p must lie in (0, 1), got ${p}`);
  if (p === 0.5) return 0;
  if (df > NORMAL_FROM) return normalQuantile(p);
  return p > 0.5 ? upper(1 - p, df) : -upper(p, df);
}

/** t > 0 with P(T > t) = q, 0 < q < 0.5. */
function upper(q: number, df: number): number {
  let high = 2;
  while (tSf(high, df) > q) {
    high *= 4;
    if (high > 1e300) return Infinity;
  }
  const ln = lnBeta(df / 2, 0.5) + 0.5 * Math.log(df);
  const density = (t: number): number => Math.exp(-((df + 1) / 2) * Math.log1p((t / df) * t) - ln);
  return invert((t) => q - tSf(t, df), density, high === 2 ? 0 : high / 4, high, Math.min(high * 0.75, normalQuantile(1 - q)));
}
