import { Bucket } from '../limits/limiter.ts';
import type { Rate, Verdict } from '../limits/limiter.ts';

/** What one connection may do (realtime R9). */
export interface Rates {
  readonly sub: Rate;
  readonly cmd: Rate;
  readonly auth: Rate;
  readonly seen: Rate;
  readonly pos: Rate;
  readonly vis: Rate;
  readonly bytes: Rate;
  readonly malformed: Rate;
}

export const MOST_IN_FLIGHT = 64;

export const ratesOf = (commandsPerSecond: number): Rates => ({
  sub: { perSecond: 50, burst: 512 },
  cmd: { perSecond: commandsPerSecond, burst: commandsPerSecond * 2 },
  auth: { perSecond: 0.1, burst: 6 },
  seen: { perSecond: 10, burst: 20 },
  pos: { perSecond: 0.1, burst: 2 },
  vis: { perSecond: 0.5, burst: 2 },
  bytes: { perSecond: 262_144, burst: 1_048_576 },
  malformed: { perSecond: 10 / 60, burst: 10 },
});

/** Buckets of one connection; most connections never use most of them. */
export class ConnectionLimits {
  readonly #rates: Rates;
  readonly #buckets: Partial<Record<keyof Rates, Bucket>> = {};

  constructor(rates: Rates) {
    this.#rates = rates;
  }

  take(what: keyof Rates, now: number, cost?: number): Verdict {
    return (this.#buckets[what] ??= new Bucket(this.#rates[what], now)).take(now, cost);
  }
}

export const both = (a: Verdict, b: () => Verdict): Verdict => (a.ok ? b() : a);
