/** Reads the configuration, builds the server, starts it, and ends it on a signal. */
import { forgetAddress, writeAddress } from './address-file.ts';
import { buildApp } from './app.ts';
import type { App } from './app.ts';
import { bannerText, completeText } from './banner.ts';
import { ConfigError, readConfig } from './config.ts';
import { LockedError } from './db/lock.ts';

/** for everything but the pause and the goodbyes to sockets */
const STOP_MS = 19_000;
const EXIT_CONFIG = 78;
/** to be started afresh: what is in memory belongs to a database that is no more */
const EXIT_REPLACED = 75;

async function start(started: number): Promise<App> {
  const config = readConfig();
  const app = await buildApp(config, { onReplaced: () => process.exit(EXIT_REPLACED) });
  const { url: local } = await app.start();
  await writeAddress(config.dataDir, local);
  const url = config.publicUrl === `http://localhost:${config.port}` ? local : config.publicUrl;
  const { database, durability, relaxed, log, logins, version } = app;
  const engine =
    database.engine === 'pglite' ? `embedded PostgreSQL ${database.version} in ${config.dataDir}` : `PostgreSQL ${database.version}`;
  const cluster = config.redisUrl === undefined ? undefined : app.actors.inspect.cluster();
  process.stdout.write(
    bannerText({ version, url, local, database: engine, durability, relaxed, cluster, logins, startedMs: performance.now() - started }),
  );
  // the log of the set-up has moved the banner out of sight
  void app.demo?.ready.then((complete) => complete && process.stdout.write(completeText(url, logins)));
  log.info({ version, build: config.build, url: local, engine: database.engine, durability }, 'ready');
  return app;
}

async function stop(app: App, signal: string): Promise<void> {
  const hurry = signal === 'SIGINT';
  const { drainPauseMs, drainMs } = app.config;
  const limit = STOP_MS + (hurry ? 0 : drainPauseMs + drainMs);
  AbortSignal.timeout(limit).addEventListener('abort', () => fail(new Error('stopping took too long')));
  app.log.info({ signal }, 'stopping');
  await forgetAddress(app.config.dataDir);
  await app.stop({ hurry });
  app.log.info({ signal }, 'stopped');
}

function fail(error: unknown): never {
  const { code, message, stack } = error as NodeJS.ErrnoException;
  const plain = error instanceof ConfigError || error instanceof LockedError || code === 'EADDRINUSE';
  process.stderr.write(`${plain ? message : (stack ?? String(error))}\n`);
  process.exit(error instanceof ConfigError ? EXIT_CONFIG : 1);
}

const running = start(performance.now());
const end = new Promise<string>((resolve) => process.on('SIGTERM', resolve).on('SIGINT', resolve));
try {
  const app = await running;
  const signal = await end;
  await stop(app, signal);
  process.exit(0);
} catch (error) {
  fail(error);
}
