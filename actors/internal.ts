/** What an event of the kernel itself (a timer, the result of an effect, an undelivered message) does to an actor. */
import type { Activation } from './activation.ts';
import { run, stampOf } from './command.ts';
import type { Decider } from './command.ts';
import { answer, refuse } from './envelope.ts';
import type { Envelope } from './envelope.ts';
import { refusal } from './errors.ts';
import type { Kernel } from './kernel.ts';
import { stateText } from './machine.ts';
import type { Live } from './runtime.ts';
import { withScope } from './scope.ts';
import type { Step, StepInput } from './step.ts';
import { delayName } from './timers.ts';
import type { Refusal, Stamp } from './types.ts';

/** Where an internal event runs: the actor, the state it is decided on, and the rules of the node. */
export interface InternalRun {
  readonly k: Kernel;
  readonly a: Activation;
  readonly decider: Decider;
  readonly base: Live;
}

/** The event that armed the timer or started the call; an actor that has not seen it knows nothing of either. */
export function arisenAt(e: Envelope): number {
  if (e.kind === 'timer') return e.timer.rowSeq;
  return e.kind === 'result' ? e.call.id.seq : 0;
}

/**
 * The step to commit; undefined when the event has become void (a cancelled timer, a stale result) and changes nothing.
 *
 * @throws whatever the machine throws
 */
export function internalStep(r: InternalRun, e: Envelope): Step | undefined {
  if (e.kind === 'timer') return fire(r, e);
  if (e.kind === 'result') return finish(r, e);
  if (e.kind === 'again') return again(r, e);
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
  const { act } = e.timer;
  if (act !== undefined && armed?.seq !== e.timer.seq) {
    const gone = refusal('NOT_FOUND', `no timer '${id}' is armed`);
    return refused(r, e, armed === undefined ? gone : refusal('RETRY', `the timer '${id}' was armed anew`, undefined, 50));
  }
  if (armed === undefined) {
    // Cancelled. The row goes only when that is committed, and only if it still is that of the arming that woke us.
    if (a.uncommitted === 0) {
      a.rowsDue.delete(id);
      k.lanes.of(a.at.slot, a.rt.relaxed).dropTimerRow({ actorId: a.actorId, timerId: id, armedSeq: rowSeq });
    }
    return undefined;
  }
  if (act?.verb === 'cancel') return cancel(r, e);
  if (armed.due > now && act === undefined) {
    // The wheel takes the new deadline only after it has heard that this one is over.
    answer(e, { ok: true, seq: base.seq, reply: null });
    postponed(r, id, rowSeq);
    return undefined;
  }
  e.timer.seq = armed.seq;
  const late = Math.max(0, now - armed.due);
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

/** Whether the machine has an enabled transition for the event. @throws whatever a guard throws */
function hears({ a, base }: InternalRun, e: Envelope, stamp: Stamp): boolean {
  const scope = { ref: a.at.ref, actorId: a.actorId, stamp, logs: base.state.logs };
  return withScope(scope, () => a.rt.runner.enabled(base.snap, { ...e.payload, type: e.type, $: stamp }));
}

function refused({ base }: InternalRun, e: Envelope, error: Refusal): undefined {
  refuse(e, error, base.seq);
}

/** An operator takes a timer away; the machine does not see it. */
function cancel(r: InternalRun, e: Envelope & { kind: 'timer' }): Step {
  return runOf(r, {
    type: 'thrum.cancelled',
    payload: e.payload,
    stamp: stampOf(e, r.base, r.decider.wall),
    timer: e.timer.id,
    run: false,
  });
}

/** A dead letter comes back, if the machine still has a use for it. */
function again(r: InternalRun, e: Envelope & { kind: 'again' }): Step | undefined {
  const { a, base } = r;
  const { runner } = a.rt;
  const stamp = stampOf(e, base, r.decider.wall);
  const unwanted = refusal('NOT_ALLOWED', 'the state that waited for it was left', { state: stateText(base.state.value) });
  if ('call' in e.again) {
    const { call } = e.again;
    const wanted = runner.invokes(base.snap).has(call.invoke) && base.state.calls[call.invoke] === undefined;
    if (!wanted) return refused(r, e, unwanted);
    return runOf(r, { type: 'thrum.retried', payload: e.payload, stamp, run: false, revive: call });
  }
  const { invoke } = e.again;
  const snap = invoke === undefined ? base.snap : runner.withCall(base.snap, invoke);
  if (!hears({ ...r, base: { ...base, snap } }, e, stamp)) return refused(r, e, unwanted);
  return run(r.decider, { ...base, snap }, { type: e.type, payload: e.payload, stamp });
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
  const unheard = isError && !hears(r, e, stamp);
  const done = runOf(r, { type: e.type, payload: e.payload, stamp, call: invoke, run: !unheard });
  if (unheard) k.outbox.unhandled(a, e);
  return done;
}
