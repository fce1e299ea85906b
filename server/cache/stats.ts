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

const none: Tally = { hits: 0, staleHits: 0, misses: 0 };
const sum = (a: Tally, b: Tally): Tally => ({
  hits: a.hits + b.hits,
  staleHits: a.staleHits + b.staleHits,
  misses: a.misses + b.misses,
});
const one: { readonly [result in Result]: Tally } = {
  hit: { ...none, hits: 1 },
  stale: { ...none, hits: 1, staleHits: 1 },
  miss: { ...none, misses: 1 },
};

/** Share of hits; null when nothing was asked for. */
export const hitRate = ({ hits, misses }: Tally): number | null => (hits + misses === 0 ? null : hits / (hits + misses));
export const total = (tallies: Iterable<Tally>): Tally => [...tallies].reduce(sum, none);

export interface CacheStats {
  count(ns: string, result: Result): void;
  /** by namespace */
  over(window: Window): ReadonlyMap<string, Tally>;
}

export function createStats(registry: Registry, wall: () => number): CacheStats {
  const requests = new Counter({
    name: 'thrum_cache_requests_total',
    help: 'Reads of the cache, by namespace: hit, stale (and renewed behind), miss',
    labelNames: ['ns', 'result'],
    registers: [registry],
  });
  /** by namespace, then by minute */
  const tallies = new Map<string, Map<number, Tally>>();
  const minute = (): number => Math.floor(wall() / 60_000);

  return {
    count(ns, result) {
      requests.inc({ ns, result });
      let minutes = tallies.get(ns);
      if (minutes === undefined) tallies.set(ns, (minutes = new Map()));
      const now = minute();
      if (!minutes.has(now)) for (const old of minutes.keys()) if (old <= now - windows['24h']) minutes.delete(old);
      minutes.set(now, sum(minutes.get(now) ?? none, one[result]));
    },
    over(window) {
      const since = minute() - windows[window];
      const within = (minutes: Map<number, Tally>): Tally => total([...minutes].flatMap(([at, tally]) => (at > since ? [tally] : [])));
      return new Map([...tallies].map(([ns, minutes]) => [ns, within(minutes)]));
    },
  };
}
