/** I10: the bounds of kernel specification 11.1, looked at after every step. */
import type { Node } from '../../actors/node.ts';
import { kindOf } from '../../actors/ids.ts';
import type { Batch } from '../../actors/store/store.ts';
import type { ActorRef } from '../../actors/types.ts';
import { holds } from './sim-witness.ts';

/** rows that one turn's last event may add beyond a bound which is looked at before it: a birth, or a group that is fused */
const LAST = 16;
/** events of the kernel itself that wait at an actor: timers and results */
const INTERNAL = 32;

export function withinBounds(node: Node, refs: Iterable<ActorRef>): void {
  const { levels, kinds, limits } = node;
  const { hot, warm } = levels.activations();
  holds(hot + warm <= limits.activations, 'I10', () => `${hot + warm} actors in memory, ${limits.activations} fit`);
  holds(levels.inflight() <= limits.inflight, 'I10', () => `${levels.inflight()} commands in flight`);
  holds(levels.ringBytes() <= limits.ringBytes, 'I10', () => `rings of ${levels.ringBytes()} bytes`);
  for (const { uncommitted } of levels.lanes())
    holds(uncommitted <= limits.laneRows + LAST, 'I10', () => `${uncommitted} uncommitted events in a lane`);
  for (const ref of refs) {
    const a = node.active(ref);
    if (a === undefined) continue;
    holds(a.uncommitted <= limits.uncommitted, 'I10', () => `${a.uncommitted} uncommitted events of ${ref}`);
    const mailbox = (kinds.get(kindOf(ref))?.def.limits.mailbox ?? 0) + limits.uncommitted + INTERNAL;
    holds(a.mailboxLength <= mailbox, 'I10', () => `${a.mailboxLength} events wait at ${ref}`);
  }
}

/** What one event may write. */
export function withinStep(batch: Batch): void {
  holds(batch.journal.length <= 513, 'I10', () => `a batch of ${batch.journal.length} rows`);
  const tells = new Map<string, number>();
  for (const { actorId, seq, op } of batch.outbox) {
    const key = `${actorId}/${seq}/${op}`;
    tells.set(key, (tells.get(key) ?? 0) + 1);
  }
  for (const [key, n] of tells) holds(n <= 128, 'I10', () => `${n} rows of the outbox by ${key}`);
}
