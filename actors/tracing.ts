/** A machine that tells why: the guards it asks, the transitions it takes, the actions it runs. A copy, so that the one that works stays fast. */
import type { AnyStateMachine } from 'xstate';
import { MachineRunner } from './machine.ts';
import type { MachineEvent, MachineSnapshot, RecordedAction, Taken, Watch } from './machine.ts';
import type { Runtime } from './runtime.ts';
import type { Json } from './types.ts';

/** One microstep. That of a birth, the entry of the initial states, is told with the one that follows it. */
export interface Microstep {
  readonly event: string;
  /** `event`: descriptor of the transition, empty where it needs none */
  readonly taken: readonly Taken[];
  /** in the order in which they were asked, those of transitions that were not taken too */
  readonly guards: readonly { readonly guard: string; readonly answer: boolean }[];
  /** in the order in which they ran; `params` of those that the kernel performs */
  readonly actions: readonly { readonly type: string; readonly params?: Json }[];
}

export class Tracer implements Watch {
  #steps: Microstep[] = [];
  #guards: { guard: string; answer: boolean }[] = [];
  #actions: { type: string; params?: Json }[] = [];
  #quiet = false;

  guard(guard: string, answer: boolean): void {
    if (!this.#quiet) this.#guards.push({ guard, answer });
  }

  named(type: string): void {
    if (!this.#quiet) this.#actions.push({ type });
  }

  action({ type, params }: RecordedAction): void {
    if (this.#quiet) return;
    const text = JSON.stringify(params) as string | undefined;
    this.#actions.push(text === undefined ? { type } : { type, params: JSON.parse(text) as Json });
  }

  microstep(event: string, taken: readonly Taken[]): void {
    this.#steps.push({ event, taken, guards: this.#guards, actions: this.#actions });
    this.#guards = [];
    this.#actions = [];
  }

  /** Runs `fn`, of which nothing is told. */
  quietly<T>(fn: () => T): T {
    const was = this.#quiet;
    this.#quiet = true;
    try {
      return fn();
    } finally {
      this.#quiet = was;
    }
  }

  /** What was told since the last call; guards that let nothing through come last, with `event` as their cause. */
  take(event: string): readonly Microstep[] {
    if (this.#guards.length + this.#actions.length > 0) this.microstep(event, []);
    const steps = this.#steps;
    this.#steps = [];
    return steps;
  }
}

class TracedRunner extends MachineRunner {
  readonly #tracer: Tracer;

  constructor(machine: AnyStateMachine, tracer: Tracer) {
    super(toldOf(machine, tracer), tracer);
    this.#tracer = tracer;
  }

  /** Whether the machine would accept an event is asked about others than the one that is being explained. */
  override enabled(snapshot: MachineSnapshot, event: MachineEvent): boolean {
    return this.#tracer.quietly(() => super.enabled(snapshot, event));
  }
}

interface Fn {
  (...args: readonly unknown[]): unknown;
  readonly check?: Fn;
  readonly resolve?: Fn;
}

/** A function of XState with the method that makes it built in replaced, or a plain one replaced itself. */
function wrapped(fn: Fn, method: 'check' | 'resolve', wrap: (inner: Fn) => Fn): Fn | undefined {
  const inner = fn[method];
  if (inner === undefined) return method === 'check' ? wrap(fn) : undefined;
  return Object.assign((...args: readonly unknown[]) => fn(...args), fn, { [method]: wrap(inner) });
}

function each(implementations: object, wrap: (name: string, fn: Fn) => Fn | undefined): object {
  return Object.fromEntries(
    Object.entries(implementations).map(([name, fn]) => [name, (typeof fn === 'function' ? wrap(name, fn as Fn) : undefined) ?? fn]),
  );
}

/** The machine with named guards and named built-in actions that tell of themselves; the kernel's own actions are told by the runner. */
function toldOf(machine: AnyStateMachine, tracer: Tracer): AnyStateMachine {
  const { guards, actions } = machine.implementations;
  const asked = each(guards, (name, guard) =>
    wrapped(guard, 'check', (inner) => (...args) => {
      const answer = inner(...args) as boolean;
      tracer.guard(name, answer);
      return answer;
    }),
  );
  const named = each(actions, (name, action) =>
    wrapped(action, 'resolve', (inner) => (...args) => {
      tracer.named(name);
      return inner(...args);
    }),
  );
  return machine.provide({ guards: asked, actions: named } as never);
}

/** A runtime whose machine tells of itself, and whom it tells. */
export interface Traced {
  readonly rt: Runtime;
  readonly tracer: Tracer;
}

/** Made when somebody asks about the kind for the first time. */
export function createTraces(): (rt: Runtime) => Traced {
  const made = new Map<string, Traced>();
  return (rt) => {
    let found = made.get(rt.def.kind);
    if (found === undefined) {
      const tracer = new Tracer();
      found = { rt: { ...rt, runner: new TracedRunner(rt.def.machine, tracer) }, tracer };
      made.set(rt.def.kind, found);
    }
    return found;
  };
}
