/** A connection for everything but commits: shared, pipelined, opened when first needed and again after a loss. */
import type { Client, QueryResultRow } from 'pg';
import { storeError } from './pg-errors.ts';
import { setUp } from './pg-lane.ts';
import type { PgSource, TimedQuery } from './pg-lane.ts';
import type { Line, PgLines } from './pg-lines.ts';

/** Estimates for many actors at once pass the threshold of the compiler, which then takes half a second for a query of milliseconds. */
const NO_JIT = 'set jit = off';

export class PgLink implements Line {
  readonly #source: PgSource;
  readonly #timeout: number;
  readonly #attempts: number;
  readonly #settings: string;
  readonly #lines: PgLines;
  #client: Promise<Client> | undefined;
  /** queries under way */
  #waiting = 0;
  #closed = false;

  /** `timeout`: ms for one query, after which the connection is given up. `attempts`: 2 for reads, which a lost connection may repeat */
  constructor(source: PgSource, lines: PgLines, timeout: number, attempts: number, settings = NO_JIT) {
    this.#source = source;
    this.#lines = lines;
    lines.add(this);
    this.#timeout = timeout;
    this.#attempts = attempts;
    this.#settings = settings;
  }

  /** Rows of a query; prepared under `name` when there is one. @throws StoreError */
  async query<R extends QueryResultRow>(name: string | undefined, text: string, values: readonly unknown[] = []): Promise<R[]> {
    for (let attempt = 1; ; attempt++) {
      const connected = (this.#client ??= this.#connect());
      this.#waiting += 1;
      try {
        const client = await connected;
        const query: TimedQuery = { text, values, query_timeout: this.#timeout };
        if (name !== undefined) query.name = name;
        return (await client.query<R>(query)).rows;
      } catch (cause) {
        const error = storeError(cause);
        if (error.failure !== 'in-doubt') throw error;
        this.#giveUp(connected);
        this.#lines.lost();
        if (attempt >= this.#attempts) throw error;
      } finally {
        this.#waiting -= 1;
      }
    }
  }

  leave(): void {
    if (this.#waiting === 0 && this.#client !== undefined) this.#giveUp(this.#client);
  }

  /** Does not wait for its end, which may never be heard. */
  #giveUp(connected: Promise<Client>): void {
    if (this.#client === connected) this.#client = undefined;
    connected.then((client) => client.end()).catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const client = await this.#client?.catch(() => undefined);
    this.#client = undefined;
    await client?.end();
  }

  #connect(): Promise<Client> {
    if (this.#closed) return Promise.reject(new Error('the store is stopped'));
    let mine: Promise<Client> | undefined;
    const forget = (): void => {
      if (this.#client === mine) this.#client = undefined;
    };
    const open = async (): Promise<Client> => {
      const client = await this.#source.connect({ pipeline: true });
      client.on('error', forget);
      client.on('end', forget);
      if (this.#source.engine === 'postgres') await setUp(client, this.#settings);
      return client;
    };
    mine = open();
    mine.catch(forget);
    return mine;
  }
}
