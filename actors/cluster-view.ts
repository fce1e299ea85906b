/** What a node knows of the cluster, for operators. */
import type { Placement } from './placement.ts';
import type { NodeInfo, Owner } from './shard/leases.ts';
import { SLOTS } from './ids.ts';

export interface ClusterNodeView extends NodeInfo {
  /** slots that it serves, as far as the asked node knows */
  readonly slots: number;
}

export interface ClusterView {
  /** the node that was asked */
  readonly node: string;
  readonly mode: 'solo' | 'cluster';
  /** the leases are out of reach: every node runs what reaches it */
  readonly roaming: boolean;
  /** ms for which the node believes its lease; 0 on a single node */
  readonly leaseLeftMs: number;
  readonly nodes: readonly ClusterNodeView[];
  /** [slot] -> owner; null when nobody was ever given the slot; empty on a single node, which serves all */
  readonly slots: readonly (Owner | null)[];
}

export function clusterView(node: string, placement: Placement | undefined): ClusterView {
  if (placement === undefined) return { node, mode: 'solo', roaming: false, leaseLeftMs: 0, nodes: [], slots: [] };
  const slots = Array.from({ length: SLOTS }, (_, slot) => placement.owner(slot) ?? null);
  const counts = new Map<string, number>();
  for (const owner of slots) if (owner !== null) counts.set(owner.node, (counts.get(owner.node) ?? 0) + 1);
  return {
    node,
    mode: 'cluster',
    roaming: placement.roaming,
    leaseLeftMs: Math.round(placement.leaseLeft),
    nodes: placement.nodes.map((info) => ({ ...info, slots: counts.get(info.id) ?? 0 })),
    slots,
  };
}
