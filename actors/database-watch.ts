/** Whether the database has answered lately, and what follows when it has not. */
import type { Kernel } from './kernel.ts';
import type { NodeInfo } from './shard/leases.ts';

const DATABASE_MS = 10_000;

export class DatabaseWatch {
  readonly #k: Kernel;
  #answeredAt: number;

  constructor(kernel: Kernel) {
    this.#k = kernel;
    this.#answeredAt = kernel.clock.mono();
  }

  get answers(): boolean {
    return this.#k.clock.mono() - this.#answeredAt < DATABASE_MS;
  }

  /** A node that cannot reach its database, or whose clock is not the database's, leaves its slots to those that are better off, if there are any. */
  givesWay(nodes: readonly NodeInfo[]): boolean {
    const others = nodes.filter((n) => n.id !== this.#k.node && n.weight > 0);
    return (!this.answers && others.some((n) => n.database)) || (!this.#k.skew.fit && others.some((n) => n.clock));
  }

  ask(): void {
    const answered = (): void => void (this.#answeredAt = this.#k.clock.mono());
    this.#k.store.dataId().then(answered, () => undefined);
  }
}
