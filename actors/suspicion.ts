/** Nodes whose leases have not ended but that nobody can reach: their slots are taken at once, which the fence of the journal makes safe. */
import type { Bus } from './bus/bus.ts';
import type { Clock } from './types.ts';

const CONFIRM_MS = 500;
/** as long as a lease: then the node is gone, or it has come back */
const SHUN_MS = 6_000;

export class Suspicion {
  readonly #clock: Clock;
  readonly #bus: Bus;
  readonly #doubted = new Set<string>();
  readonly #shunned = new Map<string, number>();

  constructor(clock: Clock, bus: Bus) {
    this.#clock = clock;
    this.#bus = bus;
  }

  shuns(node: string): boolean {
    return (this.#shunned.get(node) ?? 0) > this.#clock.mono();
  }

  /** Nobody has received what was sent to the node: `lost` is called if that is so half a second later, too. */
  raise(node: string, lost: () => void): void {
    if (this.#doubted.has(node) || this.shuns(node)) return;
    this.#doubted.add(node);
    this.#clock.setTimer(CONFIRM_MS, () => {
      this.#doubted.delete(node);
      lost();
    });
  }

  /** Whether the node still receives nothing; then it is shunned for a while. Rejects when the bus is out of reach. */
  async confirm(node: string): Promise<boolean> {
    if ((await this.#bus.send(node, { f: 'ping' })) > 0) return false;
    this.#shunned.set(node, this.#clock.mono() + SHUN_MS);
    return true;
  }
}
