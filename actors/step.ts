/** One event through one machine, as a pure function: the next state, the patch and everything the event asks for. */
import { KernelProblem, refusal } from './errors.ts';
import type { JobParams, Limits, PublishParams, RejectParams, RowParams, TellParams } from './define.ts';
import { effectKey, derivedIdem, uuidOf } from './ids.ts';
import { historyOf, valueOf } from './machine.ts';
import type { MacrostepResult, MachineSnapshot } from './machine.ts';
import { diff, emptyState, sameJson } from './patch.ts';
import type { Patch } from './patch.ts';
import type { Address, Live, Runtime } from './runtime.ts';
import { withScope } from './scope.ts';
import type { CompanionChange, EffectId } from './store/store.ts';
import type { ActorState, ArmedTimer, Json, Refusal, Stamp } from './types.ts';

/** A bug of a machine that shows at run time; the caller gets ACTOR_FAULT and nothing is applied. */
export class MachineFault extends Error {}

const MAX_DELAY = 10 * 366 * 86_400_000;
const MAX_ITEM = 8_192;

export interface Tell {
  readonly id: EffectId;
  readonly to: string;
  readonly type: string;
  readonly payload: object;
  /** it is committed with this event: there is nothing to send */
  fused?: true;
}

export interface EffectCall {
  readonly id: EffectId;
  readonly invoke: string;
  readonly src: string;
  readonly input: Json;
}

export interface StepInput {
  readonly type: string;
  readonly payload: object;
  readonly stamp: Stamp;
  /** armed timer that this event is the firing of */
  readonly timer?: string;
  /** live call that this event is the result of */
  readonly call?: string;
  /** false: only the kernel's part changes, the machine does not see the event */
  readonly run?: boolean;
  /** a call that had ended, and is live again with the id it had */
  readonly revive?: EffectCall;
}

/** What an event did. */
export interface Step {
  readonly type: string;
  readonly stamp: Stamp;
  readonly handled: boolean;
  /** false: only the kernel's part changed, the machine did not see the event */
  readonly ran: boolean;
  readonly next: Live;
  readonly patch: Patch;
  readonly patchText: string;
  readonly reply: Json | undefined;
  readonly refused: Refusal | undefined;
  /** something besides a refusal happened; without a refusal always true */
  readonly changed: boolean;
  readonly tells: readonly Tell[];
  readonly effects: readonly EffectCall[];
  /** invocations left by this event, with the seq that started them */
  readonly stopped: readonly { readonly invoke: string; readonly seq: number }[];
  readonly companions: readonly CompanionChange[];
  readonly items: readonly { readonly view: string; readonly n: number; readonly item: Json }[];
  readonly signals: readonly { readonly view: string; readonly item: Json }[];
  readonly queues: readonly string[];
}

/** What most events have of most outputs; shared, so that a plain command allocates none of it. */
const none: readonly never[] = [];

/** Outputs of a macrostep while they are read off the recorded actions. */
class Collector {
  tells: readonly Tell[] = none;
  effects: readonly EffectCall[] = none;
  stopped: readonly { invoke: string; seq: number }[] = none;
  companions: CompanionChange[] = none as never[];
  items: readonly { view: string; n: number; item: Json }[] = none;
  signals: readonly { view: string; item: Json }[] = none;
  queues: readonly string[] = none;
  readonly rt: Runtime;
  readonly at: Address;
  readonly stamp: Stamp;
  timers: { readonly [id: string]: ArmedTimer };
  calls: { readonly [id: string]: number };
  logs: { readonly [view: string]: number };
  reply: Json | undefined;
  refused: Refusal | undefined;
  #n = 0;

  constructor(rt: Runtime, at: Address, stamp: Stamp, base: Pick<ActorState, 'timers' | 'calls' | 'logs'>) {
    this.rt = rt;
    this.at = at;
    this.stamp = stamp;
    this.timers = base.timers;
    this.calls = base.calls;
    this.logs = base.logs;
  }

