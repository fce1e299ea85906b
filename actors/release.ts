import type { Activation } from './activation.ts';
import type { Kernel } from './kernel.ts';
import type { Unit } from './unit.ts';

/** What else leaves an actor when its event is durable, after the answers and the publications: messages, effects, jobs and timers. */
export function release(k: Kernel, a: Activation, unit: Unit): void {
  for (const s of unit.steps) {
    for (const stop of s.stopped) k.outbox.abort(a.actorId, stop.invoke, stop.seq);
    if (s.tells.length > 0 || s.effects.length > 0) k.outbox.dispatch(a, s);
    for (const queue of s.queues) k.onJob(queue);
    if (s.patch.t?.set !== undefined) {
      for (const [id, [seq, due, type]] of Object.entries(s.patch.t.set)) k.timers.add(a.at, id, { seq, due, type });
    }
    for (const c of s.companions) k.metrics.companionRows.add(c.into);
  }
  k.fusion?.over(a, unit);
}
