/**
 * The only file that touches XState's internals: pure macrosteps with one reusable scope per machine, restore, and the definition for people.
 *
 * `transition()` of XState builds an inert actor and the initial state at every call. `machine.transition(snapshot, event, scope)` does not, so
 * the kernel brings its own scope. What it relies on is pinned by `test/kernel/machine.test.ts`; see also `docs/adr/0002`.
 */
import { getNextTransitions } from 'xstate';
import type { AnyMachineSnapshot, AnyStateMachine, AnyStateNode } from 'xstate';
import type { ActorState, Json, StateValue } from './types.ts';

export type MachineSnapshot = AnyMachineSnapshot;

export interface MachineEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** An action as the kernel reads it: its name and its resolved params, in order of execution. */
export interface RecordedAction {
  readonly type: string;
  readonly params: unknown;
}

export interface Taken {
  readonly event: string;
  readonly source: string;
  readonly targets: readonly string[];
  readonly guard?: string;
}

/** Who looks on while a machine runs: people who want to know why. */
export interface Watch {
  action(done: RecordedAction): void;
  /** The microstep is over. Without `taken` nothing was enabled for the event. */
  microstep(event: string, taken: readonly Taken[]): void;
}

/** Who counts the transitions of the machine that works. */
export interface Tap {
  took(transitions: readonly InspectedTransition[]): void;
}

export interface MacrostepResult {
  readonly snapshot: MachineSnapshot;
  readonly actions: readonly RecordedAction[];
  /** a microstep took a transition; identity of the snapshot does not tell */
  readonly handled: boolean;
}

/** A transition as XState has it; the same object each time. */
export interface InspectedTransition {
  readonly source: AnyStateNode;
  readonly target?: readonly AnyStateNode[];
  readonly eventType: string;
  readonly guard?: unknown;
}

interface Microstep {
  readonly type: string;
  readonly event: { readonly type: string };
  readonly _transitions?: readonly InspectedTransition[];
}

interface ChildStub {
  readonly id: string;
  readonly _processingStatus: 0;
  getSnapshot(): { readonly status: 'active' };
}

const idle = { status: 'active' } as const;
const childStub = (id: string): ChildStub => ({ id, _processingStatus: 0, getSnapshot: () => idle });

const none: readonly never[] = [];

const takenOf = (t: InspectedTransition): Taken => ({
  event: t.eventType,
  source: t.source.id,
  targets: t.target?.map((node) => node.id) ?? [],
  ...(t.guard === undefined ? {} : { guard: nameOf(t.guard) }),
});

const nothing = (): void => undefined;
const noTags = new Set<string>();
const empty = Object.freeze({});

function isEmpty(o: object): boolean {
  for (const _ in o) return false;
  return true;
}

/** Runs a machine's macrosteps as pure functions of snapshot and event. Not reentrant, which a synchronous macrostep never needs. */
export class MachineRunner {
  readonly machine: AnyStateMachine;
  /** absent while nobody counts */
  tap: Tap | undefined;
  /** macrosteps run so far */
  steps = 0;
  #actions: RecordedAction[] = [];
  #handled = false;
  readonly #watch: Watch | undefined;
  // XState types the scope with its whole actor system; the members here are those that a macrostep really reads.
  readonly #scope: never;

