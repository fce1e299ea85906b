/** What the nodes have in common: limits, locks, who is present, news of circuits. In Redis for several nodes; a node alone has it in memory. */
import type { Clock, Log } from '../actors/types.ts';
import { memoryLocks } from './identity/locks.ts';
import type { Locks } from './identity/locks.ts';
import { memoryLimiters } from './limits/limiter.ts';
import type { NewLimiter } from './limits/limiter.ts';
import { sharedLimiters } from './limits/shared.ts';
import { memoryRosters } from './live/roster.ts';
import type { Roster } from './live/roster.ts';
import { News } from './outgoing/circuits.ts';
import { redisChannel } from './redis/channel.ts';
import type { Channel } from './redis/channel.ts';
import type { ClusterNode } from './redis/cluster.ts';
import { createRedisLocks } from './redis/locks.ts';
import { createRedisRoster } from './redis/roster.ts';

export interface Shared {
  readonly newLimiter: NewLimiter;
  readonly locks: Locks;
  readonly roster: Roster;
  /** a node alone has nobody to tell */
  readonly circuitNews: Channel<News> | undefined;
}

export function createShared(
  cluster: ClusterNode | undefined,
  { node, clock, log }: { readonly node: string; readonly clock: Clock; readonly log: Log },
): Shared {
  const mono = (): number => clock.mono();
  const here = memoryLocks(mono);
  if (cluster === undefined) return { newLimiter: memoryLimiters(mono), locks: here, roster: memoryRosters()(), circuitNews: undefined };
  const { client, keys } = cluster;
  const redis = client.commands;
  return {
    newLimiter: sharedLimiters({ redis, keys, clock }),
    locks: createRedisLocks({ redis, keys, here }),
    roster: createRedisRoster({ client, keys, node, log }),
    circuitNews: redisChannel({ client, name: keys.circuits, schema: News, log }),
  };
}
