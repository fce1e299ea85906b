/** Death at a chosen await of a kernel that asks at each of them (test/simulation/awaits.ts). */

export interface Kill {
  /** name of the await */
  readonly at: string;
  /** which of the times that it is reached */
  readonly nth: number;
  /** `while`: what it waits for has begun and may still happen; `after`: it has happened, and nothing that follows does */
  readonly when: 'while' | 'after';
}

type Question = (name: string, value: unknown) => unknown;
const place = globalThis as { thrumAwait?: Question };
const never = new Promise<never>(() => undefined);

/** Answers the questions of the kernel during one run. */
export class Kills {
  readonly #kill: Kill | undefined;
  readonly #crash: () => boolean;
  /** how often each await was reached */
  readonly reached = new Map<string, number>();
  /** whether the process died where it was to die */
  done = false;

  /** @param crash kills the process that is running; false when nobody knows which one that is */
  constructor(kill: Kill | undefined, crash: () => boolean) {
    this.#kill = kill;
    this.#crash = crash;
  }

  install(): void {
    place.thrumAwait = this.#asked;
  }

  remove(): void {
    place.thrumAwait = (_name, value) => value;
  }

  readonly #asked: Question = (name, value) => {
    const n = (this.reached.get(name) ?? 0) + 1;
    this.reached.set(name, n);
    if (this.done || this.#kill === undefined || this.#kill.at !== name || n < this.#kill.nth) return value;
    if (this.#kill.when === 'after') return this.#after(value);
    if (!this.#dies()) return value;
    // the dead hear of no failure
    Promise.resolve(value).catch(() => undefined);
    return never;
  };

  async #after(value: unknown): Promise<unknown> {
    try {
      return await value;
    } finally {
      if (this.#dies()) await never;
    }
  }

  #dies(): boolean {
    if (!this.done) return (this.done = this.#crash());
    return false;
  }
}
