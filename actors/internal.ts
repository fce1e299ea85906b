/** What an event of the kernel itself (a timer, the result of an effect, an undelivered message) does to an actor. */
import type { Activation } from './activation.ts';
import { run, stampOf } from './command.ts';
import type { Decider } from './command.ts';
import { answer } from './envelope.ts';
import type { Envelope } from './envelope.ts';
import type { Kernel } from './kernel.ts';
import type { Live } from './runtime.ts';
import type { Step, StepInput } from './step.ts';
import { delayName } from './timers.ts';

/** Where an internal event runs: the actor, the state it is decided on, and the rules of the node. */
export interface InternalRun {
  readonly k: Kernel;
  readonly a: Activation;
  readonly decider: Decider;
  readonly base: Live;
}

/**
 * The step to commit; undefined when the event has become void (a cancelled timer, a stale result) and changes nothing.
 *
 * @throws whatever the machine throws
 */
export function internalStep(r: InternalRun, e: Envelope): Step | undefined {
  if (e.kind === 'timer') return fire(r, e);
  if (e.kind === 'result') return finish(r, e);
  return runOf(r, { type: e.type, payload: e.payload, stamp: stampOf(e, r.base, r.decider.wall) });
}

/** Ends a poison event without the machine: its timer or call leaves the state. */
export function skipStep(r: InternalRun, e: Envelope): Step {
  return runOf(r, {
    type: e.type,
    payload: {},
    stamp: stampOf(e, r.base, r.decider.wall),
    run: false,
    ...(e.kind === 'timer' ? { timer: e.timer.id } : {}),
    ...(e.kind === 'result' ? { call: e.call.invoke } : {}),
  });
}

const runOf = (r: InternalRun, input: StepInput): Step => run(r.decider, r.base, input);

function fire(r: InternalRun, e: Envelope & { kind: 'timer' }): Step | undefined {
  const { k, a, base } = r;
  const { id, rowSeq } = e.timer;
  const armed = base.state.timers[id];
  const now = r.decider.wall;
  if (armed === undefined) {
    // Cancelled. The row goes only when that is committed, and only if it still is that of the arming that woke us.
    if (a.uncommitted === 0) {
      a.rowsDue.delete(id);
      k.committer(a.at.slot).dropTimerRow({ actorId: a.actorId, timerId: id, armedSeq: rowSeq });
    }
    return undefined;
  }
  if (armed.due > now) {
    // The wheel takes the new deadline only after it has heard that this one is over.
    answer(e, { ok: true, seq: base.seq, reply: null });
    postponed(r, id, rowSeq);
    return undefined;
  }
  e.timer.seq = armed.seq;
  const late = now - armed.due;
  const policy = a.rt.def.timers?.[delayName(id)];
  const skip = policy?.late === 'skip' && late > (policy.maxLate ?? 0);
  const stamp = stampOf(e, base, now, late);
  const done = runOf(r, { type: armed.type, payload: {}, stamp, timer: id, run: !skip && base.state.status === 'active' });
  k.metrics.timersFired.add(late > 1_000 ? 'yes' : 'no');
  k.metrics.timerLate.observe(late / 1_000);
  return done;
}

/** Woken before the deadline, because a later arming wrote no row: the row is moved to what is committed, and the wheel with it. */
function postponed({ k, a, decider }: InternalRun, id: string, rowSeq: number): void {
  const durable = a.committed?.state.timers[id];
  // What postpones it is under way: the commit puts the new deadline into the wheel.
  if (durable === undefined || durable.due <= decider.wall) return;
  k.timers.add(a.at, id, durable);
  // Events under way may rely on the row as it stands.
  if (a.uncommitted > 0) return;
  k.timers.postpone(a.at, id, rowSeq, durable);
  a.rowsDue.set(id, durable.due);
}

function finish(r: InternalRun, e: Envelope & { kind: 'result' }): Step | undefined {
  const { k, a, base } = r;
  const { invoke, id, failed: isError } = e.call;
  if (base.state.calls[invoke] !== id.seq) {
    k.metrics.effectsStale.add();
    // While the event that left the call is under way, its own commit withdraws the row; until then the call may yet be live again.
    if (a.uncommitted === 0) k.outbox.drop(id);
    return undefined;
  }
  const stamp = stampOf(e, base, r.decider.wall);
  // An error event without transition would end the machine for good; the kernel keeps it alive and tells people.
  const unheard = isError && !a.rt.runner.enabled(base.snap, { ...e.payload, type: e.type, $: stamp });
  const done = runOf(r, { type: e.type, payload: e.payload, stamp, call: invoke, run: !unheard });
  if (unheard) k.outbox.unhandled(a, invoke, id, e.payload);
  return done;
}
