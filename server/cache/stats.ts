/** What the cache has done, by minute and namespace, for a day (readings 12.1). */
import { Counter } from 'prom-client';
import type { Registry } from 'prom-client';

export type Result = 'hit' | 'stale' | 'miss';
export interface Tally {
  readonly hits: number;
  /** among the hits */
  readonly staleHits: number;
  readonly misses: number;
}

export const windows = { '5m': 5, '1h': 60, '24h': 1_440 } as const;
export type Window = keyof typeof windows;

/** A tally with the time that half and 95 % of the reads took at most, ms, rounded up to the end of a bucket; null without reads. */
export interface Timed extends Tally {
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
}

/** ends of the buckets of times, ms; what took longer counts in the last */
const ENDS: readonly number[] = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];

interface Minute {
  hits: number;
  staleHits: number;
  misses: number;
  /** reads by bucket */
  readonly times: number[];
}

const emptyMinute = (): Minute => ({ hits: 0, staleHits: 0, misses: 0, times: ENDS.map(() => 0) });

const sum = (a: Tally, b: Tally): Tally => ({
  hits: a.hits + b.hits,
  staleHits: a.staleHits + b.staleHits,
  misses: a.misses + b.misses,
});

const bucketOf = (ms: number): number => {
  const at = ENDS.findIndex((end) => ms <= end);
  return at === -1 ? ENDS.length - 1 : at;
};

function quantile(times: readonly number[], share: number): number | null {
  const wanted = times.reduce((all, n) => all + n, 0) * share;
  if (wanted === 0) return null;
  let seen = 0;
  return ENDS[times.findIndex((n) => (seen += n) >= wanted)] ?? null;
}

function timed(minutes: readonly Minute[]): Timed {
  const { times, ...tally } = emptyMinute();
  for (const m of minutes) m.times.forEach((n, i) => (times[i] = (times[i] ?? 0) + n));
  return { ...minutes.reduce<Tally>(sum, tally), p50Ms: quantile(times, 0.5), p95Ms: quantile(times, 0.95) };
}

/** Share of hits; null when nothing was asked for. */
export const hitRate = ({ hits, misses }: Tally): number | null => (hits + misses === 0 ? null : hits / (hits + misses));
export const total = (tallies: Iterable<Tally>): Tally => [...tallies].reduce(sum, { hits: 0, staleHits: 0, misses: 0 });

export interface CacheStats {
  /** @param ms that the read took */
  count(ns: string, result: Result, ms: number): void;
  /** by namespace */
  over(window: Window): ReadonlyMap<string, Timed>;
}

export function createStats(registry: Registry, wall: () => number): CacheStats {
  const requests = new Counter({
    name: 'thrum_cache_requests_total',
    help: 'Reads of the cache, by namespace: hit, stale (and renewed behind), miss',
    labelNames: ['ns', 'result'],
    registers: [registry],
  });
  /** by namespace, then by minute */
  const tallies = new Map<string, Map<number, Minute>>();
  const minute = (): number => Math.floor(wall() / 60_000);

  return {
    count(ns, result, ms) {
      requests.inc({ ns, result });
      let minutes = tallies.get(ns);
      if (minutes === undefined) tallies.set(ns, (minutes = new Map()));
      const now = minute();
      let m = minutes.get(now);
      if (m === undefined) {
        for (const old of minutes.keys()) if (old <= now - windows['24h']) minutes.delete(old);
        minutes.set(now, (m = emptyMinute()));
      }
      if (result === 'miss') m.misses += 1;
      else m.hits += 1;
      if (result === 'stale') m.staleHits += 1;
      const bucket = bucketOf(ms);
      m.times[bucket] = (m.times[bucket] ?? 0) + 1;
    },
    over(window) {
      const since = minute() - windows[window];
      const within = (minutes: Map<number, Minute>): Timed => timed([...minutes].flatMap(([at, m]) => (at > since ? [m] : [])));
      return new Map([...tallies].map(([ns, minutes]) => [ns, within(minutes)]));
    },
  };
}
