/** A private Redis for tests. */
import { randomBytes } from 'node:crypto';
import { startRedis } from '../../scripts/private-redis.ts';
import type { PrivateRedis } from '../../scripts/private-redis.ts';
import { systemClock } from '../../server/clock.ts';
import { createRedisClient } from '../../server/redis/client.ts';
import type { RedisClient } from '../../server/redis/client.ts';
import { redisKeys } from '../../server/redis/keys.ts';
import type { RedisPlace } from '../../server/redis/place.ts';
import { KeptLog } from './kernel.ts';

/** The server, or the reason why there is none. */
export async function redisUnderTest(o: { readonly keep?: boolean } = {}): Promise<PrivateRedis | { skip: string }> {
  return (await startRedis(o)) ?? { skip: 'redis-server is not installed' };
}

/** Connections that answer. @param keys that are used, where the place of one matters: in a Redis Cluster */
export async function clientOf(place: RedisPlace, keys = redisKeys('any'), log = new KeptLog()): Promise<RedisClient> {
  const client = createRedisClient({ place, key: keys.version, name: 'test', clock: systemClock, log, random: Math.random });
  if (!(await client.reached())) throw new Error('redis is not reached');
  return client;
}

/** A name that no other test uses. */
export const namespace = (): string => `test-${randomBytes(6).toString('hex')}`;
