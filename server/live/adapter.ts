/**
 * How sockets of several nodes hear of each other: the Redis adapter of Socket.IO (realtime R6). What is published while Redis is away is lost at once
 * and counted; it neither waits in memory, to arrive late as a flood, nor ends the process by a rejection that the adapter does not look at.
 */
import { createAdapter, createShardedAdapter } from '@socket.io/redis-adapter';
import type { Redis } from 'ioredis';
import { Counter } from 'prom-client';
import type { Registry } from 'prom-client';
import type { RedisClient } from '../redis/client.ts';
import type { RedisKeys } from '../redis/keys.ts';

const REQUESTS_MS = 3_000;

export interface NodeAdapter {
  readonly adapter: ReturnType<typeof createAdapter> | ReturnType<typeof createShardedAdapter>;
  /** Resolves when a room that was just joined on this node receives what others send, or Redis is away: then {@link onReturn} follows. */
  fence(): Promise<void>;
  /** The subscriptions are made, or back after an outage: until now messages may have been lost. */
  onReturn(fn: () => void): void;
}

/** The function of the connection gives 0 receivers where it would reject. */
function neverRejects(redis: Redis, name: string, failed: () => void): void {
  const methods = redis as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  const method = methods[name]?.bind(redis);
  if (method === undefined) throw new Error(`the driver has no ${name}`);
  methods[name] = (...args) =>
    method(...args).catch(() => {
      failed();
      return 0;
    });
}

/** @param mode `sharded` needs Redis 7: a channel per topic, and not one for all that every node listens to */
export function createNodeAdapter(o: {
  readonly client: RedisClient;
  readonly keys: RedisKeys;
  readonly mode: 'classic' | 'sharded';
  readonly registry: Registry;
}): NodeAdapter {
  const failures = new Counter({
    name: 'thrum_rt_bus_publish_failures_total',
    help: 'Messages to other nodes that were lost because Redis could not be reached',
    registers: [o.registry],
  });
  const pub = o.client.connect('io-publish', 'commands');
  const sub = o.client.connect('io-subscribe', 'subscriber');
  for (const name of ['publish', 'spublish']) neverRejects(pub, name, () => failures.inc());
  const sharded = o.mode === 'sharded';
  return {
    adapter: sharded
      ? createShardedAdapter(pub, sub, { channelPrefix: o.keys.io, subscriptionMode: 'dynamic' })
      : createAdapter(pub, sub, { key: o.keys.io, requestsTimeout: REQUESTS_MS, publishOnSpecificResponseChannel: true }),
    // The classic adapter listens to all rooms from the start. Commands of one connection are carried out in order.
    fence: async () => (sharded ? void (await sub.ssubscribe(`${o.keys.io}#/#`)) : undefined),
    // At the first connection as well: without Redis at the start there may be sockets before.
    onReturn: (fn) => void sub.on('ready', () => void sub.ping().then(fn, () => undefined)),
  };
}
