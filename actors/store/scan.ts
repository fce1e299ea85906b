/** Reads of a whole store, for checks that run beside it or over a copy of it. They change nothing. */
import type { Json } from '../types.ts';
import type { ActorState } from '../types.ts';
import type { HistoryRow, NetRow } from './store.ts';

export interface ScannedActor {
  readonly actorId: string;
  readonly kind: string;
  readonly id: string;
  readonly status: string;
  /** seq that the directory has seen; it may be behind the journal */
  readonly lastSeq: number;
  /** epoch ms of that event */
  readonly lastAt: number | null;
  /** as the directory has it */
  readonly state: string | null;
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

export interface ScannedTimer {
  readonly timerId: string;
  readonly due: number;
}

export interface ScannedItem {
  readonly view: string;
  readonly n: number;
  readonly seq: number;
}

export interface ScannedSnapshot {
  readonly seq: number;
  /** the history of the actor begins here; rows below it are about to be removed */
  readonly base: boolean;
  readonly state: ActorState;
}

/** A row that a companion table and the state of its actor do not agree on; `key` is JSON text. */
export interface AuditDifference {
  readonly what: 'missing' | 'extra' | 'differs';
  readonly key: string;
}

/** Tables of the kernel whose rows belong to an actor. */
export const ACTOR_TABLES = ['journal', 'snapshot', 'timer', 'outbox', 'topic_item'] as const;
export type ActorTable = (typeof ACTOR_TABLES)[number];

export interface ScanStore {
  /** In order of their id, at most `limit`, after the given id. Actors that are erased or gone have no history and are left out, unless they are asked for. */
  actors(q: { kind?: string; after?: string; limit: number; erased?: boolean }): Promise<ScannedActor[]>;
  /** Rows of one actor with a seq above `after`, ascending, at most `limit`. */
  rows(actorId: string, q: { after: number; limit: number }): Promise<RecordedRow[]>;
  outbox(actorId: string): Promise<StandingRow[]>;
  timers(actorId: string): Promise<ScannedTimer[]>;
  /** The oldest snapshot at or after an event. */
  snapshot(actorId: string, from: number): Promise<ScannedSnapshot | undefined>;
  /** Events and refusals of one actor that have the key of another, at most 100, as the seqs that share one. */
  repeated(actorId: string): Promise<number[][]>;
  /** Items of all log topics of an actor, by view and number, at most `limit`, after the given one. */
  items(actorId: string, q: { after?: { view: string; n: number }; limit: number }): Promise<ScannedItem[]>;
  /** Ids that have rows in a table, refusals of the journal left out, ascending, at most `limit`, after the given id. */
  holders(table: ActorTable, q: { after?: string; limit: number }): Promise<string[]>;
  /** Of the tables that erasing an actor of the kind empties: those that still hold rows of it. */
  left(actorId: string, kind: string): Promise<string[]>;
  /**
   * Compares the rows that an audited companion holds of an actor under its `where`, or a projection, with those that there should be, column by column as
   * they are given. `own` are the columns that tell the actor's rows, beside the one with its id. At most 100 differences.
   */
  audit(
    companion: string,
    actorId: string,
    own: { readonly [column: string]: Json },
    rows: readonly { readonly [column: string]: Json }[],
  ): Promise<AuditDifference[]>;
  /**
   * Of the rows that one actor's events gave a companion table: those that nothing has changed since and that hold other values in the table, as
   * seq and number. Columns that are added up are left out, and so is a companion without a column for the seq.
   */
  differing(companion: string, rows: readonly NetRow[]): Promise<[seq: number, n: number][]>;
}

const PAGE = 256;

/** Every actor of a store, or of one kind, in pages in order of their id; those that are erased or gone when they are asked for. */
export async function* actorPages(
  scan: Pick<ScanStore, 'actors'>,
  q: { kind?: string | undefined; erased?: boolean } = {},
): AsyncGenerator<ScannedActor[]> {
  const filter = { limit: PAGE, erased: q.erased ?? false, ...(q.kind === undefined ? {} : { kind: q.kind }) };
  for (let after: string | undefined; ;) {
    const page = await scan.actors({ ...filter, ...(after === undefined ? {} : { after }) });
    yield page;
    after = page.at(-1)?.actorId;
    if (page.length < PAGE) return;
  }
}

/** The snapshot with which a history begins whose first event is `first`: it stands there, or is marked and the rows below it are about to go. */
export async function beginningOf(scan: Pick<ScanStore, 'snapshot'>, actorId: string, first: number): Promise<ScannedSnapshot | undefined> {
  let found = await scan.snapshot(actorId, first - 1);
  if (first === 1 || (found !== undefined && found.seq <= first)) return found;
  while (found !== undefined && !found.base) found = await scan.snapshot(actorId, found.seq + 1);
  return found;
}
