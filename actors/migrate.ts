/**
 * Versions of machines: brings the durable state of an actor from the version that wrote it to the one of this build. Pure; what comes of it
 * is an event like any other, `thrum.migrated`, so it happens once and stands in the history (kernel specification 12).
 */
import { z } from 'zod';
import { internal } from './envelope.ts';
import type { Envelope } from './envelope.ts';
import { KernelProblem, refusal } from './errors.ts';
import { derivedIdem } from './ids.ts';
import type { MachineSnapshot } from './machine.ts';
import { diff, sameJson } from './patch.ts';
import type { Address, Live, Runtime } from './runtime.ts';
import { parsesUnchanged } from './schema-walk.ts';
import type { Step } from './step.ts';
import type { ActorState } from './types.ts';

const numbers = z.record(z.string(), z.number().int());

/** What a migration must give, apart from the context, which has a schema of its own. */
const Shape = z.strictObject({
  value: z.union([z.string(), z.record(z.string(), z.unknown())]),
  status: z.enum(['active', 'done']),
  context: z.record(z.string(), z.unknown()),
  output: z.unknown().optional(),
  history: z.record(z.string(), z.array(z.string())).optional(),
  timers: z.record(z.string(), z.strictObject({ seq: z.number().int(), due: z.number(), type: z.string() })),
  calls: numbers,
  logs: numbers,
});

/** The functions that lead from one version to the other. @throws KernelProblem VERSION_AHEAD, MIGRATION_FAILED when one is missing */
function chain(rt: Runtime, from: number): ((s: ActorState) => ActorState)[] {
  const { version, migrations = {}, downgrades = {} } = rt.def;
  const steps: ((s: ActorState) => ActorState)[] = [];
  for (let v = from; v < version; v += 1) {
    const up = migrations[v];
    if (up === undefined) throw new KernelProblem(refusal('MIGRATION_FAILED', `no migration from version ${v}`));
    steps.push(up);
  }
  for (let v = from; v > version; v -= 1) {
    const down = downgrades[v];
    if (down === undefined) throw new KernelProblem(refusal('VERSION_AHEAD', undefined, { version: from }));
    steps.push(down);
  }
  return steps;
}

/** Faults of the timers and calls that a migrated state carries on. */
function* danglings(rt: Runtime, old: ActorState, next: ActorState, snap: MachineSnapshot): Generator<string> {
  const { active, all } = rt.runner.events(snap);
  for (const [id, { type }] of Object.entries(next.timers)) {
    // A delay of a state ends with the state; a timer with a name of its own may wait for a later one.
    const known = type.startsWith('xstate.after.') ? active : all;
    if (!known.has(type)) yield `timer '${id}': no transition for '${type}'`;
  }
  const invokes = rt.runner.invokes(snap);
  for (const [id, seq] of Object.entries(next.calls)) {
    if (!invokes.has(id)) yield `call '${id}': no active state invokes it`;
    if (old.calls[id] !== seq) yield `call '${id}': a running effect can neither be started nor renamed`;
  }
}

/**
 * Why this build cannot go on from `next`; `undefined` when it can.
 *
 * @param old state that it was made of; the same when it was written by this version
 * @throws when a state name is unknown
 */
export function faultOf(rt: Runtime, old: ActorState, next: ActorState): string | undefined {
  const shape = Shape.safeParse(next);
  if (!shape.success) return z.prettifyError(shape.error);
  const resolved = rt.runner.resolve(next.value);
  if (!sameJson(resolved, next.value)) return `the state value is incomplete: ${JSON.stringify(next.value)}`;
  const context = parsesUnchanged(rt.def.context, next.context);
  if (context !== undefined) return `context: ${context}`;
  if (!sameJson(old.logs, next.logs)) return 'the numbers of log topics are kept by the kernel';
  const bytes = Buffer.byteLength(JSON.stringify(next.context));
  if (bytes > rt.def.limits.stateBytes) return `the context would have ${bytes} bytes`;
  return danglings(rt, old, next, rt.runner.restore(next)).next().value as string | undefined;
}

/**
 * The state as the version of this build understands it.
 *
 * @param from version that wrote `old`
 * @throws KernelProblem VERSION_AHEAD without a way back; MIGRATION_FAILED when a migration is missing, throws or gives what does not validate
 */
export function migrate(rt: Runtime, old: ActorState, from: number): ActorState {
  const steps = chain(rt, from);
  let detail: string | undefined;
  let cause: unknown;
  try {
    const next = steps.reduce((state, run) => run(state), old);
    detail = faultOf(rt, old, next);
    if (detail === undefined) return next;
  } catch (error) {
    detail = error instanceof Error ? error.message : String(error);
    cause = error;
  }
  throw new KernelProblem(refusal('MIGRATION_FAILED', detail, { from, to: rt.def.version }), cause);
}

const none: readonly never[] = [];
const kernelItself = { kind: 'system', id: 'kernel', roles: [] } as const;

/** The migration as a step after the tail of the history. @throws KernelProblem as {@link migrate} */
export function migrationStep(rt: Runtime, tail: { state: ActorState; seq: number; at: number }, from: number, wall: number): Step {
  const state = migrate(rt, tail.state, from);
  const stamp = { at: Math.max(tail.at, wall), seq: tail.seq + 1, from: kernelItself };
  const patch = diff(tail.state, state, rt.maps);
  const next: Live = {
    snap: rt.runner.restore(state),
    state,
    seq: stamp.seq,
    at: stamp.at,
    size: Buffer.byteLength(JSON.stringify(state.context)),
  };
  return {
    type: 'thrum.migrated',
    stamp,
    handled: true,
    ran: false,
    next,
    patch,
    patchText: JSON.stringify(patch),
    reply: undefined,
    refused: undefined,
    changed: true,
    tells: none,
    effects: none,
    stopped: none,
    companions: none,
    items: none,
    signals: none,
    queues: none,
  };
}

/**
 * The event of a migration. Its key holds the place in the history too: after a rollback the same version is reached a second time.
 *
 * @param from version that wrote the tail
 */
export function migrationEvent(rt: Runtime, at: Address, step: Step, from: number): Envelope {
  const { version } = rt.def;
  return {
    ...internal(step.type, { from, to: version }),
    kind: 'migration',
    idem: derivedIdem(at.actorId, 'mig', version, step.stamp.seq),
    resolve: () => undefined,
  };
}
