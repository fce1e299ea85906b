/**
 * Who serves which slot. A lease is affinity, not safety: it lets one node answer for an actor from memory. That two nodes which both believe
 * in their lease cannot both extend a history is the doing of the journal (kernel specification 7.3, 10).
 *
 * All operations are atomic and happen in one place, whose clock decides what is over. A node that does not renew is gone after `LEASE_TTL_MS`;
 * it stops believing in its lease earlier by itself, see placement.
 */

/** a node that has not renewed for this long is gone, ms */
export const LEASE_TTL_MS = 6_000;

/** What a node tells of itself with every renewal. */
export interface NodeInfo {
  /** random per start of the process, never used again */
  readonly id: string;
  /** epoch ms */
  readonly started: number;
  /** order of the deployments: slots move to an equal or a higher one only */
  readonly build: number;
  /** version of each kind that the node can run */
  readonly versions: { readonly [kind: string]: number };
  /** share of the slots; 0 takes none and gives away what it has */
  readonly weight: number;
  /** whether its database answers */
  readonly database: boolean;
  /** whether its clock is that of the database, within five seconds */
  readonly clock: boolean;
  /** for humans */
  readonly address: string;
}

export interface Renewal {
  /** changes with the set of nodes and with the table */
  readonly version: number;
  /** the nodes that live, in order of their ids */
  readonly nodes: readonly NodeInfo[];
}

export interface Owner {
  readonly node: string;
  readonly epoch: number;
}

/** A slot with the number of its ownership; no number is ever given twice for one slot. */
export interface Grant {
  readonly slot: number;
  readonly epoch: number;
}

export interface SlotTable {
  readonly version: number;
  /** slots that nobody was ever given are absent; an owner may be gone */
  readonly slots: ReadonlyMap<number, Owner>;
}

/** The store of leases. Drivers: memory (mem.ts), Redis. Every call may reject when the store is out of reach; then nothing is known of it. */
export interface Leases {
  /** Registers the node, or keeps it registered. */
  renew(node: NodeInfo): Promise<Renewal>;
  table(): Promise<SlotTable>;
  /**
   * Takes the slots that are free, or whose owner is gone or is `suspect`. Gives those that are `me`'s afterwards; what was already keeps its
   * epoch. A node that is not registered gets none.
   */
  claim(slots: readonly number[], me: string, suspect?: string): Promise<Grant[]>;
  /** Gives slots away that are `me`'s at that epoch, if `to` lives. Gives those that moved, with their new epochs. */
  transfer(slots: readonly Grant[], me: string, to: string): Promise<Grant[]>;
  /** Unregisters the node; whoever is first may claim what it still has. */
  leave(me: string): Promise<void>;
}
