/** What ends in a store: actors that are erased or over, and history that is older than its kind keeps it. */
import type { Companion } from '../define.ts';
import { builtins } from '../companion.ts';
import type { Registry } from '../companion.ts';

/** An erasure as it is written. */
export interface Erasure {
  readonly actorId: string;
  readonly kind: string;
  /** stands in the directory where the id stood */
  readonly pseudonym: string;
  /** epoch ms */
  readonly at: number;
  /** random 63-bit number as decimal text, the commit id of the last row */
  readonly cid: string;
  readonly mver: number;
  /** who asked for it, and why; for the audit */
  readonly by: string;
  readonly reason: string;
}

/** The end of an actor that has been in a final state for long. */
export interface Farewell extends Pick<Erasure, 'actorId' | 'kind' | 'at' | 'cid' | 'mver'> {
  /** epoch ms; nothing may have happened to it since */
  readonly before: number;
}

/** What may go of the history of one actor. Times are epoch ms. */
export interface Expired {
  readonly actorId: string;
  /** events before it are no longer kept; undefined: all are */
  readonly before: number | undefined;
  /** snapshots before it are no longer kept for their own sake */
  readonly anchors: number;
  /** nobody reads it any more: all but the last row may go, when that one is older than this */
  readonly ended?: number;
}

/** What may go of one log topic of an actor. */
export interface Surplus {
  readonly actorId: string;
  readonly view: string;
  /** items before it go, epoch ms */
  readonly before: number;
  /** how many items stay at most */
  readonly items: number;
}

export interface LifecycleStore {
  /**
   * In one statement: a last row `thrum.erased` after the tail, every row before it blank but for its key, and nothing left of snapshots, timers,
   * outbox, dead letters, items and companion rows that go with the actor. Gives the seq of the last row, and whether it was this call that
   * wrote it; undefined when there is no such actor.
   *
   * @throws StoreError `fence` when another owner has extended the history meanwhile: nothing was erased
   */
  erase(e: Erasure): Promise<{ readonly seq: number; readonly fresh: boolean } | undefined>;
  /**
   * Ends an actor whose directory status is `done`, in one statement and fenced like an erasure: a last row `thrum.gone`, the rows before it
   * blank, no snapshots, timers, items and rows of projections; its name stays. False when something has happened to it, or messages of it are not delivered yet.
   *
   * @throws StoreError `fence`
   */
  conclude(f: Farewell): Promise<boolean>;
  /**
   * Removes history of at most 256 actors. The cut of an actor is its newest snapshot that is older than `before` and not newer than the older
   * of its two newest snapshots: from then on its history begins there. Rows below the cut go, oldest first, at most `limit` a call over all
   * actors; never the last row, never one of the last hour, never the keys of refused messages. Snapshots below the cut, or all but the newest two where
   * there is none, go when they are older than `anchors`.
   */
  prune(actors: readonly Expired[], limit: number): Promise<{ readonly events: number; readonly snapshots: number }>;
  /** Removes items of log topics, oldest first, at most `limit` a call; for at most 256 actors. Gives the number removed. */
  trim(topics: readonly Surplus[], limit: number): Promise<number>;
}

/** Directory statuses of actors of which there is no state any more. */
export const ENDED: ReadonlySet<string> = new Set(['erased', 'gone']);

/** Tables of a kind whose rows go with the actor, with the column that names it. */
export function erasedTables(registry: Registry, kind: string): { table: string; column: string }[] {
  const own = (c: Companion): { table: string; column: string }[] =>
    c.erase === 'delete' && c.stamp.actor !== undefined ? [{ table: c.table, column: c.stamp.actor }] : [];
  const declared = [...registry].filter(([name]) => name.startsWith(`${kind}/`)).flatMap(([, c]) => own(c));
  const tables = new Map([...Object.values(builtins).flatMap(own), ...declared].map((t) => [t.table, t]));
  return [...tables.values()];
}
