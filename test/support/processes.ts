/** Nodes as real processes over a real PostgreSQL and Redis, with a load balancer before them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBalancer } from '../../scripts/balancer.ts';
import type { Balancer } from '../../scripts/balancer.ts';
import type { PrivateRedis } from '../../scripts/private-redis.ts';
import { freePort, startServer } from '../../scripts/server-process.ts';
import type { ServerProcess } from '../../scripts/server-process.ts';
import { newSecrets } from '../../server/identity/keys.ts';
import { clusterStores } from './cluster-stores.ts';
import type { ClusterStores } from './cluster-stores.ts';
import { until } from './until.ts';
import { makeWorld } from './world.ts';
import type { Person } from './world.ts';
import { unlimited } from '../../bench/unlimited.ts';

export interface Processes {
  readonly balancer: Balancer;
  readonly redis: PrivateRedis;
  readonly databaseUrl: string;
  readonly people: readonly Person[];
  readonly nodes: ServerProcess[];
  /** One more node, ready and known to the balancer. */
  start(env?: Readonly<Record<string, string>>): Promise<ServerProcess>;
  /** Ends it and tells the balancer. Gives the exit code. */
  end(node: ServerProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<number | string>;
  /** The value of a metric of a node without labels. */
  metric(node: ServerProcess, name: string): Promise<number>;
  /** Waits until the nodes share all slots among them. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** Two nodes that share the slots, and people with access tokens; or the reason why there are none. */
export async function processes(o: {
  readonly people: number;
  readonly env?: Readonly<Record<string, string>>;
  /** kept by the caller; else the nodes have their own */
  readonly stores?: ClusterStores;
}): Promise<Processes | { skip: string }> {
  const stores = o.stores ?? (await clusterStores());
  if ('skip' in stores) return stores;
  const { redis, databaseUrl } = stores;
  const dataDir = await mkdtemp(join(tmpdir(), 'thrum-nodes-'));
  const secrets = await newSecrets(Date.now());
  await writeFile(join(dataDir, 'secrets.json'), JSON.stringify(secrets), { mode: 0o600 });
  const world = await makeWorld({ secrets, env: { DATABASE_URL: databaseUrl } });
  const people: Person[] = [];
  for (let i = 0; i < o.people; i += 1) people.push(await world.person());
  await world.close();

  const balancer = await startBalancer(0);
  const nodes: ServerProcess[] = [];
  const common = {
    DATABASE_URL: databaseUrl,
    REDIS_URL: redis.url,
    PUBLIC_URL: 'http://localhost:3000',
    HOST: '127.0.0.1',
    LOG_LEVEL: 'warn',
    DEMO: 'off',
    SIMULATOR_FEED_MS: '0',
    KERNEL_LANES: '1',
    DRAIN_MS: '1000',
    DRAIN_PAUSE_MS: '1000',
    ...unlimited,
    ...o.env,
  };
  const start = async (env: Readonly<Record<string, string>> = {}): Promise<ServerProcess> => {
    const node = await startServer({ port: await freePort(), dataDir, env: { ...common, ...env } });
    nodes.push(node);
    balancer.nodes(nodes.map((n) => n.url));
    await until(() => balancer.ready.includes(node.url), 'the balancer knows the node');
    return node;
  };
  const metric = async (node: ServerProcess, name: string): Promise<number> => {
    const text = await (await fetch(`${node.url}/metrics`)).text();
    return Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
  };
  await Promise.all([start(), start()]);
  const p: Processes = {
    balancer,
    redis,
    databaseUrl,
    people,
    nodes,
    start,
    metric,
    async end(node, signal) {
      const ended = node.end(signal);
      const code = await ended;
      nodes.splice(nodes.indexOf(node), 1);
      balancer.nodes(nodes.map((n) => n.url));
      return code;
    },
    settled: () =>
      until(async () => {
        const owned = await Promise.all(nodes.map((n) => metric(n, 'thrum_kernel_slots_owned')));
        return owned.reduce((a, b) => a + b, 0) === 1_024 && owned.every((n) => n > 0);
      }, 'the nodes share the slots'),
    async close() {
      await Promise.all(nodes.map((n) => n.end('SIGKILL')));
      await balancer.close();
      if (o.stores === undefined) await stores.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
  await p.settled();
  return p;
}
