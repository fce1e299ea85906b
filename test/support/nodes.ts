/** Several whole servers in this process that are one cluster: over a real Redis and a real Postgres, with actors in a shared memory store. */
import { registryOf } from '../../actors/companion.ts';
import { actorIdOf, slotOf } from '../../actors/ids.ts';
import { createMemoryStore } from '../../actors/store/mem.ts';
import type { MemoryStore } from '../../actors/store/mem.ts';
import type { ActorRef } from '../../actors/types.ts';
import type { PrivateRedis } from '../../scripts/private-redis.ts';
import { newSecrets } from '../../server/identity/keys.ts';
import { person } from '../live/kinds.ts';
import { clusterStores } from './cluster-stores.ts';
import { counter } from './kinds.ts';
import { namespace } from './redis.ts';
import { until } from './until.ts';
import { makeWorld } from './world.ts';
import type { Live, World } from './world.ts';

export interface TestNodes {
  readonly redis: PrivateRedis;
  readonly store: MemoryStore;
  readonly worlds: readonly World[];
  /** A ref `counter:…` that this node owns, another one at each call. */
  refOf(world: World): ActorRef;
  /** Waits until all nodes live, share the slots and agree on who has which. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** Started nodes, or the reason why there are none. */
export async function testNodes(o: {
  readonly nodes?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** the way of the i-th node to Redis */
  readonly redisOf?: (url: string, i: number) => Promise<string>;
}): Promise<TestNodes | { skip: string }> {
  const stores = await clusterStores();
  if ('skip' in stores) return stores;
  const { redis, databaseUrl } = stores;
  const kinds = [counter, person];
  const store = createMemoryStore({ registry: registryOf(kinds) });
  const secrets = await newSecrets(Date.now());
  const env = { DATABASE_URL: databaseUrl, REDIS_URL: redis.url, REDIS_NAMESPACE: namespace(), ...o.env };
  const effects = { counter: { work: async () => ({ done: 1 }) } };
  const start = async (_: unknown, i: number): Promise<World> => {
    const own = o.redisOf === undefined ? env : { ...env, REDIS_URL: await o.redisOf(redis.url, i) };
    return makeWorld({ kinds, effects, store, secrets, listen: true, env: own });
  };
  const worlds = await Promise.all(Array.from({ length: o.nodes ?? 2 }, start));
  const used = new Set<ActorRef>();

  const nodes: TestNodes = {
    redis,
    store,
    worlds,
    refOf(world) {
      const { node, slots } = world.app.actors.inspect.cluster();
      for (let i = 0; ; i += 1) {
        const ref = `counter:${i}`;
        if (used.has(ref) || slots[slotOf(actorIdOf(ref))]?.node !== node) continue;
        used.add(ref);
        return ref;
      }
    },
    settled: () =>
      until(() => {
        const views = worlds.map((w) => w.app.actors.inspect.cluster());
        const tables = new Set(views.map((v) => JSON.stringify(v.slots.map((s) => s?.node))));
        return (
          tables.size === 1 &&
          views.every(
            (v) => !v.roaming && v.nodes.length === worlds.length && v.nodes.every((n) => n.slots > 0) && v.slots.every((s) => s !== null),
          )
        );
      }, 'the nodes share the slots'),
    async close() {
      await Promise.all(worlds.map((w) => w.close()));
      await stores.stop();
    },
  };
  await nodes.settled();
  return nodes;
}

/** The first message, past or future, that fits. */
export async function heard(
  live: Live,
  event: string,
  fits: (data: Record<string, unknown>) => boolean = () => true,
): Promise<Record<string, unknown>> {
  const find = (): Live['seen'][number] | undefined => live.seen.find((m) => m.event === event && fits(m.data));
  await until(() => find() !== undefined, `${event}; seen: ${live.seen.map((m) => m.event).join(' ')}`);
  return find()?.data ?? {};
}
