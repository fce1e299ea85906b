import { finite } from './finite.ts';

/** Exponentially weighted mean and (population) variance; JSON-safe. */
export interface Ew {
  readonly n: number;
  readonly mean: number;
  readonly v: number;
}

export const noEw: Ew = { n: 0, mean: 0, v: 0 };

/** Forgetting factor of a half-life in points: the weight of a point halves every `halfLife` points. */
export const lambdaOf = (halfLife: number): number => 1 - 2 ** (-1 / halfLife);

/**
 * Adds one value with forgetting factor `lambda` in [0, 1] and warm start: until n reaches 1/lambda this is exactly the population mean
 * and variance of all values.
 *
 * @throws NonFiniteError
 */
export function ewAdd(s: Ew, x: number, lambda: number): Ew {
  finite('ewm', x);
  const n = s.n + 1;
  const weight = Math.max(lambda, 1 / n);
  const d = x - s.mean;
  return { n, mean: s.mean + weight * d, v: (1 - weight) * (s.v + weight * d * d) };
}

/** Number of equally weighted values that carry as much information. */
export const effectiveSize = (n: number, lambda: number): number => (lambda > 0 ? Math.min(n, (2 - lambda) / lambda) : n);

/** Sample form of the deviation at the effective size; 0 when fewer than two values count. */
export function ewDeviation(s: Ew, lambda: number): number {
  const size = effectiveSize(s.n, lambda);
  return size > 1 ? Math.sqrt((s.v * size) / (size - 1)) : 0;
}
