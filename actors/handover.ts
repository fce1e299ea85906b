/** A planned move of slots: the actors come to rest here before they go on elsewhere, so that nobody notices (kernel specification 10.6). */
import type { Activation } from './activation.ts';
import { Parcels } from './arrivals.ts';
import type { Bus } from './bus/bus.ts';
import { FROZEN_FORMAT } from './frozen.ts';
import type { Kernel } from './kernel.ts';
import type { Residents } from './residents.ts';
import type { Grant, Leases } from './shard/leases.ts';
import { pause, within } from './within.ts';

/** for the mailboxes to run empty, ms */
const REST_MS = 2_000;
const POLL_MS = 5;
/** what is sent of the actors of one group of slots: more would keep the slots waiting for longer than reading them does */
const PACK_BYTES = 2_097_152;
const PACK_MS = 20;
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
   * @param end called when nothing of the slots may run here any more
   * @returns those that are known to have moved
   */
  async run(given: readonly Grant[], to: string, end: () => void): Promise<readonly Grant[]> {
    const slots = new Set(given.map((g) => g.slot));
    const started = this.#k.clock.mono();
    for (const slot of slots) this.#moving.add(slot);
    try {
      this.#bus.send(to, { f: 'coming', slots: [...slots] }).catch(() => undefined);
      await this.#rest(slots, started + REST_MS);
      // Its messages must not be overtaken by later ones: such an actor is read with its outbox rows.
      const { senders } = this.#k.outbox;
      end();
      const left = this.#pack(given, to, senders);
      // Nobody needs them: the new owner reads the journal.
      await within(this.#k.clock, ANSWER_MS, this.#k.passivate(left, 'handover')).catch((error: unknown) => {
        this.#k.log.warn({ err: error }, 'snapshots of actors that move were not written');
      });
      const moved = await this.#transfer(given, to);
      if (moved.length > 0) this.#tell(given, moved, to);
      return moved;
    } finally {
      for (const slot of slots) this.#moving.delete(slot);
      this.#k.metrics.handoverSeconds.observe((this.#k.clock.mono() - started) / 1_000);
    }
  }

  /** The new owner need not wait for the table; the others read it. */
  #tell(given: readonly Grant[], moved: readonly Grant[], to: string): void {
    const was = new Map(given.map(({ slot, epoch }) => [slot, epoch]));
    const handed = moved.map(({ slot, epoch }) => ({ slot, was: was.get(slot) ?? 0, epoch }));
    this.#bus.send(to, { f: 'given', handed }).catch(() => undefined);
    this.#bus.broadcast({ f: 'table' }).catch(() => undefined);
  }

  async #rest(slots: ReadonlySet<number>, until: number): Promise<void> {
    const here = [...this.#residents.hot.values()].filter((a) => slots.has(a.at.slot));
    while (here.some((a) => a.mailboxLength + a.uncommitted > 0) && this.#k.clock.mono() < until) {
      await pause(this.#k.clock, POLL_MS);
    }
  }

  /** Sends what rests to the new owner, the actors used last before others, as far as time and bytes allow. Gives those that it has to read. */
  #pack(given: readonly Grant[], to: string, senders: ReadonlySet<string>): Activation[] {
    const { clock, metrics } = this.#k;
    const epochs = new Map(given.map(({ slot, epoch }) => [slot, epoch]));
    const until = clock.mono() + PACK_MS;
    const left: Activation[] = [];
    const parcels = new Parcels((actors) => {
      this.#bus.send(to, { f: 'warm', format: FROZEN_FORMAT, actors }).catch(() => undefined);
    });
    const here = [...this.#residents.hot.values()].filter((a) => epochs.has(a.at.slot)).sort((x, y) => y.lastUsed - x.lastUsed);
    for (const a of here) {
      const may = parcels.total < PACK_BYTES && clock.mono() < until && !senders.has(a.actorId) && !a.rt.relaxed;
      const entry = may ? this.#residents.freeze(a) : undefined;
      const { slot } = a.at;
      if (entry === undefined) left.push(a);
      else if (parcels.add({ ...entry, slot, epoch: epochs.get(slot) ?? 0, mver: a.rt.def.version })) metrics.handedActors.add('sent');
    }
    parcels.flush();
    metrics.handedActors.by(left.length, 'cold');
    return left;
  }

  async #transfer(given: readonly Grant[], to: string): Promise<readonly Grant[]> {
    try {
      return await within(this.#k.clock, ANSWER_MS, this.#leases.transfer(given, this.#k.node, to));
    } catch {
      return [];
    }
  }
}
