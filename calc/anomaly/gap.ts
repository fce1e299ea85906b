import { clamp } from '../stats/finite.ts';

export interface GapState {
  /** start of the newest bucket, epoch ms; null before the first */
  readonly lastT: number | null;
  /** exponentially weighted time between points, ms; 0 while unknown */
  readonly expectedMs: number;
}

export const noGap: GapState = { lastT: null, expectedMs: 0 };

const FORGETTING = 0.1;
/** One pause counts as at most so many expected ones, so that a holiday does not change what is expected. */
const LONGEST = 3;

/** A point arrived. */
export function gapStep(s: GapState, t: number): GapState {
  if (s.lastT === null || t <= s.lastT) return { ...s, lastT: Math.max(t, s.lastT ?? t) };
  const pause = t - s.lastT;
  if (s.expectedMs === 0) return { lastT: t, expectedMs: pause };
  const held = clamp(pause, 0, LONGEST * s.expectedMs);
  return { lastT: t, expectedMs: s.expectedMs + FORGETTING * (held - s.expectedMs) };
}

/** How many expected times have passed since the newest point; 0 while nothing is expected. */
export const gapRatio = (s: GapState, now: number): number =>
  s.lastT === null || s.expectedMs === 0 ? 0 : Math.max(0, now - s.lastT) / s.expectedMs;
