/** Reads of a whole store, for checks that run beside it or over a copy of it. They change nothing. */
import type { Json } from '../types.ts';
import type { HistoryRow, NetRow } from './store.ts';

export interface ScannedActor {
  readonly actorId: string;
  readonly kind: string;
  readonly id: string;
  readonly status: string;
}

/** A journal row with the key under which it is remembered. */
export interface RecordedRow extends HistoryRow {
  /** 32 hexadecimal digits */
  readonly idem: string | null;
}

/** What is left in the outbox of one actor. */
export interface StandingRow {
  readonly seq: number;
  readonly n: number;
  readonly op: 'tell' | 'effect';
  readonly target: string;
  readonly payload: Json;
}

export interface ScanStore {
  /** In order of their id, at most `limit`, after the given id. Erased actors have no history and are left out. */
  actors(q: { kind?: string; after?: string; limit: number }): Promise<ScannedActor[]>;
  /** Rows of one actor with a seq above `after`, ascending, at most `limit`. */
  rows(actorId: string, q: { after: number; limit: number }): Promise<RecordedRow[]>;
  outbox(actorId: string): Promise<StandingRow[]>;
  /**
   * Of the rows that one actor's events gave a companion table: those that nothing has changed since and that hold other values in the table, as
   * seq and number. Columns that are added up are left out, and so is a companion without a column for the seq.
   */
  differing(companion: string, rows: readonly NetRow[]): Promise<[seq: number, n: number][]>;
}