  #effectId(): EffectId {
    this.#n += 1;
    return { actorId: this.at.actorId, seq: this.stamp.seq, n: this.#n };
  }

  revive(call: EffectCall): void {
    this.calls = { ...this.calls, [call.invoke]: call.id.seq };
    this.effects = [call];
  }

  take(type: string, params: unknown): void {
    switch (type) {
      case 'reply':
        if (this.reply !== undefined) throw new MachineFault('two replies in one macrostep');
        this.reply = (params ?? null) as Json;
        return;
      case 'reject': {
        const { code, detail, details } = params as RejectParams;
        this.refused = {
          code,
          ...(detail === undefined ? {} : { detail }),
          ...(details === undefined ? {} : { details: details as { [key: string]: Json } }),
        };
        return;
      }
      case 'tell': {
        if (this.rt.relaxed) throw new MachineFault('a message from a kind with relaxed durability');
        const { to, type: command, payload } = params as TellParams;
        const most = this.rt.def.limits.tells;
        if (this.tells.length >= most) throw limit('tells per event', most);
        this.tells = [...this.tells, { id: this.#effectId(), to, type: command, payload: payload ?? {} }];
        return;
      }
      case 'publish':
        this.#publish(params as PublishParams);
        return;
      case 'row':
        this.#row((params as RowParams).into, params as RowParams);
        return;
      case 'job':
        if (this.rt.relaxed) throw new MachineFault('a job of a kind with relaxed durability');
        this.#job(params as JobParams);
        return;
      case 'xstate.raise':
        this.#raise(params as { event: { type: string }; id?: string; delay?: number });
        return;
      case 'xstate.cancel':
        this.#disarm((params as { sendId: string }).sendId);
        return;
      case 'xstate.spawnChild':
        this.#invoke(params as { id: string; src: string; input: Json });
        return;
      case 'xstate.stopChild':
        this.#stop(params as { id: string } | string | undefined);
        return;
      default:
        throw new MachineFault(`the action '${type}' is not available to durable machines`);
    }
  }

  #raise({ event, id, delay }: { event: { type: string }; id?: string; delay?: number }): void {
    if (delay === undefined) return;
    if (!Number.isFinite(delay) || delay > MAX_DELAY) throw new MachineFault(`the delay of '${event.type}' is ${delay} ms`);
    if (Object.keys(event).length > 1) throw new MachineFault(`the delayed event '${event.type}' carries more than its type`);
    const due = this.stamp.at + Math.max(1, Math.ceil(delay));
    this.timers = { ...this.timers, [id ?? event.type]: { seq: this.stamp.seq, due, type: event.type } };
  }

  #disarm(id: string): void {
    if (this.timers[id] === undefined) return;
    const { [id]: _gone, ...kept } = this.timers;
    this.timers = kept;
  }

  #invoke({ id, src, input }: { id: string; src: string; input: Json }): void {
    const declared = this.rt.def.effects?.[src];
    if (declared === undefined) throw new MachineFault(`the effect '${src}' is not declared`);
    const parsed = declared.input.safeParse(input ?? {});
    if (!parsed.success) throw new MachineFault(`the input of effect '${src}' does not fit: ${parsed.error.message}`);
    this.calls = { ...this.calls, [id]: this.stamp.seq };
    this.effects = [...this.effects, { id: this.#effectId(), invoke: id, src, input: parsed.data as Json }];
  }

  #stop(child: { id: string } | string | undefined): void {
    const id = typeof child === 'string' ? child : child?.id;
    if (id === undefined || this.calls[id] === undefined) return;
    const { [id]: seq, ...kept } = this.calls;
    this.calls = kept;
    if (this.effects.some((e) => e.invoke === id)) this.effects = this.effects.filter((e) => e.invoke !== id);
    else if (seq !== undefined) this.stopped = [...this.stopped, { invoke: id, seq }];
  }

