import type { RowOp } from '../define.ts';
import type { ActorRef, ActorState, Json, Refusal } from '../types.ts';
import type { ScanStore } from './scan.ts';
import type { AdminStore } from './admin.ts';
import type { DirectoryQuery } from './directory.ts';
import type { LifecycleStore } from './lifecycle.ts';
import type { ProjectionStore } from './projections.ts';

/** One accepted event as it is journaled. Values that the database holds as jsonb are JSON text already. */
export interface JournalRow {
  readonly actorId: string;
  readonly seq: number;
  readonly at: number;
  readonly type: string;
  readonly event: string;
  readonly patch: string;
  readonly reply: string | null;
  /** 32 hexadecimal digits, or null for events nobody may repeat */
  readonly idem: string | null;
  readonly mver: number;
  readonly meta: string | null;
}

export interface NewActor {
  readonly actorId: string;
  readonly kind: string;
  readonly id: string;
  readonly slot: number;
  readonly mver: number;
}

/** A timer row to be written (`due` set) or removed. */
export interface TimerChange {
  readonly actorId: string;
  readonly timerId: string;
  readonly set?: { readonly slot: number; readonly due: number; readonly armedSeq: number; readonly type: string };
}

/** Names one tell, effect or job for ever: `n` counts those of one event from 1. */
export interface EffectId {
  readonly actorId: string;
  readonly seq: number;
  readonly n: number;
}

export interface OutboxRow extends EffectId {
  readonly slot: number;
  readonly op: 'tell' | 'effect';
  readonly target: string;
  /** JSON text */
  readonly payload: string;
  readonly nextAt: number;
}

/** A companion row of an event; `n` numbers the rows of the event from 1. */
export interface CompanionChange {
  readonly into: string;
  readonly op: RowOp;
  readonly n: number;
  readonly row: { readonly [column: string]: Json };
}

/** Everything that one event writes; never reduced, so that any prefix of a batch can be planned anew. */
export interface EventRows {
  readonly journal: JournalRow;
  readonly kind: string;
  readonly born?: NewActor;
  readonly timers: readonly TimerChange[];
  /** without the messages that turn out to be committed together with the event */
  outbox: readonly OutboxRow[];
  /** outbox rows that this event finishes or withdraws */
  readonly outboxDone: readonly EffectId[];
  readonly companions: readonly CompanionChange[];
}

/** Deletions that belong to no event and ride on any batch of the lane. Losing them is harmless. */
export interface Housekeeping {
  readonly outboxDone: readonly EffectId[];
  readonly timersGone: readonly { readonly actorId: string; readonly timerId: string; readonly armedSeq: number }[];
}

/** A net change of one companion row, with the row of the event that is to blame if it is refused. */
export interface NetRow {
  readonly op: RowOp;
  readonly actorId: string;
  readonly seq: number;
  readonly n: number;
  /** seq of the event that last wrote the row; fills the stamp column */
  readonly wrote: number;
  readonly row: { readonly [column: string]: Json };
}

/** A journal row, known by its commit. */
export interface Followed {
  readonly actorId: string;
  readonly seq: number;
  /** undefined: not known, so none will do */
  readonly cid: string | undefined;
}

/** What one statement writes: at most one change per key in every part. */
export interface Batch {
  /** random 63-bit number as decimal text, equal for every attempt to commit these rows */
  readonly cid: string;
  readonly journal: readonly JournalRow[];
  /** rows that must be there, or the batch is refused with `fence`: those that its first rows of actors with relaxed durability follow */
  readonly follows?: readonly Followed[];
  readonly born: readonly NewActor[];
  readonly timersSet: readonly Required<TimerChange>[];
  readonly timersGone: readonly { readonly actorId: string; readonly timerId: string; readonly armedSeq?: number }[];
  readonly outbox: readonly OutboxRow[];
  readonly outboxDone: readonly EffectId[];
  /** by companion name `kind/name` in the registry, tables in name order */
  readonly companions: readonly { readonly companion: string; readonly rows: readonly NetRow[] }[];
}

/** [actorId, seq, n] of a companion row */
export type RefusedRow = readonly [actorId: string, seq: number, n: number];

/**
 * Why a commit failed. Except for `in-doubt` nothing was applied.
 *
 * - `fence`      some actor of the batch has a newer tail
 * - `duplicate`  an idempotency key of the batch is journaled already
 * - `refused`    companion rows were refused; `rows` names all of one companion
 * - `companion`  a constraint of a companion table fired without naming the actor
 * - `transient`  serialization failure, deadlock, cancelled: send again unchanged
 * - `in-doubt`   connection lost or timed out: send the identical batch again
 * - `bad-row`    the kernel's own tables refused a value
 */
export type StoreFailure = 'fence' | 'duplicate' | 'refused' | 'companion' | 'transient' | 'in-doubt' | 'bad-row';

export class StoreError extends Error {
  readonly failure: StoreFailure;
  readonly companion: string | undefined;
  readonly rows: readonly RefusedRow[];

