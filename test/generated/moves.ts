/** What can happen to an actor in a state: commands by representative inputs, timers, results of effects, messages that did not arrive. */
import { decide, run } from '../../actors/command.ts';
import type { Decider } from '../../actors/command.ts';
import type { Principal } from '../../actors/define.ts';
import { internal } from '../../actors/envelope.ts';
import type { Envelope } from '../../actors/envelope.ts';
import { actorIdOf, slotOf } from '../../actors/ids.ts';
import type { Address, Live, Runtime } from '../../actors/runtime.ts';
import { runtimeOf } from '../../actors/runtime.ts';
import type { EffectCall, Step, Tell } from '../../actors/step.ts';
import type { EffectId } from '../../actors/store/store.ts';
import type { Json, Reply } from '../../actors/types.ts';
import { kinds } from '../../machines/kinds.ts';
import { representatives } from './representatives.ts';
import type { Input, Samples } from './samples.ts';

export const runtimes: ReadonlyMap<string, Runtime> = new Map(kinds.map((def) => [def.kind, runtimeOf(def)]));

/** An actor on a path. `n` tells the actors of a run apart: it goes into ids that must be unique. */
export interface Place {
  readonly n: number;
  readonly at: Address;
  readonly live: Live | undefined;
  /** epoch ms */
  readonly wall: number;
  /** messages of the last event; any of them may come back */
  readonly tells: readonly Tell[];
  /** effects that were asked for, by invoke id; only some are still live */
  readonly calls: ReadonlyMap<string, EffectCall>;
}

/** One thing that may happen next. `label` names it among those of its place. */
export interface Move {
  readonly label: string;
  readonly wall: number;
  readonly cause:
    | { readonly kind: 'command'; readonly type: string; readonly payload: object; readonly from: Principal }
    | { readonly kind: 'timer'; readonly id: string; readonly seq: number; readonly type: string }
    | {
        readonly kind: 'result';
        readonly type: string;
        readonly payload: object;
        readonly invoke: string;
        readonly id: EffectId;
        readonly failed: boolean;
      }
    | { readonly kind: 'undelivered'; readonly payload: object; readonly id: EffectId };
}

/** What came of a move. Without steps nothing is journaled. */
export interface Outcome {
  readonly reply: Reply;
  readonly steps: readonly Step[];
}

export function placeOf(rt: Runtime, s: Samples, n: number): Place {
  const ref = `${rt.def.kind}:${s.id(n)}`;
  const actorId = actorIdOf(ref);
  return { n, at: { ref, id: s.id(n), actorId, slot: slotOf(actorId) }, live: undefined, wall: s.now, tells: [], calls: new Map() };
}

function* commandsAt(rt: Runtime, s: Samples, p: Place): Generator<Move> {
  const here = { n: p.n, id: p.at.id, context: p.live?.state.context ?? {} };
  const own = s.inputs(here);
  for (const [type, { input, allow }] of Object.entries(rt.def.commands)) {
    const given = own[type] ?? [];
    const all = [
      ...given,
      ...representatives(input)
        .slice(0, given.length > 0 ? 3 : undefined)
        .map((value): Input => ({ given: value as object })),
    ];
    for (const [i, one] of all.entries()) {
      const parsed = input.parse(one.given) as object;
      const payload = s.adapt?.(type, parsed, `${p.n}-${p.live?.seq ?? 0}`) ?? parsed;
      const wall = Math.max(p.wall, one.at ?? 0);
      // Every input by the platform, which may do everything; the first ones by people too, whose roles the machine may look at.
      const callers = i < 2 && allow !== undefined ? [...s.people(here), platform] : [platform];
      for (const from of callers)
        yield { label: `${type}#${i} by ${from.kind}:${from.roles.join()}`, wall, cause: { kind: 'command', type, payload, from } };
    }
  }
}

const platform: Principal = { kind: 'system', id: 'generated', roles: [] };

