/** What a store keeps for the people who operate the kernel: audit, dead letters, pauses, coverage, and states of the past. */
import type { ActorState, Json } from '../types.ts';
import type { Taking } from '../transitions.ts';
import type { DeadRow, OutboxRow, TailRow } from './store.ts';

/** One act of an operator. */
export interface AuditRow {
  readonly admin: string;
  readonly action: string;
  readonly actorId: string | null;
  readonly beforeSeq: number | null;
  readonly afterSeq: number | null;
  readonly reason: string | null;
  readonly detail: { readonly [key: string]: Json };
}

export interface AuditEntry extends AuditRow {
  readonly n: number;
  /** epoch ms */
  readonly at: number;
}

/** An event or effect that was given up, with what a retry needs. `resolution` is `retried` or `discarded`. */
export interface DeadLetter extends DeadRow {
  readonly n: number;
  /** epoch ms */
  readonly at: number;
  readonly resolvedAt: number | null;
  readonly resolvedBy: string | null;
  readonly resolution: string | null;
}

/** `scope`: `all`, `kind:<kind>` or `slot:<n>`. */
export interface PauseRow {
  readonly scope: string;
  readonly reason: string;
  readonly admin: string;
  /** epoch ms */
  readonly at: number;
}

/** The nearest snapshot at or before a seq, and the journal rows between the two, ascending. */
export interface Past {
  readonly snapshot?: { readonly seq: number; readonly at: number; readonly mver: number; readonly state: ActorState };
  readonly rows: readonly TailRow[];
}

/** What is kept of a history: everything from `earliest` on, and the states after some events before it, ascending. */
export interface Kept {
  readonly earliest: number;
  readonly anchors: readonly number[];
}

export interface OutboxEntry extends OutboxRow {
  readonly attempts: number;
  readonly state: string;
  readonly error: string | null;
}

/** How often one transition of a version of a machine was taken, by all nodes. */
export interface TakenCount extends Taking {
  readonly kind: string;
  readonly version: number;
  /** of the machine's definition: while a machine is being written, one version has several */
  readonly hash: string;
}

export interface AdminStore {
  /** @param row.id uuid; a row that has been written under it before stays as it is */
  audit(row: AuditRow & { readonly id?: string }): Promise<void>;
  /** The row that was written under this id. */
  audited(id: string): Promise<AuditEntry | undefined>;
  /** Newest first, below `before`. */
  audits(q: { admin?: string; action?: string; actorId?: string; before?: number; limit: number }): Promise<AuditEntry[]>;

  past(actorId: string, seq: number): Promise<Past>;
  /** Undefined when there is no history. */
  kept(actorId: string): Promise<Kept | undefined>;
  /** In order of their seq. */
  outboxOf(actorId: string, limit: number): Promise<OutboxEntry[]>;

  /** Newest first, below `before`. `open`: whether those that are resolved are left out */
  deadLetters(q: { kind?: string; actorId?: string; open: boolean; before?: number; limit: number }): Promise<DeadLetter[]>;
  deadLetter(n: number): Promise<DeadLetter | undefined>;
  /** Letters that nobody has resolved, and the store's clock (epoch ms), where it has one. */
  vitals(): Promise<{ dead: number; wall: number | undefined }>;
  /** False when somebody else has resolved it. */
  resolveDead(n: number, by: string, resolution: 'retried' | 'discarded'): Promise<boolean>;

  pauses(): Promise<PauseRow[]>;
  pause(row: Omit<PauseRow, 'at'>): Promise<void>;
  /** False when the scope was not paused. */
  unpause(scope: string): Promise<boolean>;

  /** Adds to the counts; a count of 0 makes the transition known. */
  countTaken(rows: readonly TakenCount[]): Promise<void>;
  /** Of every version, the newest first, in order of their index. */
  taken(kind: string): Promise<TakenCount[]>;
}
