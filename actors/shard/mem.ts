/** Leases of nodes within one process: for tests and for the simulation, which also takes the store's memory away. */
import { LEASE_TTL_MS } from './leases.ts';
import type { Grant, Leases, NodeInfo, Owner } from './leases.ts';

/** What the store holds at a moment. */
export interface LeaseState {
  readonly nodes: ReadonlyMap<string, { readonly info: NodeInfo; readonly until: number }>;
  readonly slots: ReadonlyMap<number, Owner>;
  readonly version: number;
}

export interface MemoryLeases extends Leases {
  state(): LeaseState;
  /** The store loses everything, or what it has learnt since `then`. */
  forget(then?: LeaseState): void;
}

/** @param now clock of the store, epoch ms */
export function createMemoryLeases(now: () => number): MemoryLeases {
  let nodes = new Map<string, { info: NodeInfo; until: number }>();
  let slots = new Map<number, Owner>();
  let version = 0;

  /** Nodes whose time is up leave. */
  function live(): Map<string, { info: NodeInfo; until: number }> {
    const at = now();
    for (const [id, { until }] of nodes) {
      if (until > at) continue;
      nodes.delete(id);
      version += 1;
    }
    return nodes;
  }

  /** Epochs grow even when the store has lost all that it knew. */
  function give(slot: number, node: string): Grant {
    const epoch = Math.max((slots.get(slot)?.epoch ?? 0) + 1, now());
    slots.set(slot, { node, epoch });
    version += 1;
    return { slot, epoch };
  }

  return {
    renew: async (info) => {
      const known = live().get(info.id);
      if (known === undefined || JSON.stringify(known.info) !== JSON.stringify(info)) version += 1;
      nodes.set(info.id, { info, until: now() + LEASE_TTL_MS });
      const found = [...nodes.values()].map((n) => n.info);
      return { version, nodes: found.sort((a, b) => (a.id < b.id ? -1 : 1)) };
    },
    table: async () => ({ version, slots: new Map(slots) }),
    claim: async (wanted, me, suspect) => {
      if (!live().has(me)) return [];
      return wanted.flatMap((slot) => {
        const owner = slots.get(slot);
        if (owner?.node === me) return [{ slot, epoch: owner.epoch }];
        const free = owner === undefined || owner.node === suspect || !nodes.has(owner.node);
        return free ? [give(slot, me)] : [];
      });
    },
    transfer: async (given, me, to) => {
      if (!live().has(to)) return [];
      return given.flatMap(({ slot, epoch }) => {
        const owner = slots.get(slot);
        return owner?.node === me && owner.epoch === epoch ? [give(slot, to)] : [];
      });
    },
    leave: async (me) => {
      if (nodes.delete(me)) version += 1;
    },
    state: () => ({ nodes: new Map(nodes), slots: new Map(slots), version }),
    forget: (then) => {
      nodes = new Map(then?.nodes);
      slots = new Map(then?.slots);
      version = then?.version ?? 0;
    },
  };
}
