/** Locks of accounts over all nodes. While Redis is away each node goes by the failures that it has seen itself. */
import type { Redis } from 'ioredis';
import { LONGEST_LOCK_MS, MOST_FAILURES, WINDOW_MS } from '../identity/locks.ts';
import type { Locks } from '../identity/locks.ts';
import type { RedisKeys } from './keys.ts';
import { loginScript } from './scripts.ts';

/** @param o.here of this node */
export function createRedisLocks(o: { readonly redis: Redis; readonly keys: RedisKeys; readonly here: Locks }): Locks {
  const { redis, keys, here } = o;
  redis.defineCommand('loginFailed', { numberOfKeys: 3, lua: loginScript() });
  const loginFailed = (...args: readonly (string | number)[]): Promise<unknown> =>
    (redis as unknown as { loginFailed: (...args: readonly (string | number)[]) => Promise<unknown> }).loginFailed(...args);
  const keysOf = (key: string): [string, string, string] => [
    keys.login('failures', key),
    keys.login('lock', key),
    keys.login('locks', key),
  ];

  return {
    async lockedMs(key) {
      try {
        return Math.max(0, await redis.pttl(keys.login('lock', key)));
      } catch {
        return here.lockedMs(key);
      }
    },
    async failed(key) {
      await here.failed(key);
      // a failure that cannot be told to the others counts here
      await loginFailed(...keysOf(key), WINDOW_MS, MOST_FAILURES, LONGEST_LOCK_MS).catch(() => undefined);
    },
    async forget(key) {
      await here.forget(key);
      await redis.del(...keysOf(key)).catch(() => undefined);
    },
  };
}
