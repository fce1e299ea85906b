/** Several Redis servers that belong together, on ports of this machine: a primary with a replica under Sentinel, and a Redis Cluster. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { redisBinary, runGuarded } from '../../scripts/private-redis.ts';
import type { Running } from '../../scripts/private-redis.ts';
import { freePort } from '../../scripts/server-process.ts';
import type { RedisPlace } from '../../server/redis/place.ts';
import { until } from './until.ts';

export interface RedisSet {
  readonly place: RedisPlace;
  /** settings of a server that uses it */
  readonly env: Readonly<Record<string, string>>;
  /** Kills the primary that has the key, and waits until another server has taken its place: more than a second. It happens once. */
  killPrimary(key: string): Promise<void>;
  /** Another server takes the place of the primary that has the key, as operators do it; the former one becomes its replica. */
  handOver(key: string): Promise<void>;
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';

/** Servers that end with this process, each with a folder of its own. */
class Servers {
  readonly #binary: string;
  readonly #dir: string;
  readonly #running = new Map<number, Running>();
  readonly #asked: Redis[] = [];

  constructor(binary: string, dir: string) {
    this.#binary = binary;
    this.#dir = dir;
  }

  async start(args: (port: number) => readonly string[], before: readonly string[] = []): Promise<number> {
    const port = await freePort();
    const settings = ['--port', String(port), '--bind', HOST, '--dir', this.#dir, '--save', '', '--daemonize', 'no'];
    this.#running.set(port, await runGuarded(this.#binary, [...before, ...settings, ...args(port)]));
    await this.ask(port).ping();
    return port;
  }

  /** A connection that waits until the server answers. */
  ask(port: number): Redis {
    const redis = new Redis({ host: HOST, port, maxRetriesPerRequest: null, retryStrategy: () => 50 });
    redis.on('error', () => undefined);
    this.#asked.push(redis);
    return redis;
  }

  async kill(port: number): Promise<void> {
    const running = this.#running.get(port);
    this.#running.delete(port);
    running?.child.stdin?.end();
    await running?.ended;
  }

  async stop(): Promise<void> {
    for (const redis of this.#asked) redis.disconnect();
    await Promise.all([...this.#running.keys()].map((port) => this.kill(port)));
    await rm(this.#dir, { recursive: true, force: true });
  }
}

const isPrimary = async (redis: Redis): Promise<boolean> => (await redis.info('replication')).includes('role:master');
const copies = async (redis: Redis): Promise<boolean> => (await redis.info('replication')).includes('master_link_status:up');

interface Member {
  readonly port: number;
  readonly redis: Redis;
}

/** Of a primary and its replica: which is which now. */
async function rolesIn(pair: readonly [Member, Member]): Promise<{ readonly primary: Member; readonly heir: Member }> {
  const [one, other] = pair;
  return (await isPrimary(one.redis)) ? { primary: one, heir: other } : { primary: other, heir: one };
}

const yes = (): boolean => true;
const no = (): boolean => false;

/** What can be done to a pair. @param order to the heir, or whoever decides: take the place */
function failovers(set: Servers, pairOf: (key: string) => Promise<readonly [Member, Member]>, order: (heir: Member) => Promise<unknown>) {
  const succeeds = (heir: Member): Promise<void> => until(() => isPrimary(heir.redis), 'the replica is the primary');
  return {
    async killPrimary(key: string): Promise<void> {
      const { primary, heir } = await rolesIn(await pairOf(key));
      await until(() => copies(heir.redis), 'the replica has a copy');
      await set.kill(primary.port);
      await succeeds(heir);
    },
    async handOver(key: string): Promise<void> {
      const { heir } = await rolesIn(await pairOf(key));
      // refused while those who decide do not know enough of the replica yet
      await until(() => order(heir).then(yes, no), 'the order is taken');
      await succeeds(heir);
    },
  };
}

async function servers(): Promise<{ readonly of: Servers; readonly dir: string } | { readonly skip: string }> {
  const binary = redisBinary();
  if (binary === undefined) return { skip: 'redis-server is not installed' };
  const dir = await mkdtemp(join(tmpdir(), 'thrum-redis-'));
  return { of: new Servers(binary, dir), dir };
}

/** A primary and a replica, and a sentinel that puts the one in the place of the other after a second; or the reason why there are none. */
export async function startSentinel(): Promise<RedisSet | { readonly skip: string }> {
  const made = await servers();
  if ('skip' in made) return made;
  const { of: set, dir } = made;
  const primary = await set.start(() => []);
  const replica = await set.start(() => ['--replicaof', `${HOST} ${primary}`]);
  const file = join(dir, 'sentinel.conf');
  const lines = [
    `sentinel monitor studio ${HOST} ${primary} 1`,
    'sentinel down-after-milliseconds studio 1000',
    'sentinel failover-timeout studio 5000',
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  const sentinel = await set.start(() => ['--sentinel'], [file]);
  const watched = set.ask(sentinel);
  await until(
    async () => JSON.stringify(await watched.call('SENTINEL', 'REPLICAS', 'studio')).includes(String(replica)),
    'the sentinel knows the replica',
  );
  const pair = [primary, replica].map((port): Member => ({ port, redis: set.ask(port) })) as [Member, Member];
  await until(() => copies(pair[1].redis), 'the replica has a copy');
  const order = (): Promise<unknown> => watched.call('SENTINEL', 'FAILOVER', 'studio');
  return {
    place: { url: 'redis://studio', sentinels: [{ host: HOST, port: sentinel }] },
    env: { REDIS_URL: 'redis://studio', REDIS_SENTINELS: `${HOST}:${sentinel}` },
    ...failovers(set, async () => pair, order),
    stop: () => set.stop(),
  };
}

const SLOTS = 16_384;

/** Three primaries, and a replica of each; or the reason why there are none. */
export async function startRedisCluster(): Promise<RedisSet | { readonly skip: string }> {
  const made = await servers();
  if ('skip' in made) return made;
  const { of: set } = made;
  const nodes: (Member & { readonly bus: number; readonly id: string })[] = [];
  for (let i = 0; i < 6; i += 1) {
    const bus = await freePort();
    const port = await set.start((p) => {
      const own = ['--cluster-enabled', 'yes', '--cluster-config-file', `nodes-${p}.conf`, '--cluster-port', String(bus)];
      return [...own, '--cluster-node-timeout', '1000', '--cluster-replica-validity-factor', '0', '--repl-diskless-sync-delay', '0'];
    });
    const redis = set.ask(port);
    nodes.push({ port, bus, redis, id: await redis.cluster('MYID') });
  }
  const primaries = nodes.slice(0, 3);
  const [first] = primaries;
  for (const node of nodes.slice(1)) await first?.redis.call('CLUSTER', 'MEET', HOST, String(node.port), String(node.bus));
  for (const [i, node] of primaries.entries()) {
    const [from, to] = [Math.floor((i * SLOTS) / 3), Math.floor(((i + 1) * SLOTS) / 3) - 1];
    await node.redis.call('CLUSTER', 'ADDSLOTSRANGE', String(from), String(to));
  }
  const allKnow = async (text: string, times: number): Promise<boolean> => {
    const told = await Promise.all(nodes.map((n) => n.redis.cluster('NODES')));
    return told.every((list) => String(list).split(text).length > times);
  };
  await until(() => allKnow(' connected', nodes.length), 'the nodes of the cluster know each other');
  for (const [i, node] of nodes.slice(3).entries()) await node.redis.cluster('REPLICATE', primaries[i]?.id ?? '');
  await until(async () => {
    const told = await Promise.all(nodes.slice(3).map((n) => n.redis.info('replication')));
    const states = await Promise.all(nodes.map((n) => n.redis.cluster('INFO')));
    return told.every((t) => t.includes('master_link_status:up')) && states.every((s) => s.includes('cluster_state:ok'));
  }, 'the cluster is whole');
  await until(() => allKnow('slave', 3), 'every node knows the replicas');
  const pairOf = async (key: string): Promise<readonly [Member, Member]> => {
    const slot = Number(await nodes.at(-1)?.redis.cluster('KEYSLOT', key));
    const at = Math.floor((slot * 3) / SLOTS);
    return [nodes[at], nodes[at + 3]] as [Member, Member];
  };
  const order = (heir: Member): Promise<unknown> => heir.redis.call('CLUSTER', 'FAILOVER');
  return {
    place: { url: 'redis://any', cluster: nodes.map(({ port }) => ({ host: HOST, port })) },
    env: { REDIS_URL: 'redis://any', REDIS_CLUSTER: nodes.map((n) => `${HOST}:${n.port}`).join() },
    ...failovers(set, pairOf, order),
    stop: () => set.stop(),
  };
}
