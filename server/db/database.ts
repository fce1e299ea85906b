/**
 * The one database of the server: real Postgres by URL, else PGlite in a worker thread. Both are reached through the `pg` driver, by Knex for
 * everything that is not hot and by connections of their own for the kernel.
 */
import knexFactory from 'knex';
import type { Knex } from 'knex';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { Client } from 'pg';
import type { ClientConfig } from 'pg';
import { setUp } from '../../actors/store/pg-lane.ts';
import type { Clock, Log } from '../../actors/types.ts';
import { pause } from '../../actors/within.ts';
import { systemClock } from '../clock.ts';
import { startEmbedded } from './embedded.ts';
import type { Embedded } from './embedded.ts';
import { takeLock } from './lock.ts';
import { migrate } from './migrate.ts';
import { types } from './parsers.ts';

export interface DatabaseConfig {
  /** of a Postgres server; without it the embedded database is used */
  readonly url?: string;
  /** the embedded database lives in `<dataDir>/pg` */
  readonly dataDir: string;
  /** connections of the pool behind `knex`; default 8, embedded 4 */
  readonly pool?: number;
  /** embedded: ms that a transaction may idle while other connections wait; default 10,000 */
  readonly idleInTransaction?: number;
  /** ms for a statement of `knex` on a server, after which its connection is given up; default 60,000. Migrations may take longer */
  readonly statementTimeout?: number;
  /** nothing is written: no migration runs, every transaction is read-only */
  readonly readOnly?: boolean;
}

export interface Database {
  readonly engine: 'postgres' | 'pglite';
  /** what survives: loss of power, or only the end of the process (the embedded engine does not call fsync) */
  readonly durability: 'power' | 'process';
  /** of the server, like '15.7' */
  readonly version: string;
  /** migrations that ran at this start */
  readonly migrated: readonly string[];
  readonly knex: Knex;
  /**
   * A connection of one's own, with the schema on its path; the caller ends it. `pipeline`: queries are sent without waiting for answers. `name`:
   * `application_name` in the server's list of connections.
   */
  connect(o?: { readonly pipeline?: boolean; readonly name?: string }): Promise<Client>;
  /** Ends the pool, then the embedded engine. */
  close(): Promise<void>;
}

const SEARCH_PATH = ['thrum', 'public'];
/**
 * How long is waited for a connection to be made (0: without end) and for one of the pool, ms. The embedded engine cannot fall silent alone: it
 * serves one statement at a time and takes a connection in its turn, which on a machine that does much else is later than a server's silence may last.
 */
const WAITS = { postgres: { connect: 5_000, acquire: 10_000 }, pglite: { connect: 0, acquire: 60_000 } } as const;
const STARTING_MS = 30_000;
const AGAIN_MS = 250;
/** any number that nothing else on the server locks */
const MIGRATION_LOCK = 7_484_786_601;

/** cannot_connect_now: the server starts, stops or recovers. A container that comes up with its database may be there before it listens. */
const STARTING = new Set(['57P03', 'ECONNREFUSED', 'ENOENT', 'ECONNRESET']);

/** Connects to a server that may still be starting, for half a minute. @throws the last failure */
async function patiently<T>(connect: () => Promise<T>, log: Log, clock: Clock): Promise<T> {
  const until = clock.mono() + STARTING_MS;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await connect();
    } catch (error) {
      const { code } = error as { code?: string };
      if (!STARTING.has(code ?? '') || clock.mono() > until) throw error;
      if (attempt === 1) log.warn({ code }, 'waiting for the database');
      await pause(clock, AGAIN_MS);
    }
  }
}

/** @throws LockedError when another process uses the data directory */
export async function openDatabase(config: DatabaseConfig, log: Log): Promise<Database> {
  return config.url === undefined
    ? openEmbedded(config, log)
    : open('postgres', { connectionString: config.url }, { pool: 8, ...config }, log, async () => undefined);
}

