/**
 * Processes that hold no lease and are connected to the database all the same. Cut off from the store of leases they roam, and may write any actor
 * (kernel specification 10.7). One that comes back tells what it has written; one that dies cannot. So as long as there are such, and once more when
 * one is gone, each owner looks into the journal for events of its slots that it does not know: what it has in memory is read anew, who follows hears
 * where the topics stand, and the directory and the projections show the actor.
 */
import type { Activation } from './activation.ts';
import { SILENT_MS } from './fence-off.ts';
import type { Kernel } from './kernel.ts';
import type { Residents } from './residents.ts';
import type { ActorRef } from './types.ts';

/** how often it is asked who is connected while nobody is missed, and how often the journal is looked into while there are strangers, ms */
const ASK_MS = 30_000;
const LOOK_MS = 10_000;
/** before the first look: a takeover has more urgent questions, and a node that starts or stops is none for a moment, ms */
const FIRST_MS = 5_000;
/** a commit in doubt comes so long after the time of its event, ms; clocks differ by less */
const LATE_MS = 60_000;
/** the leases may have been away for longer: what is older the nodes have shown themselves, ms */
const FARTHEST_MS = 600_000;
const PAGE = 256;

export interface StrangersDeps {
  readonly kernel: Kernel;
  readonly residents: Pick<Residents, 'hot' | 'forgetWarm'>;
  /** slots that this node serves, each with the mono ms at which it came */
  slots(): readonly (readonly [slot: number, since: number])[];
}

export class Strangers {
  readonly #d: StrangersDeps;
  /** by name, ms of the database's clock since when it may have written without this node's knowing */
  readonly #since = new Map<string, number>();
  #askedAt = Number.NEGATIVE_INFINITY;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #busy = false;

  constructor(d: StrangersDeps) {
    this.#d = d;
  }

  /** When, by the clock of the database, strangers may have begun to write without this node's knowing; infinite when there are none. */
  get since(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.#since.values());
  }

  /** The node holds no lease any more. @param heardAt when it did, by the clock of the database */
  missed(node: string, heardAt: number): void {
    const earliest = this.#d.kernel.skew.now - FARTHEST_MS;
    if (!this.#since.has(node)) this.#since.set(node, Math.max(heardAt, earliest));
  }

  /** @param members nodes that hold a lease */
  async watch(members: () => ReadonlySet<string>): Promise<void> {
    const { clock, skew, store, node: me } = this.#d.kernel;
    if (this.#busy || (this.#since.size === 0 && clock.mono() - this.#askedAt < ASK_MS)) return;
    this.#busy = true;
    try {
      this.#askedAt = clock.mono();
      const { now } = skew;
      const connected = new Set(await store.kernels(SILENT_MS));
      const lives = members();
      for (const name of connected) if (name !== me && !lives.has(name)) this.missed(name, now);
      for (const name of this.#since.keys()) if (lives.has(name)) this.#since.delete(name);
      const gone = [...this.#since].flatMap(([name, since]) => (!connected.has(name) && now - since >= FIRST_MS ? [name] : []));
      if (gone.length > 0 || (now - this.since >= FIRST_MS && clock.mono() - this.#lookedAt >= LOOK_MS)) await this.#look();
      for (const name of gone) this.#since.delete(name);
    } finally {
      this.#busy = false;
    }
  }

  /** Finds what others have written since it was last looked for. */
  async #look(): Promise<void> {
    const { clock, skew } = this.#d.kernel;
    const { now } = skew;
    const mono = clock.mono();
    const from = this.since - LATE_MS;
    const names = [...this.#since.keys()];
    const kept: number[] = [];
    const fresh: number[] = [];
    let freshSince = now;
    for (const [slot, since] of this.#d.slots()) {
      const at = Math.floor(now - (mono - since)); // whole ms, because the column is
      if (at > from) freshSince = Math.min(freshSince, at);
      (at > from ? fresh : kept).push(slot);
    }
    // What came with a slot was taken up with it.
    for (const [slots, since] of [
      [kept, from],
      [fresh, freshSince],
    ] as const)
      if (slots.length > 0) await this.#takeUp(await this.#unknown(since, slots));
    this.#lookedAt = mono;
    for (const name of names) this.#since.set(name, now);
  }

  /** Ids of the actors of which this node does not have the last event. What it has under way learns the truth by its own commit. */
  async #unknown(since: number, slots: readonly number[]): Promise<string[]> {
    const found = await this.#d.kernel.store.recent(since, slots);
    const hot = new Map<string, Activation>();
    for (const a of this.#d.residents.hot.values()) hot.set(a.actorId, a);
    return found.flatMap(({ actorId, seq }) => {
      const a = hot.get(actorId);
      return a !== undefined && (a.uncommitted > 0 || (a.committed?.seq ?? 0) >= seq) ? [] : [actorId];
    });
  }

  async #takeUp(actorIds: readonly string[]): Promise<void> {
    const { store, interests, projector } = this.#d.kernel;
    for (let i = 0; i < actorIds.length; i += PAGE) {
      const page = actorIds.slice(i, i + PAGE);
      const refs = [...(await store.refs(page)).values()];
      for (const ref of refs) this.#d.residents.forgetWarm(ref);
      await interests?.written(refs.filter((ref) => this.#needed(ref)));
      await projector.refresh(page);
    }
  }

  /** In memory, or somebody follows it. */
  #needed(ref: ActorRef): boolean {
    return this.#d.residents.hot.has(ref) || this.#d.kernel.interests?.follows(ref) === true;
  }
}
