/** Nodes whose leases have not ended but that nobody can reach: their slots are taken at once, which the fence of the journal makes safe. */
import type { Bus } from './bus/bus.ts';
import type { NodeInfo } from './shard/leases.ts';
import type { Clock } from './types.ts';

const CONFIRM_MS = 500;
/** as long as a lease: then the node is gone, or it has come back */
const SHUN_MS = 6_000;
/** after an outage every node subscribes again when it can: as long as that, silence says nothing */
const OUTAGE_MS = 3_000;

export class Suspicion {
  readonly #clock: Clock;
  readonly #bus: Bus;
  readonly #doubted = new Set<string>();
  readonly #shunned = new Map<string, number>();
  #sureFrom = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, bus: Bus) {
    this.#clock = clock;
    this.#bus = bus;
  }

  shuns(node: string): boolean {
    return (this.#shunned.get(node) ?? 0) > this.#clock.mono();
  }

  /** The owner, if it is one that is shunned. */
  doubts(owner: string | undefined): string | undefined {
    return owner !== undefined && this.shuns(owner) ? owner : undefined;
  }

  /** The leases, and with them perhaps the bus, could not be reached. */
  outage(): void {
    this.#sureFrom = this.#clock.mono() + OUTAGE_MS;
  }

  /**
   * Asks the node after `me`, the last one's being the first, whether it listens. So somebody notices the end of each node even when nobody has a
   * question for it, with one message for each node.
   *
   * @param nodes those that live, in the same order everywhere
   */
  watch(nodes: readonly NodeInfo[], me: string, lost: (node: string) => void): void {
    const next = nodes[(nodes.findIndex(({ id }) => id === me) + 1) % nodes.length];
    if (next === undefined || next.id === me) return;
    const heard = (yes: boolean): void => void (yes || this.raise(next.id, () => lost(next.id)));
    this.#listens(next.id).then(heard, () => undefined);
  }

  /** Nobody has received what was sent to the node: `lost` is called if that is so half a second later, too. */
  raise(node: string, lost: () => void): void {
    if (this.#doubted.has(node) || this.shuns(node) || this.#clock.mono() < this.#sureFrom) return;
    this.#doubted.add(node);
    this.#clock.setTimer(CONFIRM_MS, () => {
      this.#doubted.delete(node);
      lost();
    });
  }

  /** Whether the node still receives nothing; then it is shunned for a while. Rejects when the bus is out of reach. */
  async confirm(node: string): Promise<boolean> {
    if (this.#clock.mono() < this.#sureFrom || (await this.#listens(node))) return false;
    for (const [other, until] of this.#shunned) if (until <= this.#clock.mono()) this.#shunned.delete(other);
    this.#shunned.set(node, this.#clock.mono() + SHUN_MS);
    return true;
  }

  async #listens(node: string): Promise<boolean> {
    return (await this.#bus.send(node, { f: 'ping' })) > 0;
  }
}
