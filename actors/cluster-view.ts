/** What a node knows of the cluster, for operators. */
import type { Activation } from './activation.ts';
import type { Act } from './acts.ts';
import type { Committer } from './committer.ts';
import type { Levels, Metrics } from './metrics.ts';
import type { Placement } from './placement.ts';
import type { NodeInfo, Owner } from './shard/leases.ts';
import type { GoneNode } from './shard/members.ts';
import { SLOTS } from './ids.ts';
import type { Standing } from './standing.ts';
import type { ActorSystem } from './system.ts';
import type { ActorRef, Reply } from './types.ts';

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
  /** nodes that have gone within the hour and are not back, as far as the asked node has seen it; the last one first */
  readonly gone: readonly GoneNode[];
  /** [slot] -> owner; null when nobody was ever given the slot; empty on a single node, which serves all */
  readonly slots: readonly (Owner | null)[];
}

/** How busy one node is. */
export interface Workload {
  readonly node: string;
  /** actors in memory, and their estimated bytes */
  readonly hot: number;
  readonly warm: number;
  readonly bytes: number;
  /** commands accepted and not answered */
  readonly inflight: number;
  /** ms that the oldest queued command had waited when it was last looked at */
  readonly queueAgeMs: number;
  readonly longestMailbox: number;
  /** by number: rows that wait for their commit, and for how long commits have failed, 0 when they go through */
  readonly lanes: readonly Lane[];
  readonly outboxPending: number;
  readonly timersPending: number;
  /** since the start of the node: appends that met a newer tail, and commits whose answer was lost */
  readonly conflicts: number;
  readonly inDoubt: number;
  readonly leaseLeftMs: number;
  readonly roaming: boolean;
}

export interface Lane {
  readonly uncommitted: number;
  readonly troubledMs: number;
}

/** What several nodes have told; `silent` are those that did not answer in time. */
export interface Gathered<T> {
  readonly found: readonly T[];
  readonly silent: readonly string[];
}

/** By what actors in memory are ranked, and which; absent values filter nothing. */
export interface RankingOf {
  readonly by: 'mailbox' | 'faults';
  readonly kind?: string | undefined;
  readonly slot?: number | undefined;
  /** of each node, at most */
  readonly most: number;
}

/** The greatest first; actors with none are left out. */
export interface Ranking {
  readonly node: string;
  readonly top: readonly { readonly actorId: string; readonly n: number }[];
}

/** Where operators come in: what belongs to another node is asked of that one. */
export interface Front extends Pick<ActorSystem, 'ask'> {
  /** @throws KernelProblem VALIDATION, UNKNOWN_KIND; TIMEOUT, UNAVAILABLE when its node does not answer */
  standing(ref: ActorRef): Promise<Standing>;
  /** A refusal is a reply, also that the actor's node does not answer. */
  act(act: Act): Promise<Reply>;
  workloads(): Promise<Gathered<Workload>>;
  /** Of every node, or of one. */
  rankings(q: RankingOf, node?: string): Promise<Gathered<Ranking>>;
}

export const laneOf = (c: Pick<Committer, 'uncommitted' | 'troubledSince'>, mono: number): Lane => ({
  uncommitted: c.uncommitted,
  troubledMs: c.troubledSince === undefined ? 0 : Math.round(mono - c.troubledSince),
});

export function rankingOf(node: string, hot: Iterable<Activation>, { by, kind, slot, most }: RankingOf): Ranking {
  const top: { actorId: string; n: number }[] = [];
  for (const a of hot) {
    const n = by === 'faults' ? a.faults : a.mailboxLength;
    if (n > 0 && (kind ?? a.kind) === a.kind && (slot ?? a.at.slot) === a.at.slot) top.push({ actorId: a.actorId, n });
  }
  return { node, top: top.sort((x, y) => y.n - x.n).slice(0, most) };
}

export const workloadOf = (node: string, l: Levels, m: Pick<Metrics, 'fenceConflicts' | 'indoubt'>): Workload => ({
  node,
  ...l.activations(),
  bytes: l.activationBytes(),
  inflight: l.inflight(),
  queueAgeMs: Math.round(l.queueAge()),
  longestMailbox: l.mailboxMax(),
  lanes: l.lanes(),
  outboxPending: l.outboxPending(),
  timersPending: l.timersPending(),
  conflicts: m.fenceConflicts.get(),
  inDoubt: m.indoubt.get(),
  leaseLeftMs: Math.round(l.leaseLeft() * 1_000),
  roaming: l.roaming() === 1,
});

/** @param own what a single node tells of itself */
export function clusterView(own: NodeInfo, placement: Placement | undefined): ClusterView {
  if (placement === undefined)
    return { node: own.id, mode: 'solo', roaming: false, leaseLeftMs: 0, nodes: [{ ...own, slots: SLOTS }], gone: [], slots: [] };
  const slots = Array.from({ length: SLOTS }, (_, slot) => placement.owner(slot) ?? null);
  const counts = new Map<string, number>();
  for (const owner of slots) if (owner !== null) counts.set(owner.node, (counts.get(owner.node) ?? 0) + 1);
  return {
    node: own.id,
    mode: 'cluster',
    roaming: placement.roaming,
    leaseLeftMs: Math.round(placement.leaseLeft),
    nodes: placement.members.list.map((info) => ({ ...info, slots: counts.get(info.id) ?? 0 })),
    gone: placement.members.gone,
    slots,
  };
}