  constructor(failure: StoreFailure, message: string, o: { companion?: string; rows?: readonly RefusedRow[]; cause?: unknown } = {}) {
    super(message, o.cause === undefined ? undefined : { cause: o.cause });
    this.name = 'StoreError';
    this.failure = failure;
    this.companion = o.companion;
    this.rows = o.rows ?? [];
  }
}

/** One serial commit pipeline. The caller never has two commits of one lane under way. */
export interface Lane {
  /** One atomic statement. @throws StoreError */
  commit(batch: Batch): Promise<void>;
  /** Gives the connection up, and what is under way on it; the next commit opens another. Absent where there is none. */
  drop?(): void;
  close(): Promise<void>;
}

export interface RingEntry {
  readonly idem: string;
  readonly seq: number;
  readonly type: string;
  readonly reply: Json;
  /** checksum of the payload, from `meta.chk` */
  readonly chk: number;
}

export interface TailRow {
  readonly seq: number;
  readonly at: number;
  readonly patch: Json;
  readonly mver: number;
}

export interface Loaded {
  /** directory status: active, done, paused, quarantined, erased or gone */
  readonly status: string;
  /** version of the machine that wrote the directory entry last, or quarantined the actor */
  readonly mver: number;
  readonly snapshot?: {
    readonly seq: number;
    readonly mver: number;
    readonly state: ActorState;
    readonly heads: { readonly [view: string]: number } | null;
  };
  /** journal rows after the snapshot, ascending; without snapshot from seq 1 */
  readonly tail: readonly TailRow[];
  /** `at` of the journal tail */
  readonly lastAt: number;
  /** its commit, where that was asked for */
  readonly cid?: string | undefined;
  /** marks of the latest keys, oldest first; see `keys.ts` */
  readonly keys: string;
  /** something that it has sent waits in the outbox */
  readonly sends: boolean;
}

export interface SnapshotRow {
  readonly actorId: string;
  readonly seq: number;
  /** epoch ms, of the event after which the state is this one */
  readonly at: number;
  readonly mver: number;
  /** JSON text of the ActorState */
  readonly state: string;
  readonly heads: { readonly [view: string]: number };
  /** marks of the keys up to the event; without them they are looked for in the journal */
  readonly keys?: string | undefined;
  /** written only if the event is there and of this commit: with relaxed durability it may have been lost, and its number given to another */
  readonly cid?: string | undefined;
}

export interface DueTimer {
  readonly actorId: string;
  readonly kind: string;
  readonly id: string;
  readonly timerId: string;
  readonly due: number;
  readonly armedSeq: number;
  readonly type: string;
}

export interface PendingOutbox extends OutboxRow {
  readonly kind: string;
  readonly id: string;
  readonly attempts: number;
}

export interface DeadRow {
  readonly actorId: string;
  readonly kind: string;
  readonly id: string;
  readonly source: string;
  readonly event: Json;
  readonly error: Json;
  readonly attempts: number;
}

export interface DirectoryRow {
  readonly actorId: string;
  readonly kind: string;
  readonly id: string;
  readonly slot: number;
  readonly status: string;
  readonly mver: number;
  readonly state: string | null;
  readonly lastSeq: number;
  readonly lastAt: number | null;
  readonly createdAt: number;
}

export interface HistoryRow {
  readonly seq: number;
  readonly at: number;
  readonly type: string;
  readonly event: Json;
  readonly patch: Json;
  readonly reply: Json;
  readonly mver: number;
  readonly meta: Json;
}

/** Processes that are thought dead. One that has spoken to the database within the last `silentMs` is not. */
export interface Former {
  readonly nodes: readonly string[];
  readonly silentMs: number;
}

/** The authority: an append-only journal with what commits beside it. Drivers: Postgres and PGlite (pg.ts), memory (mem.ts). */
export interface JournalStore {
  /** What survives: `power`, `process` (kill -9 of the server) or `none`. */
  readonly durability: 'power' | 'process' | 'none';
  /** Whether relaxed lanes are faster than others. */
  readonly relaxes: boolean;
  /** for checks of a whole store */
  readonly scan: ScanStore;
  /** Compares every declared companion with its table. @throws CompanionMismatch with the whole list */
  start(): Promise<void>;
  stop(): Promise<void>;
  /**
   * Ends the connections of former processes, without names those of every process but this one. Once it resolves, no statement of theirs can be
   * applied any more. Gives the number of connections.
   */
  fence(former?: Former): Promise<number>;
  /** Names of the processes that have spoken to the database within the last `silentMs`, or have a statement under way. */
  kernels(silentMs: number): Promise<readonly string[]>;
  /**
   * `relaxed`: commits do not wait for the disk. Then a crash of the database may have taken back what was committed, and every batch is refused
   * with `fence` whose first row of an actor does not follow a row that is there.
   */
  openLane(n: number, relaxed?: boolean): Promise<Lane>;
  /** 32 hexadecimal digits that name this history of the database */
  dataId(): Promise<string>;

