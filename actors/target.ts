/** Whom a ref means: its kind, and the runtime of that kind. Each throws KernelProblem VALIDATION for a bad ref, UNKNOWN_KIND for a kind that this build does not have. */
import { KernelProblem, refusal } from './errors.ts';
import { actorIdOf, splitRef } from './ids.ts';
import type { Runtime } from './runtime.ts';
import type { ActorRef } from './types.ts';

type Kinds = ReadonlyMap<string, Runtime>;

export function kindNamed(kinds: Kinds, kind: string): Runtime {
  const rt = kinds.get(kind);
  if (rt === undefined) throw new KernelProblem(refusal('UNKNOWN_KIND', `there is no kind '${kind}'`));
  return rt;
}

export function runtimeNamed(kinds: Kinds, ref: ActorRef): Runtime {
  const address = splitRef(ref);
  if (address === undefined) throw new KernelProblem(refusal('VALIDATION', 'expected kind:id'));
  return kindNamed(kinds, address.kind);
}

export const targetOf = (kinds: Kinds, ref: ActorRef): { rt: Runtime; actorId: string } => ({
  rt: runtimeNamed(kinds, ref),
  actorId: actorIdOf(ref),
});
