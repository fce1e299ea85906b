/** What only the node that serves an actor knows of it. */
import type { Kernel } from './kernel.ts';
import type { Residents } from './residents.ts';
import { slotOf } from './ids.ts';
import { targetOf } from './target.ts';
import type { ActorRef } from './types.ts';

export interface Standing {
  readonly node: string;
  /** of the ownership of the slot; 0 on a single node */
  readonly epoch: number;
  /** `hot` can run, `warm` is kept as text, `cold` is only in the store */
  readonly temperature: 'hot' | 'warm' | 'cold';
  /** events that wait */
  readonly mailbox: number;
  /** events that are accepted and not yet durable */
  readonly uncommitted: number;
  /** of the last minute */
  readonly faults: number;
  /** code of the reason for which no command runs */
  readonly closed: string | null;
  /** estimated bytes in memory; only of a hot actor */
  readonly bytes: number;
  /** ms since its last event; null when it is not hot */
  readonly idleMs: number | null;
  /** commands that it would recognise at once */
  readonly keys: number;
  /** journal rows since its last snapshot */
  readonly tail: number;
  /** views that are kept ready for readers */
  readonly hotTopics: readonly string[];
}

/** @throws KernelProblem VALIDATION, UNKNOWN_KIND */
export function standingOf(k: Kernel, residents: Residents, ref: ActorRef): Standing {
  const slot = slotOf(targetOf(k.kinds, ref).actorId);
  const a = residents.hot.get(ref);
  return {
    node: k.node,
    epoch: k.placement?.owner(slot)?.epoch ?? 0,
    temperature: residents.temperature(ref),
    mailbox: a?.mailboxLength ?? 0,
    uncommitted: a?.uncommitted ?? 0,
    faults: a?.faults ?? 0,
    closed: a?.closed?.code ?? null,
    bytes: a?.weighed ?? 0,
    idleMs: a === undefined ? null : Math.max(0, Math.round(k.clock.mono() - a.lastUsed)),
    keys: a?.spec.keys?.size ?? 0,
    tail: a?.rowsSinceSnapshot ?? 0,
    hotTopics: a === undefined ? [] : k.topics.hotNames(a),
  };
}