  /** At most 256 ids a call, all as of one moment. Ids without history are absent from the answer. @param relaxed kinds whose `cid` is wanted */
  load(actorIds: readonly string[], relaxed?: readonly string[]): Promise<Map<string, Loaded>>;
  /** Seq of the newest journal row of each actor, at most 256 a call; actors without history are absent. */
  tails(actorIds: readonly string[]): Promise<Map<string, number>>;
  /** Commit id of one journal row, to recognise an attempt of one's own. */
  cidAt(actorId: string, seq: number): Promise<string | undefined>;
  byIdem(actorId: string, idem: string): Promise<RingEntry | undefined>;
  /**
   * Makes the refusal of a message final: its key is taken, so that no event with it can be accepted any more. Gives the event that had it
   * already, if there is one. Atomic with every commit.
   */
  refuse(actorId: string, refused: { idem: string; at: number; type: string; error: Refusal }): Promise<RingEntry | undefined>;

  /**
   * Of an actor's snapshots the newest two stay, the last one of every UTC day, and the one with which its history begins. Rows of actors
   * that are erased or gone are passed over, here and below.
   */
  saveSnapshots(rows: readonly SnapshotRow[]): Promise<void>;
  /**
   * Refreshes `state`, `last_seq`, `last_at` and `status` (done) of the directory; older values never overwrite newer ones. Gives the actors of
   * rows with a `cid` that were not written because their event is not there (any more).
   */
  touch(
    rows: readonly {
      actorId: string;
      state: string;
      lastSeq: number;
      lastAt: number;
      done: boolean;
      mver: number;
      cid?: string | undefined;
    }[],
  ): Promise<string[]>;
  /** `mver`: the version of the machine that quarantined the actor, or let it go */
  setStatus(actorId: string, status: 'active' | 'done' | 'paused' | 'quarantined', mver?: number): Promise<void>;

  /** Timers with `due < before`, in order of due, at most `limit`, after the given row; of these slots only, if given. */
  timersDue(
    before: number,
    limit: number,
    after?: { due: number; actorId: string; timerId: string },
    slots?: readonly number[],
  ): Promise<DueTimer[]>;
  /**
   * Takes timers of any slot with `due < before`, in order of due, at most `limit`, at the time `at`: no call with a `before` up to `at` gets them
   * too, wherever it is made. Rows that another statement is busy with are passed over.
   */
  takeTimers(before: number, at: number, limit: number): Promise<DueTimer[]>;
  /** Moves a timer row, if it still stands as armed by `rowSeq`. */
  rearm(row: { actorId: string; timerId: string; rowSeq: number; due: number; armedSeq: number }): Promise<void>;
  /** Pending outbox rows with `nextAt < before`, in order of (actorId, seq, n), at most `limit`, after the given row; of these slots only, if given. */
  outboxDue(before: number, limit: number, after?: EffectId, slots?: readonly number[]): Promise<PendingOutbox[]>;
  /** All pending outbox rows of at most 256 actors, in order of (actorId, seq, n). */
  outboxOf(actorIds: readonly string[]): Promise<PendingOutbox[]>;
  /**
   * Takes outbox rows of any slot: effects with `nextAt < before`, at most `limit`, and all messages of those senders whose first one is, at most
   * `limit` senders. Their `nextAt` becomes `until`. What another call takes, or another statement is busy with, is passed over; messages of one
   * sender are never divided, so that they stay in order. In order of (actorId, seq, n).
   */
  takeOutbox(before: number, until: number, limit: number): Promise<PendingOutbox[]>;
  /** Sets `nextAt` of the rows that still stand. */
  hold(rows: readonly EffectId[], nextAt: number): Promise<void>;
  /** Remembers a failed attempt. */
  postpone(rows: readonly (EffectId & { attempts: number; nextAt: number; error: string })[]): Promise<void>;
  /** Writes a dead letter; with `outbox` in place of that row, and nothing if the row is gone. */
  bury(row: DeadRow, outbox?: EffectId): Promise<void>;

  /** Items with number > `after`, ascending, at most `limit`; or the newest `last` items. `floor`: smallest number kept, or `upTo + 1` */
  topicItems(actorId: string, view: string, q: { after: number; limit: number } | { last: number }): Promise<{ n: number; item: Json }[]>;
  topicFloor(actorId: string, view: string): Promise<number | undefined>;

  directory(q: DirectoryQuery): Promise<DirectoryRow[]>;
  entry(actorId: string): Promise<DirectoryRow | undefined>;
  /** Newest first. */
  history(actorId: string, q: { before?: number; after?: number; limit: number }): Promise<HistoryRow[]>;
  readonly admin: AdminStore;
  readonly lifecycle: LifecycleStore;
  readonly projections: ProjectionStore;
  /** Actors with a journal row at or after `since` (whole epoch ms); of these slots only, if given. */
  recent(since: number, slots?: readonly number[]): Promise<{ actorId: string; seq: number }[]>;
  /** `kind:id` of at most 256 actors; those that the directory does not know are absent. */
  refs(actorIds: readonly string[]): Promise<Map<string, ActorRef>>;
}
