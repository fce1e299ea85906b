import type { Config } from '../config.ts';
import { Bucket } from '../limits/limiter.ts';
import type { Rate, Verdict } from '../limits/limiter.ts';

/** What one connection may do (realtime R9). */
export type Rates = Readonly<Record<'sub' | 'cmd' | 'auth' | 'seen' | 'pos' | 'vis' | 'bytes' | 'malformed', Rate>>;

export const ratesOf = (c: Pick<Config, 'commandsPerSecond' | 'rates'>): Rates => ({
  ...c.rates,
  cmd: { perSecond: c.commandsPerSecond, burst: c.commandsPerSecond * 2 },
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