async function openEmbedded(config: DatabaseConfig, log: Log): Promise<Database> {
  const { dataDir, idleInTransaction = 10_000 } = config;
  mkdirSync(dataDir, { recursive: true });
  const release = takeLock(join(dataDir, 'pg.lock'));
  let engine: Embedded | undefined;
  let starting: Promise<void> | undefined;
  let closing = false;
  /** Starts the engine, and again after its death, as a server comes back after a crash. */
  const start = async (): Promise<void> => {
    engine = await startEmbedded({ dir: join(dataDir, 'pg'), idleInTransaction }, log, () => {
      engine = undefined;
      starting = closing ? undefined : start().catch((error: unknown) => log.error({ err: error }, 'embedded database does not start'));
    });
  };
  const stream = (): Duplex => {
    if (!engine) throw new Error('the embedded database is not running');
    return engine.open();
  };
  const stop = async (): Promise<void> => {
    closing = true;
    await starting;
    await engine?.stop();
    release();
  };
  try {
    await start();
    return await open('pglite', { stream, user: 'postgres', database: 'postgres', password: '' }, { pool: 4, ...config }, log, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

const READ_ONLY = 'set default_transaction_read_only = on';
const makeReadOnly = (client: Client, done: (error: Error | null, client: Client) => void): void =>
  client.query(READ_ONLY, (error) => done(error, client));

async function open(
  engine: Database['engine'],
  connection: ClientConfig,
  { pool, readOnly = false, statementTimeout = 60_000 }: DatabaseConfig & { readonly pool: number },
  log: Log,
  stop: () => Promise<void>,
): Promise<Database> {
  const settings = { ...connection, types, connectionTimeoutMillis: WAITS[engine].connect, keepAlive: true };
  const connect = async ({ pipeline = false, name }: { pipeline?: boolean; name?: string } = {}): Promise<Client> => {
    const client = new Client({ ...settings, pipeline, ...(name === undefined ? {} : { application_name: name }) });
    client.on('error', (error) => log.warn({ err: error }, 'database connection lost'));
    await client.connect();
    const text = [`set search_path to ${SEARCH_PATH.join(', ')}`, ...(readOnly ? [READ_ONLY] : [])].join('; ');
    await setUp(client, text, WAITS[engine].connect);
    return client;
  };
  const first = await patiently(connect, log, systemClock);
  let pooled: Knex | undefined;
  try {
    // Nodes that start together migrate one after the other; the lock ends with this connection.
    if (!readOnly && engine === 'postgres') await first.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    if (!readOnly) await first.query('create schema if not exists thrum');
    const { rows } = await first.query<{ version: string; durable: boolean }>(
      `select current_setting('server_version') as version,
              current_setting('synchronous_commit') <> 'off' and current_setting('fsync') = 'on' as durable`,
    );
    const facts = rows[0] ?? { version: '', durable: false };
    const pooledBy = (more: ClientConfig): Knex =>
      knexFactory.default({
        client: 'pg',
        connection: { ...settings, ...more } as Knex.PgConnectionConfig,
        searchPath: SEARCH_PATH,
        pool: { min: 0, max: pool, ...(readOnly ? { afterCreate: makeReadOnly } : {}) },
        acquireConnectionTimeout: WAITS[engine].acquire,
        log: {
          warn: (message: unknown) => log.warn({ err: message }, 'database pool'),
          error: (message: unknown) => log.error({ err: message }, 'database pool'),
        },
      });
    let ran: string[] = [];
    if (!readOnly) {
      pooled = pooledBy({});
      ran = await migrate(pooled);
      await pooled.destroy();
    }
    // Knex sends one statement at a time all the same; of this kind the driver ends a connection with a statement that is given up
    const knex = pooledBy(engine === 'postgres' ? { pipeline: true, query_timeout: statementTimeout } : {});
    pooled = knex;
    return {
      engine,
      durability: facts.durable ? 'power' : 'process',
      version: facts.version,
      migrated: ran,
      knex,
      connect,
      close: async () => {
        await knex.destroy();
        await stop();
      },
    };
  } catch (error) {
    await pooled?.destroy();
    throw error;
  } finally {
    await first.end();
  }
}