  constructor(machine: AnyStateMachine, watch?: Watch) {
    this.machine = machine;
    this.#watch = watch;
    const system = {
      _bookId: () => 'x:0',
      _register: () => 'x:0',
      _unregister: nothing,
      _set: nothing,
      _relay: nothing,
      _logger: nothing,
      _clock: { setTimeout: nothing, clearTimeout: nothing },
      _sendInspectionEvent: (inspected: Microstep) => this.#inspect(inspected),
      scheduler: { schedule: nothing, cancel: nothing, cancelAll: nothing },
      get: nothing,
    };
    const self = { id: 'self', sessionId: 'x:0', system, send: nothing, _parent: undefined };
    this.#scope = {
      self,
      system,
      id: 'self',
      sessionId: 'x:0',
      logger: nothing,
      defer: nothing,
      stopChild: nothing,
      emit: nothing,
      actionExecutor: (action: RecordedAction) => {
        this.#actions.push(action);
        this.#watch?.action(action);
      },
    } as never;
  }

  #inspect(inspected: Microstep): void {
    if (inspected.type !== '@xstate.microstep') return;
    const taken = inspected._transitions ?? none;
    if (taken.length > 0) {
      this.#handled = true;
      if (this.tap !== undefined) this.tap.took(taken);
    }
    this.#watch?.microstep(inspected.event.type, taken.map(takenOf));
  }

  #finish(snapshot: MachineSnapshot): MacrostepResult {
    this.steps += 1;
    if (snapshot.status === 'error') throw snapshot.error;
    const actions = this.#actions;
    // Every snapshot of XState has sets and objects of its own; the empty ones are most of what an idle actor would hold.
    if (snapshot.tags.size === 0) snapshot.tags = noTags;
    if (isEmpty(snapshot.children)) snapshot.children = empty;
    if (isEmpty(snapshot.historyValue)) snapshot.historyValue = empty;
    // A live child of XState costs some kB and can do nothing here; the stub keeps what leaving the state needs.
    for (const a of actions) {
      if (a.type !== 'xstate.spawnChild') continue;
      const id = (a.params as { id: string }).id;
      if (snapshot.children[id] !== undefined) snapshot.children[id] = childStub(id) as never;
    }
    return { snapshot, actions, handled: this.#handled };
  }

  /** The initial macrostep. @throws whatever the machine throws */
  initial(input: object): MacrostepResult {
    this.#actions = [];
    this.#handled = true;
    return this.#finish(this.machine.getInitialSnapshot(this.#scope, input));
  }

  /** One macrostep. The given snapshot is not changed. @throws whatever a guard, an assigner or a params function throws */
  step(snapshot: MachineSnapshot, event: MachineEvent): MacrostepResult {
    this.#actions = [];
    this.#handled = false;
    return this.#finish(this.machine.transition(snapshot, event, this.#scope));
  }

  /** Runs `fn`, whose macrosteps are nobody's. */
  untapped<T>(fn: () => T): T {
    const { tap, steps } = this;
    this.tap = undefined;
    try {
      return fn();
    } finally {
      this.tap = tap;
      this.steps = steps;
    }
  }

  /** Whether some transition is enabled for the event; guards are evaluated. */
  enabled(snapshot: MachineSnapshot, event: MachineEvent): boolean {
    const transitions = this.machine.getTransitionData(snapshot, event) as readonly unknown[] | undefined;
    return transitions !== undefined && transitions.length > 0;
  }

  /** Event types with a transition: in the active states and their ancestors, guards not evaluated, and in the whole machine. */
  events(snapshot: MachineSnapshot): { readonly active: ReadonlySet<string>; readonly all: ReadonlySet<string> } {
    return { active: new Set(getNextTransitions(snapshot).map((t) => t.eventType)), all: new Set(this.machine.events) };
  }

  /** Ids of the invocations that belong to the active states. */
  invokes(snapshot: MachineSnapshot): ReadonlySet<string> {
    const nodes = snapshot._nodes as readonly AnyStateNode[];
    return new Set(nodes.flatMap((node) => node.invoke.map((i) => i.id)));
  }

  /** The snapshot with a live invocation more. */
  withCall(snapshot: MachineSnapshot, id: string): MachineSnapshot {
    return { ...snapshot, children: { ...snapshot.children, [id]: childStub(id) as never } };
  }

  /** The value with every missing part filled in by initial states. @throws when a state name is unknown */
  resolve(value: StateValue): StateValue {
    return valueOf(this.machine.resolveState({ value, context: {} }));
  }

  /** The snapshot that a durable state stands for. @throws when a state name is unknown to this version of the machine */
  restore(state: ActorState): MachineSnapshot {
    const historyValue: Record<string, { id: string }[]> = {};
    for (const [id, nodes] of Object.entries(state.history ?? {})) historyValue[id] = nodes.map((node) => ({ id: node }));
    const snapshot = this.machine.restoreSnapshot(
      { value: state.value, status: state.status, context: state.context, output: state.output, historyValue, children: {} } as never,
      this.#scope,
    ) as MachineSnapshot;
    for (const id of Object.keys(state.calls)) snapshot.children[id] = childStub(id) as never;
    if (snapshot.tags.size === 0) snapshot.tags = noTags;
    return snapshot;
  }
}

/** Remembered children of history states, as ids. */
export function historyOf(snapshot: MachineSnapshot): { [id: string]: readonly string[] } | undefined {
  const history = snapshot.historyValue as { readonly [id: string]: readonly AnyStateNode[] };
  let ids: Record<string, readonly string[]> | undefined;
  for (const id of Object.keys(history)) {
    ids ??= {};
    ids[id] = (history[id] ?? []).map((node) => node.id);
  }
  return ids;
}

export const valueOf = (snapshot: MachineSnapshot): StateValue => snapshot.value as StateValue;

