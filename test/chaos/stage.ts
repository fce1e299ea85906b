/** Three nodes, Postgres, Redis and what lies between them, as processes of this machine. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '../../scripts/private-postgres.ts';
import type { PrivatePostgres } from '../../scripts/private-postgres.ts';
import { startRedis } from '../../scripts/private-redis.ts';
import type { PrivateRedis } from '../../scripts/private-redis.ts';
import { freePort, pause, startServer } from '../../scripts/server-process.ts';
import type { ServerProcess } from '../../scripts/server-process.ts';
import { openDatabaseLink, openLink } from './links.ts';
import type { Link } from './links.ts';
import { unlimited } from '../../bench/unlimited.ts';

export const ADMIN = { email: 'admin@chaos.example', password: 'correct horse battery', displayName: 'Admin', timeZone: 'Europe/Berlin' };

export interface Node {
  readonly name: string;
  readonly port: number;
  /** port of its reads */
  readonly door: number;
  readonly toPostgres: Link & { readonly url: string };
  readonly toRedis: Link | undefined;
  /** undefined while it does not run */
  process: ServerProcess | undefined;
  /** last answer of /readyz, asked all the time as a load balancer does */
  ready: boolean;
}

export interface Stage {
  readonly nodes: readonly Node[];
  readonly postgres: PrivatePostgres;
  readonly redis: PrivateRedis | undefined;
  /** between the clients and the nodes */
  readonly front: Link;
  /** past the faults, for the checks */
  readonly databaseUrl: string;
  readonly dataDir: string;
  start(node: Node): Promise<void>;
  /** Waits until every node is ready. */
  healed(): Promise<void>;
  close(): Promise<void>;
}

const HEALED_MS = 180_000;

export interface StageOptions {
  readonly nodes: number;
  /** Redis remembers over a restart */
  readonly keep: boolean;
}

/** @returns undefined when the programs are not installed */
export async function openStage(o: StageOptions): Promise<Stage | undefined> {
  const postgres = await startPostgres({ fsync: 'off', max_connections: '200', deadlock_timeout: '200ms' });
  if (postgres === undefined) return undefined;
  const redis = o.nodes > 1 ? await startRedis({ keep: o.keep }) : undefined;
  if (o.nodes > 1 && redis === undefined) {
    await postgres.stop();
    return undefined;
  }
  const dataDir = await mkdtemp(join(tmpdir(), 'thrum-chaos-'));
  const nodes: Node[] = [];
  for (let i = 0; i < o.nodes; i += 1) {
    nodes.push({
      name: `n${i + 1}`,
      port: await freePort(),
      door: await freePort(),
      toPostgres: await openDatabaseLink(postgres.url),
      toRedis: redis === undefined ? undefined : await openLink(() => [{ path: redis.url.slice('unix://'.length) }]),
      process: undefined,
      ready: false,
    });
  }
  let turn = 0;
  const front = await openLink(() => {
    turn += 1;
    const ready = nodes.filter((n) => n.ready);
    return ready.map((_, i) => ({ port: ready[(turn + i) % ready.length]?.port ?? 0, host: '127.0.0.1' }));
  });

  let first = true;
  async function start(node: Node): Promise<void> {
    const env: Record<string, string> = {
      DATABASE_URL: node.toPostgres.url,
      ...(node.toRedis === undefined ? {} : { REDIS_URL: `redis://127.0.0.1:${node.toRedis.port}` }),
      PUBLIC_URL: `http://127.0.0.1:${front.port}`,
      HOST: '127.0.0.1',
      CHAOS_DOOR: String(node.door),
      CHAOS_FIRST: first ? 'yes' : 'no',
      LOG_LEVEL: 'warn',
      DEMO: 'off',
      SIMULATOR: 'off',
      DRAIN_PAUSE_MS: '500',
      DRAIN_MS: '1000',
      ARGON2_MEMORY_KIB: '8192',
      ARGON2_TIME: '1',
      ...unlimited,
    };
    first = false;
    node.process = await startServer({ port: node.port, dataDir, env, script: 'dist/test/chaos/node.js' });
    // the door opens last
    while ((await fetch(`http://127.0.0.1:${node.door}/`).catch(() => undefined)) === undefined) await pause(50);
    node.ready = true;
  }

  // what a load balancer does: a node that does not answer in time gets no new connections
  const watching = new AbortController();
  const watch = async (node: Node): Promise<void> => {
    while (!watching.signal.aborted) {
      await pause(200);
      const answer = await fetch(`http://127.0.0.1:${node.port}/readyz`, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined);
      node.ready = node.process !== undefined && answer?.ok === true;
    }
  };

  async function healed(): Promise<void> {
    const end = performance.now() + HEALED_MS;
    while (!nodes.every((n) => n.ready)) {
      if (performance.now() > end) {
        const sick = nodes.filter((n) => !n.ready).map((n) => `${n.name}:\n${n.process?.output().slice(-2_000)}`);
        throw new Error(`these nodes do not become ready again: ${sick.join('\n')}`);
      }
      await pause(100);
    }
  }

  const [one, ...others] = nodes;
  if (one === undefined) throw new RangeError('a stage has a node');
  await start(one);
  for (const node of others) await start(node);
  const watches = nodes.map(watch);

  return {
    nodes,
    postgres,
    redis,
    front,
    databaseUrl: postgres.url,
    dataDir,
    start,
    healed,
    async close() {
      watching.abort();
      await Promise.all(watches);
      await front.close();
      for (const n of nodes) {
        n.process?.signal('SIGCONT');
        await n.process?.end('SIGKILL');
        await n.toPostgres.close();
        await n.toRedis?.close();
      }
      await redis?.stop();
      await postgres.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