  #publish({ view, item }: PublishParams): void {
    const topic = this.rt.logs.get(view) ?? this.rt.signals.get(view);
    if (topic === undefined) throw new MachineFault(`'${view}' is no log or signal topic of ${this.rt.def.kind}`);
    const parsed = topic.item.safeParse(item);
    if (!parsed.success) throw new MachineFault(`an item of '${view}' does not fit its schema: ${parsed.error.message}`);
    const json = parsed.data as Json;
    if (topic.kind === 'signal') {
      this.signals = [...this.signals, { view, item: json }];
      return;
    }
    if (bytesOf(JSON.stringify(json), MAX_ITEM) > MAX_ITEM) throw limit(`bytes of an item of ${view}`, MAX_ITEM);
    const n = (this.logs[view] ?? 0) + 1;
    this.logs = { ...this.logs, [view]: n };
    this.items = [...this.items, { view, n, item: json }];
    this.#row('items', { op: 'insert', row: { view, n, at: this.stamp.at, item: json } });
  }

  #row(into: string, { op, row }: Pick<RowParams, 'op' | 'row'>): void {
    if (this.companions.length >= this.rt.def.limits.rows) throw limit('companion rows per event', this.rt.def.limits.rows);
    if (this.companions.length === 0) this.companions = [];
    this.companions.push({ into, op, n: this.companions.length + 1, row: row as { [column: string]: Json } });
  }

  #job({ queue, name, data, opts }: JobParams): void {
    const hex = derivedIdem(effectKey(this.#effectId()));
    this.queues = [...this.queues, queue];
    this.#row('jobs', {
      op: 'insert',
      row: {
        job_id: uuidOf(hex),
        queue,
        kind: name,
        payload: data as Json,
        dedupe_key: opts?.dedupeKey ?? null,
        run_at: opts?.runAt ?? this.stamp.at,
        max_attempts: opts?.attempts ?? 8,
      },
    });
  }
}

const limit = (what: string, most: number): KernelProblem =>
  new KernelProblem(refusal('LIMIT_EXCEEDED', `more than ${most} ${what}`, { limit: most, what }));

function without<T>(dict: { readonly [id: string]: T }, id: string | undefined): { readonly [id: string]: T } {
  if (id === undefined || dict[id] === undefined) return dict;
  const { [id]: _gone, ...kept } = dict;
  return kept;
}

/** Recursively frozen, stopping where it is frozen already; so the cost is that of what is new. */
export function deepFreeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const inner of Object.values(value)) deepFreeze(inner);
}

const noTimers: ActorState['timers'] = {};
const noCalls: ActorState['calls'] = {};

function stateOf(snap: MachineSnapshot, c: Collector): ActorState {
  const done = snap.status === 'done';
  const state: { -readonly [K in keyof ActorState]: ActorState[K] } = {
    value: valueOf(snap),
    status: done ? 'done' : 'active',
    context: snap.context as ActorState['context'],
    timers: done ? noTimers : c.timers,
    calls: done ? noCalls : c.calls,
    logs: c.logs,
  };
  if (snap.output !== undefined) state.output = snap.output as Json;
  const history = historyOf(snap);
  if (history !== undefined) state.history = history;
  return state;
}

/** UTF-8 bytes of a text, or a bound that is below `most`. */
const bytesOf = (text: string, most: number): number => (text.length * 3 <= most ? text.length * 3 : Buffer.byteLength(text));

/** Upper bound of the bytes of the context; counted exactly only where the bound passes the limit. @throws KernelProblem STATE_TOO_LARGE */
function sizeOf(old: Live | undefined, state: ActorState, patchText: string, { stateBytes: most, eventBytes }: Limits): number {
  const bytes = bytesOf(patchText, eventBytes);
  if (bytes > eventBytes) throw new KernelProblem(refusal('STATE_TOO_LARGE', `the change has ${bytes} bytes`, { limit: eventBytes }));
  const bound = (old?.size ?? 2) + bytes;
  if (bound <= most) return bound;
  const size = Buffer.byteLength(JSON.stringify(state.context));
  if (size > most) throw new KernelProblem(refusal('STATE_TOO_LARGE', `the state would have ${size} bytes`, { limit: most }));
  return size;
}

