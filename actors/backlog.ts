import type { Activation } from './activation.ts';

/** Actors whose commits are not shown yet, and since when. */
export class Backlog {
  #waiting = new Map<string, Activation>();
  #since = Number.POSITIVE_INFINITY;
  /** of those that are being written */
  #underWay = Number.POSITIVE_INFINITY;

  /** @param at time of the event, epoch ms */
  add(a: Activation, at: number): void {
    this.#waiting.set(a.actorId, a);
    if (at < this.#since) this.#since = at;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Time of the oldest event that is not shown; infinite when there is none. */
  get oldest(): number {
    return Math.min(this.#since, this.#underWay);
  }

  /** Takes out everything, to be written now; `done` or `back` must follow before the next time. */
  take(): Activation[] {
    const taken = [...this.#waiting.values()];
    this.#waiting = new Map();
    this.#underWay = this.#since;
    this.#since = Number.POSITIVE_INFINITY;
    return taken;
  }

  done(): void {
    this.#underWay = Number.POSITIVE_INFINITY;
  }

  /** They could not be written. */
  back(taken: readonly Activation[]): void {
    for (const a of taken) if (!this.#waiting.has(a.actorId)) this.#waiting.set(a.actorId, a);
    this.#since = this.oldest;
    this.done();
  }
}
