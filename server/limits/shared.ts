/**
 * Limits over all nodes. Each node decides at once by a bucket of its own, so that no command waits for Redis; what it has let through is added up a
 * moment later in a bucket of Redis, and a key of which all nodes together have let through too much is refused everywhere until enough has flowed
 * off. A node alone is never refused by the sum what its own bucket grants. Without Redis the buckets of the nodes are what is left.
 */
import type { Redis } from 'ioredis';
import type { Clock } from '../../actors/types.ts';
import type { RedisKeys } from '../redis/keys.ts';
import { limitScript } from '../redis/scripts.ts';
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

/** Gives the ms for which the key is to be refused. */
type Report = (key: string, cost: number, perMs: number, most: number) => Promise<number>;

/** What was let through, or with a negative cost given back, since then and not reported. */
interface Owed {
  cost: number;
  /** mono ms */
  readonly since: number;
}

/** Makes limiters whose keys are counted over all nodes under the limiter's name. */
export function sharedLimiters({ redis, keys, clock }: SharedLimiterDeps): NewLimiter {
  redis.defineCommand('limit', { numberOfKeys: 1, lua: limitScript() });
  const report = (redis as unknown as { limit: Report }).limit.bind(redis);
  return (name, rate) => sharedLimiter((key, ...args) => report(`${keys.limit(name)}:${key}`, ...args), clock, rate);
}

function sharedLimiter(reported: Report, clock: Clock, rate: Rate): Limiter {
  const here = memoryLimiter(rate, () => clock.mono());
  const perMs = rate.perSecond / 1_000;
  const owed = new Map<string, Owed>();
  const refusedUntil = new Map<string, number>();
  let planned = false;

  async function reportOne(key: string, { cost, since }: Owed): Promise<void> {
    // what has flowed off since it was let through flows off in Redis only from now on
    const most = rate.burst + (clock.mono() - since) * perMs;
    // without Redis each node limits by itself
    const wait = await reported(key, cost, perMs, most).catch(() => 0);
    if (wait > 0) refusedUntil.set(key, clock.mono() + wait);
  }

  async function report(): Promise<void> {
    const batch = [...owed].slice(0, BATCH);
    for (const [key] of batch) owed.delete(key);
    await Promise.all(batch.filter(([, { cost }]) => cost !== 0).map(([key, one]) => reportOne(key, one)));
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
    const one = owed.get(key);
    if (one === undefined) owed.set(key, { cost, since: clock.mono() });
    else one.cost += cost;
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
