/** What ends in a store: actors that are erased, and history that is older than its kind keeps it. */
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

export interface LifecycleStore {
  /**
   * In one statement: a last row `thrum.erased` after the tail, every row before it blank but for its key, and nothing left of snapshots, timers,
   * outbox, dead letters, items and companion rows that go with the actor. Gives the seq of the last row, and whether it was this call that
   * wrote it; undefined when there is no such actor.
   *
   * @throws StoreError `fence` when another owner has extended the history meanwhile: nothing was erased
   */
  erase(e: Erasure): Promise<{ readonly seq: number; readonly fresh: boolean } | undefined>;
}

/** Tables of a kind whose rows go with the actor, with the column that names it. */
export function erasedTables(registry: Registry, kind: string): { table: string; column: string }[] {
  const own = (c: Companion): { table: string; column: string }[] =>
    c.erase === 'delete' && c.stamp.actor !== undefined ? [{ table: c.table, column: c.stamp.actor }] : [];
  const declared = [...registry].filter(([name]) => name.startsWith(`${kind}/`)).flatMap(([, c]) => own(c));
  const tables = new Map([...Object.values(builtins).flatMap(own), ...declared].map((t) => [t.table, t]));
  return [...tables.values()];
}
