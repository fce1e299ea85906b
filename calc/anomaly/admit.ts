export type Admission = 'point' | 'missing' | 'duplicate' | 'late' | 'future' | 'invalid';

/** How far the clock of a sender may be ahead. */
export const FUTURE_TOLERANCE = 5 * 60_000;

export interface AdmitState {
  /** start of the newest bucket fed or null when there is none; epoch ms */
  readonly lastT: number | null;
  readonly lastValue: number | null;
  /** physical bounds of the metric */
  readonly lo: number;
  readonly hi: number;
}

export interface Arrival {
  readonly t: number;
  readonly v: number | null;
  readonly quality?: 'good' | 'partial' | 'invalid' | undefined;
}

/**
 * What becomes of a point before any detector sees it: only a `point` is fed. A correction of the newest bucket counts as late; a
 * value out of the physical bounds, or of poor quality, is invalid.
 */
export function admit(s: AdmitState, p: Arrival, now: number): Admission {
  if (p.t > now + FUTURE_TOLERANCE) return 'future';
  if (s.lastT !== null && p.t === s.lastT) return p.v === s.lastValue ? 'duplicate' : 'late';
  if (s.lastT !== null && p.t < s.lastT) return 'late';
  if (p.v === null) return 'missing';
  if ((p.quality ?? 'good') !== 'good' || p.v < s.lo || p.v > s.hi) return 'invalid';
  return 'point';
}
