/** What a command does to a state: the answer, and the steps to commit if it is accepted. Changes nothing by itself. */
import { allowedTo, visibleTo } from './access.ts';
import { checkRows } from './companion.ts';
import type { Command } from './define.ts';
import type { Envelope } from './envelope.ts';
import { KernelProblem, refusal } from './errors.ts';
import { splitRef } from './ids.ts';
import { stateText, valueOf } from './machine.ts';
import { apply, canonicalJson, emptyState } from './patch.ts';
import type { Known } from './rows.ts';
import type { Address, Live, Runtime } from './runtime.ts';
import { birth, deepFreeze, MachineFault, step } from './step.ts';
import type { Step, StepInput } from './step.ts';
import type { ActorState, Json, Refusal, Reply, Stamp } from './types.ts';

/** The actor that decides and what it may know of the node. */
export interface Decider {
  readonly rt: Runtime;
  readonly at: Address;
  /** epoch ms */
  readonly wall: number;
  readonly kinds: ReadonlyMap<string, Runtime>;
  readonly freeze: boolean;
}

/** Without steps nothing is journaled. */
export interface Decision {
  readonly reply: Reply;
  readonly steps?: readonly Step[];
}

export const failed = (seq: number, error: Refusal): Reply => ({ ok: false, seq, error });

/** The first answer once more, marked as a repetition; a key that was used for something else is a mistake of the caller. */
export function repeatedAnswer(e: Envelope, known: Known): Reply {
  if (known.chk !== e.chk || known.type !== e.type) return failed(known.reply.seq, refusal('IDEMPOTENCY_MISMATCH'));
  return known.reply.ok ? { ...known.reply, dup: true } : known.reply;
}

/** The error as data, without stack. */
export const plain = (p: KernelProblem): Refusal => ({
  code: p.code,
  ...(p.detail === undefined ? {} : { detail: p.detail }),
  ...(p.details === undefined ? {} : { details: p.details }),
});

/** Time of an event: never before that of the actor's previous one. */
export function stampOf(e: Envelope, base: { readonly seq: number; readonly at: number }, wall: number, late?: number): Stamp {
  const stamp: { -readonly [K in keyof Stamp]: Stamp[K] } = { at: Math.max(base.at, wall), seq: base.seq + 1, from: e.from };
  if (e.cause !== undefined) stamp.cause = e.cause;
  if (late !== undefined) stamp.late = late;
  return stamp;
}

/** @throws MachineFault, KernelProblem when the step asks for what cannot be written or sent */
function checkStep(d: Decider, old: ActorState, done: Step): Step {
  for (const t of done.tells) {
    const target = splitRef(t.to);
    if (target === undefined || !d.kinds.has(target.kind)) throw new MachineFault(`tell to '${t.to}', which is no actor of a known kind`);
  }
  if (done.companions.length > 0) {
    const fault = checkRows(d.rt.def, done.companions);
    if (fault?.code === 'LIMIT_EXCEEDED') throw new KernelProblem(refusal('LIMIT_EXCEEDED', fault.detail));
    if (fault !== undefined) throw new MachineFault(fault.detail);
  }
  if (d.freeze) deepFreeze(done.next.state.context);
  // What the journal gives back must be what was committed; in production a sample of one step in 1,024.
  if (d.freeze || ((done.stamp.at + done.stamp.seq) & SAMPLE_MASK) === 0) checkFold(old, done);
  return done;
}

const SAMPLE_MASK = 1_023;

/** @throws MachineFault when the state after the event is not the one that its patch leads to */
function checkFold(old: ActorState, { type, patch, next }: Step): void {
  const folded = canonicalJson(apply(old, patch));
  const state = canonicalJson(next.state);
  if (folded !== state) throw new MachineFault(`the patch of '${type}' does not lead to the state after it: ${folded} is not ${state}`);
}

/** One checked step. @throws whatever the machine throws */
export const run = (d: Decider, base: Live, input: StepInput): Step => checkStep(d, base.state, step(d.rt, d.at, base, input));

function notAllowed(d: Decider, spec: Live | undefined, e: Envelope): Decision {
  if (spec === undefined) return { reply: failed(0, refusal('NOT_FOUND')) };
  const can = allowedTo(d.rt, d.at, spec, e.from, d.wall);
  return { reply: failed(spec.seq, refusal('NOT_ALLOWED', undefined, { state: stateText(valueOf(spec.snap)), can })) };
}

/** @throws MachineFault when the reply does not fit */
export function replyOf(declared: Command, done: Step): Reply {
  if (done.refused !== undefined) return failed(done.next.seq, done.refused);
  const parsed = declared.reply.safeParse(done.reply ?? null);
  if (!parsed.success) throw new MachineFault(`the reply to '${done.type}' does not fit its schema: ${parsed.error.message}`);
  return { ok: true, seq: done.next.seq, reply: parsed.data as Json };
}

/**
 * Decides a command of a caller or of another actor.
 *
 * @param spec the state to decide on; undefined when the actor has no history
 * @throws whatever the machine throws; MachineFault for a bug that the kernel finds; KernelProblem when a limit is passed
 */
export function decide(d: Decider, spec: Live | undefined, e: Envelope): Decision {
  const declared = d.rt.def.commands[e.type];
  const seq = spec?.seq ?? 0;
  // A dead letter may be older than the commands of this version.
  if (declared === undefined) return { reply: failed(seq, refusal('UNKNOWN_COMMAND')) };
  if (spec === undefined && !d.rt.creates.has(e.type)) return { reply: failed(0, refusal('NOT_FOUND')) };
  if (spec !== undefined && !visibleTo(d.rt, d.at, spec, e.from)) return { reply: failed(0, refusal('NOT_FOUND')) };
  const born =
    spec === undefined
      ? checkStep(
          d,
          emptyState,
          birth(d.rt, d.at, d.rt.def.createInput?.({ ...e.payload, type: e.type }) ?? {}, stampOf(e, { seq: 0, at: 0 }, d.wall)),
        )
      : undefined;
  const base = (spec ?? born?.next) as Live;
  if (declared.allow !== undefined && !declared.allow(e.from, d.at.ref, base.snap)) return { reply: failed(seq, refusal('FORBIDDEN')) };
  if (e.kind === 'command' && e.expect !== undefined && e.expect !== seq) {
    return { reply: failed(seq, refusal('SEQ_MISMATCH', undefined, { seq })) };
  }
  if (base.state.status === 'done') return notAllowed(d, spec, e);
  const done = run(d, base, { type: e.type, payload: e.payload, stamp: stampOf(e, base, d.wall) });
  if (!done.handled) return notAllowed(d, spec, e);
  if (done.refused !== undefined && !declared.rejects.includes(done.refused.code)) {
    throw new MachineFault(`'${e.type}' does not declare the refusal '${done.refused.code}'`);
  }
  if (done.refused !== undefined && !done.changed) return { reply: failed(seq, done.refused) };
  return { reply: replyOf(declared, done), steps: born === undefined ? [done] : [born, done] };
}