/**
 * `held`, or `active.charging|active.idle` for parallel states; the form of the directory and of `NOT_ALLOWED`. Regions come by name, because their
 * order in the value is that of the machine at first and that of `jsonb` once it was read back.
 */
export function stateText(value: StateValue): string {
  const leaves: string[] = [];
  const walk = (v: StateValue, path: string): void => {
    if (typeof v === 'string') leaves.push(path + v);
    else for (const [key, inner] of Object.entries(v)) walk(inner, `${path}${key}.`);
  };
  walk(value, '');
  return leaves.toSorted().join('|');
}

/** Name of a guard, action or source reference in a machine's config; functions are named, never printed, composed guards by what they compose. */
export function nameOf(reference: unknown): string {
  if (typeof reference === 'string') return reference;
  if (isComposed(reference)) return composedName(reference);
  if (typeof reference === 'function') return reference.name === '' ? 'function' : reference.name;
  if (typeof reference === 'object' && reference !== null && 'type' in reference) return String(reference.type);
  return typeof reference;
}

/** What XState's `and`, `or` and `not` make. */
interface ComposedGuard {
  readonly name: string;
  readonly guards: readonly unknown[];
}

const isComposed = (value: unknown): value is ComposedGuard =>
  typeof value === 'function' && 'guards' in value && Array.isArray(value.guards);

function composedName({ name, guards }: ComposedGuard): string {
  const parts = guards.map((guard) => (isComposed(guard) && guard.guards.length > 1 ? `(${nameOf(guard)})` : nameOf(guard)));
  return name === 'not' ? `not ${parts[0]}` : parts.join(` ${name} `);
}

/** A statechart for people and for the definition hash: every function stands by its name. */
export interface Definition {
  readonly id: string;
  readonly key: string;
  readonly type: string;
  readonly initial?: string;
  readonly history?: string;
  readonly tags?: readonly string[];
  readonly entry?: readonly Json[];
  readonly exit?: readonly Json[];
  readonly invoke?: readonly { readonly id: string; readonly src: string }[];
  readonly on?: { readonly [event: string]: readonly DefinedTransition[] };
  readonly always?: readonly DefinedTransition[];
  readonly states?: { readonly [key: string]: Definition };
}

export interface DefinedTransition {
  readonly target?: readonly string[];
  readonly guard?: Json;
  readonly actions?: readonly Json[];
  readonly reenter?: true;
}

function plain(value: unknown): Json {
  if (value === null || typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).flatMap(([k, v]) => (v === undefined ? [] : [[k, plain(v)]])));
  }
  return isComposed(value) ? nameOf(value) : `ƒ ${nameOf(value)}`;
}

const some = <K extends string>(key: K, list: readonly unknown[] | undefined): { [key in K]?: Json[] } =>
  list === undefined || list.length === 0 ? {} : ({ [key]: list.map(plain) } as { [key in K]?: Json[] });

function transitionOf(t: {
  target?: readonly AnyStateNode[];
  guard?: unknown;
  actions: readonly unknown[];
  reenter?: boolean;
}): DefinedTransition {
  return {
    ...(t.target === undefined ? {} : { target: t.target.map((node) => node.id) }),
    ...(t.guard === undefined ? {} : { guard: plain(t.guard) }),
    ...some('actions', t.actions),
    ...(t.reenter === true ? { reenter: true } : {}),
  };
}

/** The definition of a machine, or of the part below one state node. Resolves every target. @throws when a target does not exist */
export function definitionOf(node: AnyStateNode): Definition {
  const on = Object.fromEntries([...node.transitions].map(([event, list]) => [event, list.map(transitionOf)]));
  const states = Object.fromEntries(Object.entries(node.states).map(([key, child]) => [key, definitionOf(child)]));
  return {
    id: node.id,
    key: node.key,
    type: node.type,
    ...(node.type === 'compound' ? { initial: node.initial.target[0]?.key ?? '' } : {}),
    ...(node.history === false || node.history === undefined ? {} : { history: node.history }),
    ...(node.tags.length === 0 ? {} : { tags: node.tags }),
    ...some('entry', node.entry),
    ...some('exit', node.exit),
    ...(node.invoke.length === 0 ? {} : { invoke: node.invoke.map((i) => ({ id: i.id, src: nameOf(i.src) })) }),
    ...(Object.keys(on).length === 0 ? {} : { on }),
    ...(node.always === undefined || node.always.length === 0 ? {} : { always: node.always.map(transitionOf) }),
    ...(Object.keys(states).length === 0 ? {} : { states }),
  };
}
