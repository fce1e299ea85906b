/**
 * Several nodes on one machine as plain processes, with a load balancer before them: `npm run cluster [-- --nodes 3] [--port 3000]`. PostgreSQL and
 * Redis are those of DATABASE_URL and REDIS_URL, else private ones whose data ends with them. `kill -9` a node: the others go on, and the command that
 * starts it again is printed. Each node writes its log to a file.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startBalancer } from './balancer.ts';
import { startPostgres } from './private-postgres.ts';
import { startRedis } from './private-redis.ts';
import { freePort, startServer } from './server-process.ts';
import type { ServerProcess } from './server-process.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { nodes: { type: 'string', default: '2' }, port: { type: 'string', default: '3000' } } });
  const count = Number(values.nodes);
  const port = Number(values.port);
  if (!Number.isInteger(count) || count < 1 || count > 16) throw new Error('--nodes takes a number from 1 to 16');
  const { DATABASE_URL, REDIS_URL } = process.env;
  const postgres = DATABASE_URL ? undefined : await startPostgres({ max_connections: String(20 + 20 * count) });
  const redis = REDIS_URL ? undefined : await startRedis();
  const database = DATABASE_URL ?? postgres?.url;
  const url = REDIS_URL ?? redis?.url;
  if (database === undefined) throw new Error('PostgreSQL is not installed: set DATABASE_URL');
  if (url === undefined) throw new Error('Redis is not installed: set REDIS_URL');
  const dataDir = await mkdtemp(join(tmpdir(), 'thrum-cluster-'));
  const balancer = await startBalancer(port);
  const common = {
    DATABASE_URL: database,
    REDIS_URL: url,
    PUBLIC_URL: balancer.url,
    TRUSTED_PROXIES: '1',
    DRAIN_MS: '2000',
    DEMO: 'on',
  };
  const logOf = (port: number): string => join(dataDir, `node-${port}.log`);
  const start = async (): Promise<ServerProcess> => {
    const port = await freePort();
    return startServer({ port, dataDir, env: common, log: logOf(port) });
  };

  // The first fills the database; the others find it so.
  const first = await start();
  const nodes = [first, ...(await Promise.all(Array.from({ length: count - 1 }, start)))];
  balancer.nodes(nodes.map((n) => n.url));
  say(`\n  ${count} nodes of Thrum behind ${balancer.url}\n`);
  for (const n of nodes)
    say(`  node        ${n.url}   pid ${n.pid}   ready after ${(n.readyMs / 1_000).toFixed(1)} s   log ${logOf(n.port)}`);
  say(`  database    ${database}${postgres === undefined ? '' : `   pid ${await postgres.pid()}`}`);
  say(`  redis       ${url}${redis?.pid === undefined ? '' : `   pid ${redis.pid}`}\n`);
  if (postgres !== undefined) say(`  To start PostgreSQL again when you have ended it (kill -INT):\n\n  ${postgres.again}\n`);
  if (redis !== undefined) say(`  To start Redis again when you have ended it (kill -9):\n\n  ${redis.again}\n`);
  say(
    `  dashboard   ${balancer.url}/\n  inspector   ${balancer.url}/inspect#nodes\n\n  The sign-in page has the logins of the demo studio. Ctrl-C ends everything.\n`,
  );
  let ending = false;
  for (const n of nodes) {
    const env = { ...common, DATA_DIR: dataDir, PORT: String(n.port) };
    const again = Object.entries(env).map(([name, value]) => `${name}='${value}'`);
    void n.ended.then(
      (how) =>
        ending ||
        say(`  ${n.url} has ended (${how}). To start it again:\n\n  ${again.join(' ')} node dist/server/main.js >>${logOf(n.port)} 2>&1\n`),
    );
  }

  await new Promise((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve));
  ending = true;
  await Promise.all(nodes.map((n) => n.end('SIGTERM')));
  await balancer.close();
  await redis?.stop();
  await postgres?.stop();
  await rm(dataDir, { recursive: true, force: true });
}

try {
  await main();
  process.exit(0);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
