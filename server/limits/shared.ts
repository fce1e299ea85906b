/**
 * Limits over all nodes. Each node decides at once by a bucket of its own, so that no command waits for Redis; what it has let through is added up in
 * Redis a moment later, and a key of which all nodes together have let through too much is refused everywhere until its window ends. Without
 * Redis the buckets of the nodes are what is left.
 */
import type { Redis } from 'ioredis';
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { Clock } from '../../actors/types.ts';
import type { RedisKeys } from '../redis/keys.ts';
import { memoryLimiter } from './limiter.ts';
import type { Limiter, NewLimiter, Rate } from './limiter.ts';

const REPORT_MS = 200;
/** keys that are reported at once */
const BATCH = 1_000;

export interface SharedLimiterDeps {
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly clock: Clock;
}

/** Makes limiters whose keys are counted over all nodes under the limiter's name. */
export const sharedLimiters =
  (d: SharedLimiterDeps): NewLimiter =>
  (name, rate) =>
    sharedLimiter(d, name, rate);

function sharedLimiter({ redis, keys, clock }: SharedLimiterDeps, name: string, rate: Rate): Limiter {
  const here = memoryLimiter(rate, () => clock.mono());
  const duration = Math.max(1, Math.ceil(rate.burst / rate.perSecond));
  const points = Math.ceil(rate.perSecond * duration);
  const all = new RateLimiterRedis({ storeClient: redis, keyPrefix: keys.limit(name), points, duration, rejectIfRedisNotReady: true });
  /** what was let through and not reported, by key */
  const owed = new Map<string, number>();
  const refusedUntil = new Map<string, number>();
  let planned = false;

  async function reportOne(key: string, cost: number): Promise<void> {
    try {
      await (cost > 0 ? all.consume(key, cost) : all.reward(key, -cost));
    } catch (error) {
      // anything else than a verdict: Redis is away, and each node limits by itself
      if (error instanceof RateLimiterRes) refusedUntil.set(key, clock.mono() + error.msBeforeNext);
    }
  }

  async function report(): Promise<void> {
    const batch = [...owed].slice(0, BATCH);
    for (const [key] of batch) owed.delete(key);
    await Promise.all(batch.filter(([, cost]) => cost !== 0).map(([key, cost]) => reportOne(key, cost)));
    const now = clock.mono();
    for (const [key, until] of refusedUntil) if (until <= now) refusedUntil.delete(key);
    planned = false;
    if (owed.size > 0) plan();
  }

  function plan(): void {
    if (planned) return;
    planned = true;
    clock.setTimer(REPORT_MS, () => void report());
  }

  function owe(key: string, cost: number): void {
    owed.set(key, (owed.get(key) ?? 0) + cost);
    plan();
  }

  return {
    take(key, cost = 1) {
      const until = refusedUntil.get(key);
      const wait = until === undefined ? 0 : until - clock.mono();
      if (wait > 0) return { ok: false, retryAfterMs: Math.max(1, Math.ceil(wait)) };
      const verdict = here.take(key, cost);
      if (verdict.ok) owe(key, cost);
      return verdict;
    },
    giveBack(key, cost = 1) {
      here.giveBack(key, cost);
      owe(key, -cost);
    },
  };
}
