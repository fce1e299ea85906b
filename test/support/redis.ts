/** A private Redis for tests. */
import { randomBytes } from 'node:crypto';
import { startRedis } from '../../scripts/private-redis.ts';
import type { PrivateRedis } from '../../scripts/private-redis.ts';
import { systemClock } from '../../server/clock.ts';
import { createRedisClient } from '../../server/redis/client.ts';
import type { RedisClient } from '../../server/redis/client.ts';
import { KeptLog } from './kernel.ts';

/** The server, or the reason why there is none. */
export async function redisUnderTest(o: { readonly keep?: boolean } = {}): Promise<PrivateRedis | { skip: string }> {
  return (await startRedis(o)) ?? { skip: 'redis-server is not installed' };
}

/** Connections that answer. */
export async function clientOf(server: PrivateRedis, log = new KeptLog()): Promise<RedisClient> {
  const client = createRedisClient({ place: { url: server.url }, key: 'any', name: 'test', clock: systemClock, log, random: Math.random });
  if (!(await client.reached())) throw new Error('redis is not reached');
  return client;
}

/** A name that no other test uses. */
export const namespace = (): string => `test-${randomBytes(6).toString('hex')}`;
