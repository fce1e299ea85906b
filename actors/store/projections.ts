/**
 * Tables that follow the actors: what asynchronous projections ask of a store (kernel specification 8.4). A row carries the seq of the state that
 * it shows, so order and repetition of writes do not matter: what is older than what is there is passed over.
 */
import type { Json } from '../types.ts';

/** What an actor shows in one table at one event; `row` null when it shows nothing. */
export interface ProjectedRow {
  readonly actorId: string;
  readonly seq: number;
  readonly row: { readonly [column: string]: Json } | null;
}

/** How far the rows of a projection have been built from all actors, once for each version of its declaration. */
export interface Build {
  /** `kind/name` */
  readonly projection: string;
  readonly version: number;
  /** while it is under way: actors up to this id are done */
  readonly upTo: string | null;
  /** epoch ms; null while it is under way */
  readonly doneAt: number | null;
}

export interface ProjectionStore {
  /**
   * Writes rows of one projection, atomically. Nothing is written for erased actors, nor over a newer row, nor in place of one that a newer event
   * took away. With `upTo` the build under way has come so far, in the same transaction.
   *
   * @throws StoreError `bad-row` when a row does not fit the table; nothing was written
   */
  write(projection: string, rows: readonly ProjectedRow[], upTo?: string): Promise<void>;
  /** Remembers that everything that happened in these slots before `at` (epoch ms) is shown. */
  advance(slots: readonly number[], at: number): Promise<void>;
  /** By slot: what happened before is shown. */
  cursors(): Promise<ReadonlyMap<number, number>>;
  /**
   * Actors of the slots with an event not older than `margin` ms before the cursor of their slot; of other kinds than `kinds` only those whose
   * directory entry does not stand at their last event.
   */
  behind(slots: readonly number[], margin: number, kinds: readonly string[]): Promise<string[]>;
  builds(): Promise<Build[]>;
  /** A build begins, or an old one again from its start. */
  begin(projection: string, version: number): Promise<void>;
  /** Every actor is done: rows of actors that do not exist are removed. Gives their number. */
  finish(projection: string, version: number, at: number): Promise<number>;
}
