/** The transitions of a machine: numbered in document order, counted while they are taken, and told to who looks on. */
import type { AnyStateMachine, AnyStateNode } from 'xstate';
import { nameOf } from './machine.ts';
import type { InspectedTransition, Tap } from './machine.ts';

/** One transition as people read it. */
export interface TransitionInfo {
  /** id of the state that it leaves */
  readonly source: string;
  /** descriptor of the event, empty where it needs none */
  readonly event: string;
  readonly guard: string | null;
  /** ids of the states that it enters; empty: it stays */
  readonly targets: readonly string[];
}

/** How often one transition was taken since the last look; `index` counts the machine's transitions in document order from 0. */
export interface Taking extends TransitionInfo {
  readonly index: number;
  readonly taken: number;
}

const infoOf = (t: InspectedTransition): TransitionInfo => ({
  source: t.source.id,
  event: t.eventType,
  guard: t.guard === undefined ? null : nameOf(t.guard),
  targets: t.target?.map((node) => node.id) ?? [],
});

/** A state's own come first, by event and then those without one, after them its children's. */
function* inOrder(node: AnyStateNode): Generator<InspectedTransition> {
  for (const list of node.transitions.values()) yield* list;
  yield* node.always ?? [];
  for (const child of Object.values(node.states)) yield* inOrder(child);
}

export class Transitions implements Tap {
  readonly list: readonly TransitionInfo[];
  /** numbers of those taken, while somebody wants them one by one */
  heard: number[] | undefined;
  readonly #numbers: ReadonlyMap<object, number>;
  readonly #fresh: Float64Array;
  readonly #ever: Uint8Array;

  constructor(machine: AnyStateMachine) {
    const all = [...inOrder(machine.root)];
    this.list = all.map(infoOf);
    this.#numbers = new Map(all.map((t, i) => [t, i]));
    this.#fresh = new Float64Array(all.length);
    this.#ever = new Uint8Array(all.length);
  }

  took(transitions: readonly InspectedTransition[]): void {
    for (const t of transitions) {
      const i = this.#numbers.get(t);
      // The transition into the initial states is none of the machine's own.
      if (i === undefined) continue;
      this.#fresh[i] = (this.#fresh[i] ?? 0) + 1;
      this.#ever[i] = 1;
      this.heard?.push(i);
    }
  }

  /** share of the transitions that were taken at least once, 0 to 1; of a machine without any it is 1 */
  get share(): number {
    if (this.#ever.length === 0) return 1;
    return this.#ever.reduce((sum, one) => sum + one, 0) / this.#ever.length;
  }

  /** What was taken since the last call; with `all`, those that were not taken too. */
  drain(all: boolean): Taking[] {
    const found: Taking[] = [];
    for (const [index, info] of this.list.entries()) {
      const taken = this.#fresh[index] ?? 0;
      if (taken > 0 || all) found.push({ index, ...info, taken });
      this.#fresh[index] = 0;
    }
    return found;
  }

  /** Counts what was drained and could not be kept anywhere. */
  giveBack(takings: readonly Taking[]): void {
    for (const { index, taken } of takings) this.#fresh[index] = (this.#fresh[index] ?? 0) + taken;
  }
}
