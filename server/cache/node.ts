import type { Registry } from 'prom-client';
import type { Clock, Log } from '../../actors/types.ts';
import type { Config } from '../config.ts';
import type { Circuits } from '../outgoing/circuits.ts';
import { redisChannel } from '../redis/channel.ts';
import type { ClusterNode } from '../redis/cluster.ts';
import { createCache } from './cache.ts';
import type { Cache } from './cache.ts';
import { redisSecond } from './second.ts';
import { Told } from './tags.ts';

/** The cache of this process; of several nodes, with Redis as what they share. */
export function createNodeCache(o: {
  readonly config: Config;
  readonly cluster: ClusterNode | undefined;
  readonly circuits: Circuits;
  readonly clock: Clock;
  readonly random: () => number;
  readonly newId: () => string;
  readonly log: Log;
  readonly registry: Registry;
}): Cache {
  const { config, cluster, circuits, ...deps } = o;
  const bytes = config.cacheL1Mb * 1_048_576;
  if (cluster === undefined) return createCache({ ...deps, bytes });
  const { client, keys } = cluster;
  const second = redisSecond({ redis: client.commands, keys, circuit: circuits.of('redis:cache', 'dependency'), clock: o.clock });
  return createCache({ ...deps, bytes, second, channel: redisChannel({ client, name: keys.cacheTold, schema: Told, log: o.log }) });
}
