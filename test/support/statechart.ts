import type { AnyMachineSnapshot, AnyStateMachine } from 'xstate';
import { initialTransition, transition } from 'xstate';
import { withScope } from '../../actors/scope.ts';
import type { Principal } from '../../actors/types.ts';

interface Recorded {
  readonly type: string;
  readonly params: unknown;
}

interface Timer {
  readonly due: number;
  readonly event: { readonly type: string };
}

/** What one event did: recorded kernel actions by name, in order. */
export interface Outcome {
  readonly at: number;
  readonly event: string;
  readonly replies: readonly unknown[];
  readonly rejects: readonly { readonly code: string }[];
  readonly published: readonly { readonly view: string; readonly item: { readonly type: string; readonly [field: string]: unknown } }[];
  readonly told: readonly { readonly to: string; readonly type: string; readonly payload: { readonly [field: string]: unknown } }[];
}

export const SYSTEM: Principal = { kind: 'system', id: 'test', roles: [] };

/**
 * A statechart with virtual time and without a kernel: macrosteps by XState's pure functions, timers fired in order. Contexts are frozen,
 * so an assigner that changes one throws.
 */
export class Statechart<Context> {
  readonly machine: AnyStateMachine;
  readonly history: Outcome[] = [];
  readonly #ref: string;
  readonly #timers = new Map<string, Timer>();
  #snapshot: AnyMachineSnapshot;
  #seq = 1;
  now: number;

  constructor(machine: AnyStateMachine, ref: string, now: number) {
    this.machine = machine;
    this.#ref = ref;
    this.now = now;
    const [snapshot, actions] = this.#scoped(SYSTEM, () => initialTransition(machine, { id: ref.slice(ref.indexOf(':') + 1) }));
    this.#snapshot = snapshot;
    this.#collect('init', actions);
  }

  get context(): Context {
    return this.#snapshot.context as Context;
  }

  get value(): Record<string, unknown> {
    return this.#snapshot.value as Record<string, unknown>;
  }

  get last(): Outcome {
    return this.history.at(-1)!;
  }

  matches(state: object): boolean {
    return this.#snapshot.matches(state);
  }

  #scoped<T>(from: Principal, fn: () => T): T {
    const stamp = { at: this.now, seq: this.#seq, from };
    return withScope({ ref: this.#ref, actorId: '0'.repeat(32), stamp, logs: {} }, fn);
  }

  send(event: { readonly type: string; readonly [field: string]: unknown }, from: Principal = SYSTEM): Outcome {
    this.#seq += 1;
    const [snapshot, actions] = this.#scoped(from, () => transition(this.machine, this.#snapshot, event));
    this.#snapshot = snapshot as AnyMachineSnapshot;
    freeze(this.#snapshot.context);
    return this.#collect(event.type, actions);
  }

  /** Lets time pass; timers that fall due on the way fire at their time. */
  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = [...this.#timers].filter(([, timer]) => timer.due <= end).sort((a, b) => a[1].due - b[1].due)[0];
      if (next === undefined) break;
      const [id, { due, event }] = next;
      this.#timers.delete(id);
      this.now = Math.max(this.now, due);
      this.send(event);
    }
    this.now = end;
  }

  #collect(event: string, actions: readonly Recorded[]): Outcome {
    const pick = <T>(type: string): T[] => actions.filter((a) => a.type === type).map((a) => a.params as T);
    for (const a of actions) {
      if (a.type === 'xstate.cancel') this.#timers.delete((a.params as { sendId: string }).sendId);
      if (a.type !== 'xstate.raise') continue;
      const { id, delay, event: raised } = a.params as { id: string; delay?: number; event: { type: string } };
      if (delay !== undefined) this.#timers.set(id, { due: this.now + delay, event: raised });
    }
    const outcome: Outcome = {
      at: this.now,
      event,
      replies: pick('reply'),
      rejects: pick('reject'),
      published: pick('publish'),
      told: pick('tell'),
    };
    this.history.push(outcome);
    return outcome;
  }
}

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const inner of Object.values(value)) freeze(inner);
}
