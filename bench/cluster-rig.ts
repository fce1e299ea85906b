/** What the cluster bench runs on: a private PostgreSQL and Redis, and clusters of nodes that are processes of their own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { actorIdOf, SLOTS, slotOf } from '../actors/ids.ts';
import { startPostgres } from '../scripts/private-postgres.ts';
import { startRedis } from '../scripts/private-redis.ts';
import { DISK } from './databases.ts';
import type { NodeOrder, Table } from './cluster-node.ts';
import { Remote } from './peer.ts';
import { parentOf, processorMs } from './processor.ts';
import { unlimited } from './unlimited.ts';

const SETTLED_MS = 120_000;
/** least share of the slots, against an even one, with which a node counts as settled */
const FAIR = 0.75;

export const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** The stores that all clusters share, and what they have used. */
export interface Stores {
  readonly redisPath: string;
  readonly version: string;
  /** URL of a new database */
  database(name: string): Promise<string>;
  /** ms of processor time so far */
  postgresMs(): number;
  redisMs(): number;
  /** PUBLISH commands so far */
  published(): Promise<number>;
  /** transactions so far, in one database */
  transactions(name: string): Promise<number>;
  stop(): Promise<void>;
}

/** @returns undefined when the programs are not installed */
export async function openStores(): Promise<Stores | undefined> {
  const postgres = await startPostgres({ shared_buffers: '256MB', max_wal_size: '4GB', max_connections: '300' }, DISK);
  const redis = await startRedis();
  if (postgres === undefined || redis === undefined) {
    await postgres?.stop();
    await redis?.stop();
    return undefined;
  }
  const redisPath = redis.url.slice('unix://'.length);
  const control = new Redis(redisPath);
  const sql = new Client({ connectionString: postgres.url });
  await sql.connect();
  const { rows } = await sql.query<{ pid: number }>('select pg_backend_pid() as pid');
  const postmaster = parentOf(rows[0]?.pid ?? 0) ?? 0;
  const redisPid = Number(/process_id:(\d+)/.exec(await control.info('server'))?.[1]);
  return {
    redisPath,
    version: `PostgreSQL ${postgres.version}, Redis ${/redis_version:(\S+)/.exec(await control.info('server'))?.[1]}`,
    async database(name) {
      await sql.query(`create database ${name}`);
      return postgres.url.replace('/postgres?', `/${name}?`);
    },
    postgresMs: () => processorMs(postmaster) ?? Number.NaN,
    redisMs: () => processorMs(redisPid) ?? Number.NaN,
    published: async () => Number(/cmdstat_publish:calls=(\d+)/.exec(await control.info('commandstats'))?.[1] ?? 0),
    async transactions(name) {
      const found = await sql.query<{ n: string }>('select xact_commit as n from pg_stat_database where datname = $1', [name]);
      return Number(found.rows[0]?.n);
    },
    async stop() {
      control.disconnect();
      await sql.end();
      await redis.stop();
      await postgres.stop();
    },
  };
}

export interface BenchNode extends Remote<NodeOrder> {
  /** name in the cluster */
  name: string;
  port: number;
  token: string;
}

export interface BenchCluster {
  readonly name: string;
  readonly nodes: BenchNode[];
  add(): Promise<BenchNode>;
  /** Ends a node; gives its exit code or signal. */
  end(node: BenchNode, signal: 'SIGTERM' | 'SIGKILL'): Promise<number | string>;
  /** Waits until all nodes agree on who has which slot and each has its share. */
  settled(): Promise<Table>;
  /** Refs `kind:0` … that these slots hold, at most `n` in order of their numbers. */
  refs(kind: string, n: number, fits: (slot: number) => boolean): string[];
  stop(): Promise<void>;
}

/** Starts so many nodes over a database and a name space of their own. */
export async function openCluster(
  stores: Stores,
  name: string,
  count: number,
  env: Readonly<Record<string, string>> = {},
): Promise<BenchCluster> {
  const dataDir = await mkdtemp(join(DISK, 'thrum-cluster-'));
  const common = {
    DATABASE_URL: await stores.database(name),
    REDIS_URL: `unix://${stores.redisPath}`,
    REDIS_NAMESPACE: name,
    DATA_DIR: dataDir,
    PORT: '0',
    HOST: '127.0.0.1',
    PUBLIC_URL: 'http://localhost:3000',
    DEMO: 'off',
    SIMULATOR: 'off',
    LOG_LEVEL: 'silent',
    KERNEL_LANES: '1',
    DRAIN_MS: '2000',
    DRAIN_PAUSE_MS: '1000',
    ARGON2_MEMORY_KIB: '8192',
    ARGON2_TIME: '1',
    ...unlimited,
    ...env,
  };
  const nodes: BenchNode[] = [];
  const tableOf = (node: BenchNode): Promise<Table> => node.ask<Table>({ do: 'table' });
  let made = 0;

  async function add(): Promise<BenchNode> {
    made += 1;
    const child = new Remote<NodeOrder>('cluster-node.js', common);
    const node = Object.assign(child, await child.ask<{ port: number; token: string }>({ do: 'start', first: made === 1 }), { name: '' });
    node.name = (await tableOf(node)).node;
    nodes.push(node);
    return node;
  }

  async function settled(): Promise<Table> {
    const until = performance.now() + SETTLED_MS;
    for (;;) {
      const tables = await Promise.all(nodes.map(tableOf));
      const [first] = tables;
      const fair = nodes.every((n) => {
        const owned = first?.slots.filter((owner) => owner === n.name).length ?? 0;
        return owned >= (FAIR * SLOTS) / nodes.length;
      });
      const agreed = new Set(tables.map((t) => t.slots.join())).size === 1;
      if (first !== undefined && fair && agreed && tables.every((t) => !t.roaming && t.nodes.length === nodes.length)) return first;
      if (performance.now() > until) throw new Error(`the nodes of ${name} do not share the slots`);
      await pause(200);
    }
  }

  for (let i = 0; i < count; i += 1) await add();
  await settled();
  return {
    name,
    nodes,
    add,
    settled,
    end(node, signal) {
      nodes.splice(nodes.indexOf(node), 1);
      return node.end(signal);
    },
    refs(kind, n, fits) {
      const found: string[] = [];
      for (let i = 0; found.length < n && i < 1_000_000; i += 1) {
        const ref = `${kind}:${i}`;
        if (fits(slotOf(actorIdOf(ref)))) found.push(ref);
      }
      return found;
    },
    async stop() {
      await Promise.all(nodes.map((node) => node.end()));
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
