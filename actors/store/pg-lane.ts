/** One commit pipeline: a connection of its own, one statement at a time. */
import type { Client, QueryConfig, Submittable } from 'pg';
import type { Statements } from '../statement.ts';
import { storeError } from './pg-errors.ts';
import type { Line, PgLines } from './pg-lines.ts';
import type { Batch, Lane } from './store.ts';

/** Where connections come from. */
export interface PgSource {
  readonly engine: 'postgres' | 'pglite';
  readonly durability: 'power' | 'process';
  /** A new connection with the schema on its path. `pipeline`: it may be given several queries at once; `name`: what the server calls it */
  connect(o: { readonly pipeline: boolean; readonly name?: string }): Promise<Client>;
}

/** The driver gives up a query after `query_timeout` ms; its types do not know. */
export interface TimedQuery extends Omit<QueryConfig, 'values'> {
  // the driver only reads them
  // oxlint-disable-next-line typescript/no-explicit-any
  values?: any;
  query_timeout: number;
}

/** A statement prepared for longer than this stays prepared only while it is among the last used. */
const PREPARED = 64;
const TIMEOUT = 10_000;

/** Rows are reached by their keys, whatever the planner thinks of the size of a table. */
export const BY_KEY = 'set jit = off; set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off';

/**
 * The settings keep a plan, made once while a table was small, from scanning it when it has grown. The embedded engine is one session for all
 * connections; there the plans follow the statistics instead.
 */
const SETTINGS = `set statement_timeout = ${TIMEOUT}; set plan_cache_mode = force_generic_plan; ${BY_KEY}`;

/** Drops a prepared statement by the protocol, under the name that the driver knows. */
class Unprepare {
  readonly done: Promise<void>;
  /** read by the driver */
  readonly query_timeout = TIMEOUT;
  readonly #name: string;
  #settle: { resolve: () => void; reject: (error: Error) => void } = { resolve: () => undefined, reject: () => undefined };
  /** the driver wraps it */
  callback = (): void => undefined;

  constructor(name: string) {
    this.#name = name;
    this.done = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
  }

  submit(connection: DriverConnection): void {
    connection.close({ type: 'S', name: this.#name });
    connection.sync();
    delete connection.parsedStatements[this.#name];
    delete connection.submittedNamedStatements[this.#name];
  }

  handleReadyForQuery(): void {
    this.callback();
    this.#settle.resolve();
  }

  handleError(error: Error): void {
    this.callback();
    this.#settle.reject(error);
  }
}

/** The part of the driver's connection that a query object is given. */
interface DriverConnection {
  close(message: { type: 'S'; name: string }): void;
  sync(): void;
  readonly parsedStatements: { [name: string]: string };
  readonly submittedNamedStatements: { [name: string]: string };
}

/** What was opened for nothing does not stay open; its end is not awaited, because it may never be heard. */
export function ended(client: Client, why: unknown): unknown {
  client.end().catch(() => undefined);
  return why;
}

/** The settings of a new connection. A server that accepts connections and says nothing is as good as none. @param limit ms; 0: none */
export async function setUp(client: Client, text: string, limit = TIMEOUT): Promise<void> {
  const query: TimedQuery = { text, query_timeout: limit };
  try {
    await client.query(query);
  } catch (error) {
    throw ended(client, error);
  }
}

export class PgLane implements Lane, Line {
  readonly #source: PgSource;
  readonly #statements: Statements;
  readonly #tableOf: ReadonlyMap<string, string>;
  #client: Client | undefined;
  /** statement key -> name, the least recently used first */
  readonly #prepared = new Map<string, string>();
  readonly #relaxed: boolean;
  readonly #lines: PgLines;
  #busy = false;
  #names = 0;
  #closed = false;

  /** @param relaxed commits do not wait for the disk */
  constructor(source: PgSource, lines: PgLines, statements: Statements, tableOf: ReadonlyMap<string, string>, relaxed: boolean) {
    this.#source = source;
    this.#lines = lines;
    lines.add(this);
    this.#statements = statements;
    this.#tableOf = tableOf;
    this.#relaxed = relaxed;
  }

  async commit(batch: Batch): Promise<void> {
    const statement = this.#statements.of(batch);
    this.#busy = true;
    try {
      const client = this.#client ?? (await this.#connect());
      const name = await this.#nameOf(statement.key, client);
      // the server gives up first; the client's own limit is for a connection that has fallen silent
      const query: TimedQuery = { name, text: statement.text, values: statement.values, query_timeout: TIMEOUT + 2_000 };
      await client.query(query);
    } catch (cause) {
      const error = storeError(cause, batch, this.#tableOf);
      if (error.failure === 'in-doubt') {
        this.drop();
        this.#lines.lost();
      }
      throw error;
    } finally {
      this.#busy = false;
    }
  }

  leave(): void {
    if (!this.#busy) this.drop();
  }

  async close(): Promise<void> {
    this.#closed = true;
    const client = this.#client;
    this.#forget();
    await client?.end();
  }

  async #connect(): Promise<Client> {
    if (this.#closed) throw new Error('the lane is closed');
    const client = await this.#source.connect({ pipeline: false });
    client.on('error', () => {
      if (this.#client === client) this.#forget();
    });
    if (this.#source.engine === 'postgres') await setUp(client, this.#relaxed ? `${SETTINGS}; set synchronous_commit = off` : SETTINGS);
    if (this.#closed) throw ended(client, new Error('the lane is closed'));
    this.#client = client;
    return client;
  }

  async #nameOf(key: string, client: Client): Promise<string> {
    let name = this.#prepared.get(key);
    if (name === undefined) {
      name = `commit_${++this.#names}`;
      const [oldest] = this.#prepared;
      if (oldest && this.#prepared.size >= PREPARED) {
        this.#prepared.delete(oldest[0]);
        const unprepare = new Unprepare(oldest[1]);
        client.query(unprepare as unknown as Submittable);
        await unprepare.done;
      }
    } else {
      this.#prepared.delete(key);
    }
    this.#prepared.set(key, name);
    return name;
  }

  #forget(): void {
    this.#client = undefined;
    this.#prepared.clear();
  }

  /** Ends a connection in an unknown state, without waiting for its server. */
  drop(): void {
    const client = this.#client;
    this.#forget();
    client?.end().catch(() => undefined);
  }
}
