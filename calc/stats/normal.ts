import { invert } from './invert.ts';

/** erf by its series of positive terms, for 0 <= x < 2. */
function erfSeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; n < 100 && term > sum * 1e-17; n += 1) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** erfc by the continued fraction of Γ(½, x²) (Lentz), for x >= 2. */
function erfcFraction(x: number): number {
  const y = x * x;
  let b = y + 0.5;
  let c = 1e300;
  let d = 1 / b;
  let h = d;
  for (let i = 1; i < 200; i += 1) {
    const an = -i * (i - 0.5);
    b += 2;
    d = 1 / (an * d + b);
    c = b + an / c;
    const step = c * d;
    h *= step;
    if (Math.abs(step - 1) < 1e-16) break;
  }
  return (Math.exp(-y) * x * h) / Math.sqrt(Math.PI);
}

/** Complementary error function, relative accuracy about 1e-15 in the upper tail. */
export function erfc(x: number): number {
  if (Number.isNaN(x)) throw new RangeError('erfc: x must be a number');
  if (x < 0) return 2 - erfc(-x);
  return x < 2 ? 1 - erfSeries(x) : erfcFraction(x);
}

/** P(Z > z) of the standard normal. */
export const normalSf = (z: number): number => 0.5 * erfc(z / Math.SQRT2);

/** P(Z <= z) of the standard normal. */
export const normalCdf = (z: number): number => 0.5 * erfc(-z / Math.SQRT2);

/** z with P(Z <= z) = p; exactly antisymmetric about p = 0.5. */
export function normalQuantile(p: number): number {
  if (!(p > 0 && p < 1)) throw new RangeError(`normalQuantile: p must lie in (0, 1), got ${p}`);
  if (p === 0.5) return 0;
  if (p > 0.5) return upper(1 - p);
  return -upper(p);
}

/** z > 0 with P(Z > z) = q, 0 < q < 0.5. */
function upper(q: number): number {
  const density = (z: number): number => Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  const t = Math.sqrt(-2 * Math.log(q)); // Hastings (1955), Abramowitz and Stegun 26.2.23: start within 4.5e-4
  const start = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  return invert((z) => q - normalSf(z), density, 0, 39, start);
}
