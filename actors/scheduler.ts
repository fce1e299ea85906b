import type { Activation } from './activation.ts';
import type { Clock } from './types.ts';

const SLICE_MS = 2;

/** Runs `fn` later: `soon` after the current work, `yield` after waiting I/O has had its chance. */
export interface Deferral {
  soon(fn: () => void): void;
  yield(fn: () => void): void;
}

/**
 * Gives activations their turns in the order in which they became ready. After 2 ms of turns it lets the loop do I/O; then the lanes are kicked,
 * so that everything computed in one slice can share one commit.
 */
export class Scheduler {
  readonly #clock: Clock;
  readonly #deferral: Deferral;
  readonly #kick: () => void;
  readonly #look: () => void;
  #ready: Activation[] = [];
  #planned = false;
  /** what {@link Clock.computed} was when the slice began */
  #computed: number | undefined;

  /** @param o.look called before the turns of a slice */
  constructor(o: { clock: Clock; deferral: Deferral; kick: () => void; look: () => void }) {
    this.#clock = o.clock;
    this.#deferral = o.deferral;
    this.#kick = o.kick;
    this.#look = o.look;
  }

  /** Activations that wait for their turn. */
  get ready(): readonly Activation[] {
    return this.#ready;
  }

  /** Whether the process stood still for most of the last `ms`, which are of one turn: it was stopped, or the machine slept. */
  stood(ms: number): boolean {
    const computed = this.#clock.computed?.();
    return computed !== undefined && this.#computed !== undefined && computed - this.#computed < ms / 2;
  }

  schedule(a: Activation): void {
    if (a.scheduled) return;
    a.scheduled = true;
    this.#ready.push(a);
    if (this.#planned) return;
    this.#planned = true;
    this.#deferral.soon(this.#run);
  }

  readonly #run = (): void => {
    this.#look();
    this.#computed = this.#clock.computed?.();
    const until = this.#clock.mono() + SLICE_MS;
    let i = 0;
    for (; i < this.#ready.length; i += 1) {
      const a = this.#ready[i] as Activation;
      a.scheduled = false;
      if (a.turn(until)) {
        a.scheduled = true;
        this.#ready.push(a);
      }
      if (this.#clock.mono() >= until) {
        i += 1;
        break;
      }
    }
    this.#ready = this.#ready.slice(i);
    this.#planned = this.#ready.length > 0;
    if (this.#planned) this.#deferral.yield(this.#run);
    this.#kick();
  };
}
