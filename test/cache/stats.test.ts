import test from 'ava';
import { Registry } from 'prom-client';
import { createStats } from '../../server/cache/stats.ts';

test('times of reads are told as the bucket that half and 95 % of them end in, over the minutes of the window', (t) => {
  let now = 0;
  const stats = createStats(new Registry(), () => now);
  for (let i = 0; i < 90; i += 1) stats.count('a', 'hit', 0.3);
  now += 60_000;
  for (let i = 0; i < 8; i += 1) stats.count('a', 'miss', 30);
  stats.count('a', 'stale', 60_000);
  stats.count('a', 'stale', 0);
  stats.count('b', 'hit', 1);
  t.deepEqual(stats.over('5m').get('a'), { hits: 92, staleHits: 2, misses: 8, p50Ms: 0.5, p95Ms: 50 });
  t.like(stats.over('5m').get('b'), { p50Ms: 1, p95Ms: 1 });
  now += 4 * 60_000;
  t.deepEqual(stats.over('5m').get('a'), { hits: 2, staleHits: 2, misses: 8, p50Ms: 50, p95Ms: 10_000 }, 'the first minute has left');
  now += 60 * 60_000;
  t.deepEqual(stats.over('5m').get('a'), { hits: 0, staleHits: 0, misses: 0, p50Ms: null, p95Ms: null });
});
