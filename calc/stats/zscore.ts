import { allFinite } from './finite.ts';
import { mad, MAD_TO_SD, median } from './quantile.ts';
import { tSf } from './student-t.ts';
import { normalSf } from './normal.ts';
import type { VarianceMode } from './welford.ts';
import { deviation, momentsOf, remove } from './welford.ts';

export type Baseline = 'all' | 'loo' | 'trailing' | 'robust';

export interface ZScore {
  /** mean or median of the baseline */
  readonly centre: number;
  /** deviation of the baseline in the variance mode in force, or scaled MAD */
  readonly spread: number;
  /** null when the baseline is flat */
  readonly z: number | null;
  /** two-sided; null when the baseline is flat */
  readonly p: number | null;
  /** degrees of freedom of p; null: normal */
  readonly df: number | null;
}

export interface ZOptions {
  readonly baseline?: Baseline;
  readonly varianceMode?: VarianceMode;
  /** points before the tested one that `trailing` uses; default 28 */
  readonly lookback?: number;
}

const FLAT = 1e-12;

/**
 * Scores every value against its baseline.
 *
 * `loo` (default): the other values, O(n) by removal from running moments. `trailing`: the `lookback` values before. `all`: every value, the
 * tested one included, whose |z| therefore cannot exceed {@link zBound}. `robust`: median and MAD of all values.
 *
 * @returns one score per value, null where fewer than two baseline values exist
 * @throws NonFiniteError
 */
export function zScores(xs: readonly number[], o: ZOptions = {}): (ZScore | null)[] {
  allFinite('zScores', xs);
  const { baseline = 'loo', varianceMode = 'sample', lookback = 28 } = o;
  if (baseline === 'robust') return robust(xs);
  const all = momentsOf(xs);
  return xs.map((x, i) => {
    if (baseline === 'all') {
      const s = deviation(all, varianceMode);
      if (all.n < 2 || s === null) return null;
      return s < FLAT ? flat(all.mean, s) : scored(all.mean, s, (x - all.mean) / s, null);
    }
    const base = baseline === 'loo' ? (all.n > 1 ? remove(all, x) : all) : momentsOf(xs.slice(Math.max(0, i - lookback), i));
    const s = deviation(base, varianceMode);
    const sample = deviation(base, 'sample');
    if (base.n < 2 || s === null || sample === null) return null;
    if (s < FLAT) return flat(base.mean, s);
    const widen = Math.sqrt(1 + 1 / base.n);
    const t = (x - base.mean) / (sample * widen);
    return { ...scored(base.mean, s, (x - base.mean) / (s * widen), null), p: 2 * tSf(Math.abs(t), base.n - 1), df: base.n - 1 };
  });
}

/** Largest |z| that one value can reach among `n` when the baseline is `all`. */
export const zBound = (n: number, mode: VarianceMode): number => (mode === 'population' ? Math.sqrt(n - 1) : (n - 1) / Math.sqrt(n));

const flat = (centre: number, spread: number): ZScore => ({ centre, spread, z: null, p: null, df: null });

const scored = (centre: number, spread: number, z: number, df: number | null): ZScore => ({
  centre,
  spread,
  z,
  p: 2 * normalSf(Math.abs(z)),
  df,
});

function robust(xs: readonly number[]): (ZScore | null)[] {
  if (xs.length < 2) return xs.map(() => null);
  const centre = median(xs);
  const spread = mad(xs, centre) / MAD_TO_SD || (xs.reduce((sum, x) => sum + Math.abs(x - centre), 0) / xs.length) * 1.253314;
  return xs.map((x) => (spread < FLAT ? flat(centre, spread) : scored(centre, spread, (x - centre) / spread, null)));
}