function* resultsAt(rt: Runtime, p: Place): Generator<Move> {
  for (const [invoke, { id, src }] of p.calls) {
    if (p.live?.state.calls[invoke] !== id.seq) continue;
    const output = rt.def.effects?.[src]?.output;
    const base = { kind: 'result', invoke, id } as const;
    for (const [i, value] of (output === undefined ? [] : representatives(output)).entries()) {
      const payload = { output: value, actorId: invoke };
      yield { label: `done ${invoke}#${i}`, wall: p.wall, cause: { ...base, type: `xstate.done.actor.${invoke}`, payload, failed: false } };
    }
    const payload = { error: { code: 'EFFECT_FAILED', message: 'generated', attempts: 1 }, actorId: invoke };
    yield { label: `error ${invoke}`, wall: p.wall, cause: { ...base, type: `xstate.error.actor.${invoke}`, payload, failed: true } };
  }
}

function* undeliveredAt(rt: Runtime, p: Place): Generator<Move> {
  if (!rt.def.machine.events.includes('thrum.undelivered')) return;
  for (const [i, tell] of p.tells.entries()) {
    const target = runtimes.get(tell.to.slice(0, tell.to.indexOf(':')));
    for (const code of ['NOT_FOUND', 'NOT_ALLOWED', ...(target?.def.commands[tell.type]?.rejects ?? [])]) {
      const payload = { to: tell.to, command: tell.type, code };
      yield { label: `undelivered ${i} ${code}`, wall: p.wall, cause: { kind: 'undelivered', payload, id: tell.id } };
    }
  }
}

/** In an order of its own, so that a label finds the same move at the same place of another actor. */
export function* movesAt(rt: Runtime, s: Samples, p: Place): Generator<Move> {
  yield* commandsAt(rt, s, p);
  for (const [id, { seq, due, type }] of Object.entries(p.live?.state.timers ?? {})) {
    yield { label: `timer ${id}`, wall: Math.max(p.wall, due), cause: { kind: 'timer', id, seq, type } };
  }
  yield* resultsAt(rt, p);
  yield* undeliveredAt(rt, p);
}

/** The first move whose label begins so. @throws when there is none */
export function moveAt(rt: Runtime, s: Samples, p: Place, label: string): Move {
  for (const move of movesAt(rt, s, p)) if (move.label.startsWith(label)) return move;
  throw new Error(`${p.at.ref}: there is no '${label}' at seq ${p.live?.seq ?? 0}`);
}

/** @throws whatever the machine throws */
export function play(rt: Runtime, p: Place, { cause, wall }: Move): Outcome {
  const d: Decider = { rt, at: p.at, wall, kinds: runtimes, freeze: true };
  if (cause.kind === 'command') {
    const { type, payload, from } = cause;
    const e: Envelope = { ...internal(type, payload), kind: 'command', from, resolve: () => undefined };
    const { reply, steps = [] } = decide(d, p.live, e);
    return { reply, steps };
  }
  const base = p.live!;
  const from = { kind: 'system', id: cause.kind === 'timer' ? 'timer' : 'kernel', roles: [] } as const;
  const stamp = { at: Math.max(base.at, wall), seq: base.seq + 1, from };
  if (cause.kind === 'timer') {
    const late = wall - base.state.timers[cause.id]!.due;
    return ran(
      run(d, base, { type: cause.type, payload: {}, stamp: { ...stamp, late }, timer: cause.id, run: base.state.status === 'active' }),
    );
  }
  if (cause.kind === 'undelivered') return ran(run(d, base, { type: 'thrum.undelivered', payload: cause.payload, stamp }));
  const heard = !cause.failed || rt.runner.enabled(base.snap, { ...cause.payload, type: cause.type, $: stamp });
  return ran(run(d, base, { type: cause.type, payload: cause.payload, stamp, call: cause.invoke, run: heard }));
}

const ran = (step: Step): Outcome => ({ reply: { ok: true, seq: step.next.seq, reply: null as Json }, steps: [step] });

/** Where the actor is after a move that was accepted. */
export function after(p: Place, move: Move, { steps }: Outcome): Place {
  const live = steps.at(-1)?.next ?? p.live;
  const calls = new Map(p.calls);
  for (const s of steps) for (const call of s.effects) calls.set(call.invoke, call);
  return { ...p, live, calls, wall: move.wall, tells: steps.flatMap((s) => s.tells) };
}
