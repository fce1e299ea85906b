import type { Ew } from '../stats/ewm.ts';
import { effectiveSize, ewAdd, ewDeviation, lambdaOf, noEw } from '../stats/ewm.ts';
import { clamp, finite } from '../stats/finite.ts';
import { tSf } from '../stats/student-t.ts';
import type { StreamDetector } from './stream.ts';

export interface EwzConfig {
  /** points after which the weight of a value has halved */
  readonly halfLife: number;
  /** points before values are clipped and scores mean something; at least 5 */
  readonly minLearn: number;
}

export interface EwzParts {
  /** null while the baseline is flat or shorter than two points */
  readonly z: number | null;
  readonly mean: number;
  /** deviation of the baseline */
  readonly sd: number;
  /** deviation of one new point: sd * sqrt(1 + 1/size) */
  readonly spread: number;
  /** effective number of points */
  readonly size: number;
}

/** Deviations learned from are held within this many sd of the mean. */
export const LEARN_CLIP = 3;

export const FLAT_SD = 1e-12;

/** Where `x` stands against the baseline before it. @throws NonFiniteError */
export function ewzRead(s: Ew, x: number, cfg: EwzConfig): EwzParts {
  finite('ewz', x);
  const lambda = lambdaOf(cfg.halfLife);
  const size = effectiveSize(s.n, lambda);
  const sd = ewDeviation(s, lambda);
  const spread = size > 0 ? sd * Math.sqrt(1 + 1 / size) : 0;
  return { z: sd < FLAT_SD ? null : (x - s.mean) / spread, mean: s.mean, sd, spread, size };
}

/** The baseline after `x`; once learned, an outlier moves it no more than {@link LEARN_CLIP} deviations would. */
export function ewzLearn(s: Ew, x: number, cfg: EwzConfig): Ew {
  finite('ewz', x);
  const lambda = lambdaOf(cfg.halfLife);
  const sd = ewDeviation(s, lambda);
  const held = s.n >= cfg.minLearn && sd >= FLAT_SD ? s.mean + clamp(x - s.mean, -LEARN_CLIP * sd, LEARN_CLIP * sd) : x;
  return ewAdd(s, held, lambda);
}

/** 1 - two-sided tail probability; 0 for a flat or unborn baseline. */
export const ewzScore = (parts: EwzParts): number =>
  parts.z === null || parts.size <= 1 ? 0 : 1 - 2 * tSf(Math.abs(parts.z), parts.size - 1);

/** Exponentially weighted mean and variance: the default detector of slow metrics. */
export const ewz: StreamDetector<EwzConfig, Ew, EwzParts> = {
  init: () => noEw,
  step(s, x, _t, cfg) {
    const parts = ewzRead(s, x, cfg);
    return { state: ewzLearn(s, x, cfg), score: ewzScore(parts), parts };
  },
};
