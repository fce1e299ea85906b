/** What the disk of the simulated database does not hold yet: commits of relaxed durability, until anything else waits for the disk (kernel specification 7.7). */
import type { Batch } from '../../actors/store/store.ts';

/** after that the database writes by itself, ms */
const WRITTEN_MS = 600;

export class Disk {
  #loose: { readonly at: number; readonly batch: Batch }[] = [];

  /** A commit that does not wait. */
  later(batch: Batch, at: number): void {
    this.#loose.push({ at, batch });
  }

  /** Something has waited for the disk, and with it everything before it. */
  written(): void {
    this.#loose = [];
  }

  /** How many commits a crash could take now. */
  loose(now: number): number {
    this.#loose = this.#loose.filter(({ at }) => now - at < WRITTEN_MS);
    return this.#loose.length;
  }

  /** All commits but the first `kept` are lost: gives the number of the last event left of each actor. */
  crash(kept: number): Map<string, number> {
    const left = new Map<string, number>();
    for (const { batch } of this.#loose.slice(kept)) {
      for (const { actorId, seq } of batch.journal) left.set(actorId, Math.min(left.get(actorId) ?? Number.POSITIVE_INFINITY, seq - 1));
    }
    this.#loose = [];
    return left;
  }
}
