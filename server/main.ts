/** Reads the configuration, builds the server, starts it, and ends it on a signal. */
import { writeFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { buildApp } from './app.ts';
import { bannerText } from './banner.ts';
import { ConfigError, readConfig } from './config.ts';
import { LockedError } from './db/lock.ts';

const STOP_MS = 9_000;
const EXIT_CONFIG = 78;

async function main(): Promise<void> {
  const started = performance.now();
  const config = readConfig();
  const app = await buildApp(config);
  const { log, database, version } = app;

  let stopping = false;
  const stop = async (signal: string): Promise<void> => {
    if (stopping) return;
    stopping = true;
    log.info({ signal }, 'stopping');
    const late = AbortSignal.timeout(STOP_MS);
    late.addEventListener('abort', () => {
      log.error({ signal }, 'stopping took too long');
      process.exit(1);
    });
    await rm(join(config.dataDir, 'server.json'), { force: true });
    await app.stop();
    log.info({ signal }, 'stopped');
    process.exit(0);
  };
  const onSignal = (signal: string): void => {
    stop(signal).catch((error: unknown) => {
      log.error({ err: error }, 'stopping failed');
      process.exit(1);
    });
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);

  const { url } = await app.start();
  await writeFile(join(config.dataDir, 'server.json'), JSON.stringify({ url, pid: process.pid }), { mode: 0o600 });
  const { durability, logins } = app;
  const engine =
    database.engine === 'pglite' ? `embedded PostgreSQL ${database.version} in ${config.dataDir}` : `PostgreSQL ${database.version}`;
  const cluster = config.redisUrl !== undefined;
  process.stdout.write(bannerText({ version, url, database: engine, durability, cluster, logins, startedMs: performance.now() - started }));
  log.info({ port: new URL(url).port, engine: database.engine, durability }, 'ready');
  if (cluster) log.warn({}, 'REDIS_URL is set, but this version runs on one node');
}

try {
  await main();
} catch (error) {
  const plain = error instanceof ConfigError || error instanceof LockedError;
  process.stderr.write(`${plain ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(error instanceof ConfigError ? EXIT_CONFIG : 1);
}