/** Whether a macrostep did more than refuse. */
function didMore(old: Live | undefined, state: ActorState, result: MacrostepResult): boolean {
  return (
    state.context !== old?.state.context ||
    result.actions.some((a) => a.type !== 'reject') ||
    !sameJson(state.value, old.state.value) ||
    state.status !== old.state.status
  );
}

function finish(rt: Runtime, old: Live | undefined, type: string, result: MacrostepResult, c: Collector, ran = true): Step {
  const { limits } = rt.def;
  const { stamp } = c;
  for (const action of result.actions) c.take(action.type, action.params);
  const state = stateOf(result.snapshot, c);
  if (state.status === 'done') {
    const left = Object.entries(c.calls).filter(([, seq]) => seq !== stamp.seq);
    c.stopped = [...c.stopped, ...left.map(([invoke, seq]) => ({ invoke, seq }))];
  }
  if (ran && state.timers !== old?.state.timers && Object.keys(state.timers).length > limits.timers)
    throw limit('armed timers', limits.timers);
  if (ran && state.calls !== old?.state.calls && Object.keys(state.calls).length > limits.calls)
    throw limit('running effects', limits.calls);
  const patch = diff(old?.state ?? emptyState, state, rt.maps);
  const patchText = JSON.stringify(patch);
  // Without the machine nothing grows: an event that ends must not fail on a bound that was lowered meanwhile.
  const size = ran ? sizeOf(old, state, patchText, limits) : (old?.size ?? 2);
  return {
    type,
    stamp,
    handled: result.handled,
    ran,
    next: { snap: result.snapshot, state, seq: stamp.seq, at: stamp.at, size },
    patch,
    patchText,
    reply: c.reply,
    refused: c.refused,
    changed: c.refused === undefined || didMore(old, state, result),
    tells: c.tells,
    effects: c.effects,
    stopped: c.stopped,
    companions: c.companions,
    items: c.items,
    signals: c.signals,
    queues: c.queues,
  };
}

/**
 * The birth of an actor: its initial macrostep as event 1, `thrum.init`.
 *
 * @param input machine input beside the id
 * @throws whatever the machine throws; KernelProblem when a limit is passed
 */
export function birth(rt: Runtime, at: Address, input: object, stamp: Stamp): Step {
  const result = withScope({ ref: at.ref, actorId: at.actorId, stamp, logs: emptyState.logs }, () =>
    rt.runner.initial({ ...input, id: at.id }),
  );
  return finish(rt, undefined, 'thrum.init', result, new Collector(rt, at, stamp, emptyState));
}

/**
 * One event.
 *
 * @throws whatever the machine throws; MachineFault for a bug that the kernel finds; KernelProblem when a limit is passed. The old state is untouched.
 */
export function step(rt: Runtime, at: Address, old: Live, input: StepInput): Step {
  const { stamp } = input;
  const { timers, calls, logs } = old.state;
  const c = new Collector(rt, at, stamp, { timers: without(timers, input.timer), calls: without(calls, input.call), logs });
  if (input.run === false) {
    if (input.revive !== undefined) c.revive(input.revive);
    const snapshot = input.revive === undefined ? old.snap : rt.runner.withCall(old.snap, input.revive.invoke);
    return finish(rt, old, input.type, { snapshot, actions: [], handled: false }, c, false);
  }
  const event = { ...input.payload, type: input.type, $: stamp };
  const scope = { ref: at.ref, actorId: at.actorId, stamp, logs };
  const result = withScope(scope, () => rt.runner.step(old.snap, event));
  return finish(rt, old, input.type, result, c);
}
