/** Whether the database has answered lately. */
import type { Kernel } from './kernel.ts';

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

  ask(): void {
    const answered = (): void => void (this.#answeredAt = this.#k.clock.mono());
    this.#k.store.dataId().then(answered, () => undefined);
  }
}
