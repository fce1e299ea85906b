/** What the nodes of a cluster share in a test: a database and a Redis of their own. */
import type { PrivateRedis } from '../../scripts/private-redis.ts';
import { startPostgres } from './postgres.ts';
import { redisUnderTest } from './redis.ts';

export interface ClusterStores {
  readonly redis: PrivateRedis;
  readonly databaseUrl: string;
  stop(): Promise<void>;
}

/** Both, or the reason why there are none. */
export async function clusterStores(): Promise<ClusterStores | { skip: string }> {
  const redis = await redisUnderTest();
  if ('skip' in redis) return redis;
  const postgres = await startPostgres();
  if ('skip' in postgres) {
    await redis.stop();
    return postgres;
  }
  return {
    redis,
    // the form of a URL that everybody understands; the driver takes the socket from `host`
    databaseUrl: (await postgres.database()).replace('@/', '@localhost/'),
    async stop() {
      await postgres.stop();
      await redis.stop();
    },
  };
}
