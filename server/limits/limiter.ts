/** Token buckets: `rate` tokens a second flow in, at most `burst` are kept. Times in ms of a monotonic clock. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

export type Verdict = { readonly ok: true } | { readonly ok: false; readonly retryAfterMs: number };

const YES: Verdict = { ok: true };

/** One bucket in memory, for what belongs to one connection. */
export class Bucket {
  readonly #rate: Rate;
  #tokens: number;
  #at: number;

  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#at = now;
  }

  /** Takes `cost` tokens, all or none. A cost above the burst is never granted. */
  take(now: number, cost = 1): Verdict {
    const { perSecond, burst } = this.#rate;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) / 1_000) * perSecond);
    this.#at = now;
    if (this.#tokens >= cost) {
      this.#tokens -= cost;
      return YES;
    }
    return { ok: false, retryAfterMs: Math.max(1, Math.ceil(((cost - this.#tokens) / perSecond) * 1_000)) };
  }

  full(now: number): boolean {
    return this.#tokens + ((now - this.#at) / 1_000) * this.#rate.perSecond >= this.#rate.burst;
  }

  /** Gives back what was taken for something that did not count. */
  giveBack(cost = 1): void {
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + cost);
  }
}

/** Buckets by key, shared by everything that names the same key. */
export interface Limiter {
  take(key: string, cost?: number): Verdict;
  giveBack(key: string, cost?: number): void;
}

const MOST_KEYS = 100_000;

/** The limiter of one node. Keys that are full again are forgotten first, then the oldest. */
export function memoryLimiter(rate: Rate, mono: () => number): Limiter {
  const buckets = new Map<string, Bucket>();
  const sweep = (now: number): void => {
    for (const [key, bucket] of buckets) if (bucket.full(now)) buckets.delete(key);
    for (const key of buckets.keys()) {
      if (buckets.size <= MOST_KEYS / 2) break;
      buckets.delete(key);
    }
  };
  return {
    take(key, cost) {
      const now = mono();
      let bucket = buckets.get(key);
      if (bucket === undefined) {
        if (buckets.size >= MOST_KEYS) sweep(now);
        bucket = new Bucket(rate, now);
        buckets.set(key, bucket);
      }
      return bucket.take(now, cost);
    },
    giveBack: (key, cost) => buckets.get(key)?.giveBack(cost),
  };
}

/** How the server makes its limiters: for one node, or for all that share a Redis (shared.ts). The name tells limiters with equal keys apart. */
export type NewLimiter = (name: string, rate: Rate) => Limiter;

export const memoryLimiters =
  (mono: () => number): NewLimiter =>
  (_, rate) =>
    memoryLimiter(rate, mono);
