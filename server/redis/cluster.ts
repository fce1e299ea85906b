/** What makes this process one node of several: its connections to Redis and, over them, the leases and the bus of the kernel. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { ClusterOptions } from '../../actors/cluster-options.ts';
import type { Clock, Log } from '../../actors/types.ts';
import type { Config } from '../config.ts';
import { createRedisBus } from './bus.ts';
import { watchTroubles } from './check.ts';
import { createRedisClient } from './client.ts';
import type { RedisClient } from './client.ts';
import { redisKeys } from './keys.ts';
import type { RedisKeys } from './keys.ts';
import { createRedisLeases } from './leases.ts';
import type { RedisTls } from './place.ts';

export interface ClusterNode {
  readonly client: RedisClient;
  readonly keys: RedisKeys;
  /** for the kernel */
  readonly options: ClusterOptions;
}

/** @throws Error when a file cannot be read */
function tlsOf({ redisCa, redisCert, redisKey }: Config): RedisTls {
  const files = Object.entries({ ca: redisCa, cert: redisCert, key: redisKey }).filter((file) => file[1] !== undefined);
  return Object.fromEntries(files.map(([part, path = '']) => [part, readFileSync(path, 'utf8')]));
}

/** Undefined without `REDIS_URL`: the process is the only node. */
export function createClusterNode(o: {
  readonly config: Config;
  readonly node: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}): ClusterNode | undefined {
  const { config } = o;
  const { redisUrl: url, redisSentinels: sentinels, redisCluster, redisNamespace, build, nodeWeight, takeover, port } = config;
  if (url === undefined) return undefined;
  const { clock, random, log } = o;
  const keys = redisKeys(redisNamespace);
  const client = createRedisClient({
    place: { url, sentinels, cluster: redisCluster, tls: tlsOf(config) },
    key: keys.version,
    name: `thrum-${o.node}`,
    clock,
    random,
    log,
  });
  watchTroubles({ redis: client.commands, sharded: client.sharded || config.realtimeAdapter === 'sharded', log });
  return {
    client,
    keys,
    options: {
      leases: createRedisLeases({ redis: client.commands, keys }),
      bus: createRedisBus({ client, keys, log }),
      build,
      weight: nodeWeight,
      address: `${hostname()}:${port}`,
      eager: takeover === 'eager',
    },
  };
}
