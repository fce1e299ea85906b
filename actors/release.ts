import type { Activation } from './activation.ts';
import { refuse } from './envelope.ts';
import type { Envelope } from './envelope.ts';
import { refusal } from './errors.ts';
import type { Kernel } from './kernel.ts';
import type { Metrics } from './metrics.ts';
import type { Unit } from './unit.ts';

/**
 * What else leaves an actor when its event is durable, after the answers and the publications: messages, effects, jobs and timers.
 *
 * @param ending the actor is read anew after this. Among several nodes its slot may have been away meanwhile, and with it older messages that
 *   nobody has taken up yet: what it sends is taken up with them, in order, when it is read.
 */
export function release(k: Kernel, a: Activation, unit: Unit, ending: boolean): void {
  const later = ending && k.placement !== undefined;
  for (const s of unit.steps) {
    for (const stop of s.stopped) k.outbox.abort(a.actorId, stop.invoke, stop.seq);
    if (!later && (s.tells.length > 0 || s.effects.length > 0)) k.outbox.dispatch(a, s, unit.envelope.span?.traceparent);
    for (const queue of s.queues) k.onJob(queue);
    if (s.patch.t?.set !== undefined) {
      for (const [id, [seq, due, type]] of Object.entries(s.patch.t.set)) k.timers.add(a.at, id, { seq, due, type });
    }
    for (const c of s.companions) k.metrics.companionRows.add(c.into);
  }
  k.fusion?.over(a, unit);
}

/** How long the first event of a turn had waited, and how long it took (mono ms). */
export function sampled(
  { queueSeconds, macrostepSeconds }: Metrics,
  kind: string,
  e: Envelope | undefined,
  o: { started: number; now: number },
): void {
  if (e === undefined || e.kind === 'read') return;
  queueSeconds.observe(Math.max(0, o.started - e.since) / 1_000);
  macrostepSeconds.observe({ kind }, (o.now - o.started) / 1_000);
}

/** Answers what has passed its deadline (mono ms) while it waited for the database, which is only slow or `away`. */
export function expire(
  units: readonly Unit[] | undefined,
  mailbox: readonly Envelope[] | undefined,
  { mono, away }: { readonly mono: number; readonly away: boolean },
): void {
  for (const unit of units ?? []) {
    if (unit.envelope.deadline < mono) refuse(unit.envelope, refusal('COMMIT_UNKNOWN'), unit.next.seq);
    for (const w of unit.waiters) if (w.envelope.deadline < mono) refuse(w.envelope, refusal('TIMEOUT'));
  }
  const unrun = away ? refusal('UNAVAILABLE', undefined, undefined, 1_000) : refusal('TIMEOUT');
  for (const e of mailbox ?? []) if (e.deadline < mono) refuse(e, unrun);
}
