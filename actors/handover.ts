/** A planned move of slots: the actors come to rest here before they go on elsewhere, so that nobody notices (kernel specification 10.6). */
import type { Bus } from './bus/bus.ts';
import type { Kernel } from './kernel.ts';
import type { Residents } from './residents.ts';
import type { Grant, Leases } from './shard/leases.ts';
import { within } from './within.ts';

/** for the mailboxes to run empty, ms */
const REST_MS = 2_000;
const POLL_MS = 5;
const ANSWER_MS = 1_000;

export class Handover {
  readonly #k: Kernel;
  readonly #residents: Residents;
  readonly #leases: Leases;
  readonly #bus: Bus;
  readonly #moving = new Set<number>();

  constructor(kernel: Kernel, residents: Residents, o: { readonly leases: Leases; readonly bus: Bus }) {
    this.#k = kernel;
    this.#residents = residents;
    this.#leases = o.leases;
    this.#bus = o.bus;
  }

  moving(slot: number): boolean {
    return this.#moving.has(slot);
  }

  /**
   * Gives the slots to `to`. New events for them are answered `MOVED` already. What has not come to rest after two seconds is left to the fence.
   *
   * @param keep slots whose messages and effects remain this node's work
   * @returns those that are known to have moved
   */
  async run(given: readonly Grant[], to: string, keep: (slot: number) => boolean): Promise<readonly Grant[]> {
    const slots = new Set(given.map((g) => g.slot));
    const started = this.#k.clock.mono();
    for (const slot of slots) this.#moving.add(slot);
    try {
      this.#bus.send(to, { f: 'coming', slots: [...slots] }).catch(() => undefined);
      await this.#rest(slots, started + REST_MS);
      this.#k.outbox.release((slot) => !slots.has(slot) && keep(slot));
      const moved = await this.#transfer(given, to);
      if (moved.length > 0) this.#bus.broadcast({ f: 'table' }).catch(() => undefined);
      return moved;
    } finally {
      for (const slot of slots) this.#moving.delete(slot);
      this.#k.metrics.handoverSeconds.observe((this.#k.clock.mono() - started) / 1_000);
    }
  }

  async #rest(slots: ReadonlySet<number>, until: number): Promise<void> {
    const here = [...this.#residents.hot.values()].filter((a) => slots.has(a.at.slot));
    while (here.some((a) => a.mailboxLength + a.uncommitted > 0) && this.#k.clock.mono() < until) {
      await new Promise<void>((resolve) => {
        this.#k.clock.setTimer(POLL_MS, resolve);
      });
    }
    await this.#k.passivate(here, 'handover').catch((error: unknown) => {
      this.#k.log.warn({ err: error }, 'snapshots of actors that move were not written');
    });
  }

  async #transfer(given: readonly Grant[], to: string): Promise<readonly Grant[]> {
    try {
      return await within(this.#k.clock, ANSWER_MS, this.#leases.transfer(given, this.#k.node, to));
    } catch {
      return [];
    }
  }
}
