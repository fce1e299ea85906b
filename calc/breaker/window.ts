/** Arithmetic of a circuit breaker: what went wrong lately, whether that is too much, and how long to wait. */

/** When a circuit opens and for how long. A threshold that is null is not looked at. */
export interface Rules {
  /** length of the sliding window, in six buckets, ms */
  readonly windowMs: number;
  /** calls in the window below which shares say nothing */
  readonly minCalls: number;
  /** failures / calls, 0 to 1 */
  readonly failureShare: number | null;
  /** slow / calls, 0 to 1 */
  readonly slowShare: number | null;
  /** failures in the window, whatever the number of calls */
  readonly failures: number | null;
  /** failures in a row */
  readonly streak: number | null;
  /** a call that takes longer is slow, ms */
  readonly slowMs: number;
  /** wait after the first opening, ms; doubled by every further one up to `mostMs` */
  readonly openMs: number;
  readonly mostMs: number;
  /** spread of the wait, share of it to both sides */
  readonly jitter: number;
  /** closed for so long, the next opening is the first again, ms */
  readonly calmMs: number;
  /** calls that may try whether it works again, and that all must */
  readonly probes: number;
}

/** Calls that ended; a failure may be slow too. */
export interface Counts {
  readonly calls: number;
  readonly failures: number;
  readonly slow: number;
}

/** Counts by number of the bucket. */
export interface Buckets {
  readonly [bucket: string]: Counts;
}

const BUCKETS = 6;
export const noCounts: Counts = { calls: 0, failures: 0, slow: 0 };

export const addCounts = (a: Counts, b: Counts): Counts => ({
  calls: a.calls + b.calls,
  failures: a.failures + b.failures,
  slow: a.slow + b.slow,
});

/** All that the window itself needs of the rules. */
export type Window = Pick<Rules, 'windowMs'>;

const bucketAt = (r: Window, at: number): number => Math.floor(at / (r.windowMs / BUCKETS));

/**
 * The window with more calls in its newest bucket, without the buckets that have left it.
 *
 * @param now ms of any clock that does not go back
 */
export function counted(buckets: Buckets, r: Window, now: number, more: Counts): Buckets {
  const newest = bucketAt(r, now);
  const kept = Object.entries(buckets).filter(([key]) => Number(key) > newest - BUCKETS);
  return { ...Object.fromEntries(kept), [newest]: addCounts(buckets[newest] ?? noCounts, more) };
}

export function totalOf(buckets: Buckets, r: Window, now: number): Counts {
  const newest = bucketAt(r, now);
  return Object.entries(buckets).reduce((sum, [key, one]) => (Number(key) > newest - BUCKETS ? addCounts(sum, one) : sum), noCounts);
}

/** Whether this is too much. @param streak failures since the last success */
export function trips(r: Rules, { calls, failures, slow }: Counts, streak: number): boolean {
  if (r.streak !== null && streak >= r.streak) return true;
  if (r.failures !== null && failures >= r.failures) return true;
  if (calls < r.minCalls) return false;
  return (r.failureShare !== null && failures / calls >= r.failureShare) || (r.slowShare !== null && slow / calls >= r.slowShare);
}

/**
 * Wait of the n-th opening, ms.
 *
 * @param n 1 for the first
 * @param u uniform in [0, 1)
 */
export const waitMs = (r: Rules, n: number, u: number): number =>
  Math.round(Math.min(r.mostMs, r.openMs * 2 ** (n - 1)) * (1 + r.jitter * (2 * u - 1)));
