/** What a command would do: it is decided on a copy of a state, now or in the past, and everything is told that would be committed. Changes nothing. */
import { decide, failed, plain } from './command.ts';
import type { Decider, Decision } from './command.ts';
import { internal } from './envelope.ts';
import { KernelProblem, refusal } from './errors.ts';
import { stateText } from './machine.ts';
import { migrationStep } from './migrate.ts';
import { diff, emptyState } from './patch.ts';
import type { Patch } from './patch.ts';
import type { Live } from './runtime.ts';
import type { Step } from './step.ts';
import type { CompanionChange } from './store/store.ts';
import type { Microstep, Tracer } from './tracing.ts';
import type { ActorState, ArmedTimer, Json, Principal, Reply } from './types.ts';

export interface WhatIf {
  readonly type: string;
  readonly payload: object;
  readonly from: Principal;
}

export interface Outlook {
  /** number of the state on which it was decided; 0: there is no actor yet */
  readonly seq: number;
  /** epoch ms that the machine was told */
  readonly at: number;
  readonly reply: Reply;
  readonly state: ActorState;
  readonly stateText: string;
  readonly patch: Patch;
  readonly microsteps: readonly Microstep[];
  readonly messages: readonly { readonly to: string; readonly type: string; readonly payload: Json }[];
  readonly effects: readonly { readonly src: string; readonly invoke: string; readonly input: Json }[];
  /** invocations that would be left */
  readonly stopped: readonly string[];
  readonly armed: { readonly [id: string]: ArmedTimer };
  readonly cancelled: readonly string[];
  /** rows of companion tables, items of log topics and jobs; whether the database would take them is not tried */
  readonly rows: readonly Pick<CompanionChange, 'into' | 'op' | 'row'>[];
  readonly signals: Step['signals'];
}

/** A state as the machine of this build can run it. @throws KernelProblem VERSION_AHEAD, MIGRATION_FAILED */
export function liveOf({ rt, wall }: Decider, tail: { state: ActorState; seq: number; at: number; mver: number }): Live {
  const { state, seq, at, mver } = tail;
  if (mver !== rt.def.version) return { ...migrationStep(rt, tail, mver, wall).next, seq, at };
  return { snap: rt.runner.restore(state), state, seq, at, size: Buffer.byteLength(JSON.stringify(state.context)) };
}

function decided(d: Decider, spec: Live | undefined, { type, payload, from }: WhatIf): Decision {
  try {
    return decide(d, spec, { ...internal(type, payload), kind: 'command', from, resolve: () => undefined });
  } catch (error) {
    const seq = spec?.seq ?? 0;
    if (error instanceof KernelProblem) return { reply: failed(seq, plain(error)) };
    return { reply: failed(seq, refusal('ACTOR_FAULT', error instanceof Error ? error.message : String(error))) };
  }
}

/** @param spec undefined when there is no actor yet */
export function whatIf(d: Decider, tracer: Tracer, spec: Live | undefined, asked: WhatIf): Outlook {
  tracer.take(asked.type);
  const { reply, steps = [] } = decided(d, spec, asked);
  const before = spec?.state ?? emptyState;
  const state = steps.at(-1)?.next.state ?? before;
  const patch = diff(before, state, d.rt.maps);
  return {
    seq: spec?.seq ?? 0,
    at: Math.max(spec?.at ?? 0, d.wall),
    reply,
    state,
    stateText: stateText(state.value),
    patch,
    microsteps: tracer.take(asked.type),
    messages: steps.flatMap((s) => s.tells.map(({ to, type, payload }) => ({ to, type, payload: payload as Json }))),
    effects: steps.flatMap((s) => s.effects.map(({ src, invoke, input }) => ({ src, invoke, input }))),
    stopped: steps.flatMap((s) => s.stopped.map((call) => call.invoke)),
    armed: Object.fromEntries(Object.entries(patch.t?.set ?? {}).map(([id, [seq, due, type]]) => [id, { seq, due, type }])),
    cancelled: patch.t?.del ?? [],
    rows: steps.flatMap((s) => s.companions.map(({ into, op, row }) => ({ into, op, row }))),
    signals: steps.flatMap((s) => s.signals),
  };
}
