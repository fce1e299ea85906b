/** Why an event of the past did what it did: it is handled once more, by a machine that tells of itself. Changes nothing. */
import { KernelProblem, refusal } from './errors.ts';
import { actorIdOf, slotOf } from './ids.ts';
import { sameJson } from './patch.ts';
import { isKernelRow, plain, recompute } from './replay.ts';
import type { RecordedRow } from './store/scan.ts';
import type { Microstep, Traced } from './tracing.ts';
import type { ActorRef, ActorState, Json } from './types.ts';

export interface Explained {
  readonly ref: ActorRef;
  readonly actorId: string;
  readonly seq: number;
  readonly type: string;
  /** epoch ms */
  readonly at: number;
  readonly mver: number;
  readonly microsteps: readonly Microstep[];
  /** what the event changes today; null when the machine threw */
  readonly patch: Json;
  /** whether that is what the journal has */
  readonly agrees: boolean;
  /** what the machine threw */
  readonly fault?: string;
}

/**
 * @param old  state before the event
 * @param rows the row of the event and the one after it, which is the command of a birth
 * @throws KernelProblem NOT_FOUND, NOT_ALLOWED when no machine, or another version of it, handled the event
 */
export function explain({ rt, tracer }: Traced, ref: ActorRef, old: ActorState, rows: readonly RecordedRow[]): Explained {
  const [row, next] = rows;
  if (row === undefined) throw new KernelProblem(refusal('NOT_FOUND', 'the event is not retained'));
  const { seq, type, at, mver } = row;
  if (isKernelRow(type)) throw new KernelProblem(refusal('NOT_ALLOWED', `'${type}' is written by the kernel without the machine`));
  if (mver !== rt.def.version) {
    throw new KernelProblem(refusal('NOT_ALLOWED', `version ${mver} of the machine handled the event, this is version ${rt.def.version}`));
  }
  const actorId = actorIdOf(ref);
  const head = { ref, actorId, seq, type, at, mver };
  tracer.take(type);
  try {
    const id = ref.slice(rt.def.kind.length + 1);
    const patch = plain(recompute(rt, { ref, id, actorId, slot: slotOf(actorId) }, old, row, next).patch);
    return { ...head, microsteps: tracer.take(type), patch, agrees: sameJson(patch, row.patch) };
  } catch (error) {
    const fault = error instanceof Error ? error.message : String(error);
    return { ...head, microsteps: tracer.take(type), patch: null, agrees: false, fault };
  }
}
