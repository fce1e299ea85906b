/** What a node knows of each slot: whether it serves it, who does if not, and since when. Times are mono ms that it is given; it asks nobody. */
import { SLOTS } from './ids.ts';
import type { Grant, Owner, SlotTable } from './shard/leases.ts';

/** how long a slot without owner waits for the node that had it before the store forgot */
const FORMER_FIRST_MS = 1_000;
/** how long it is believed what nodes say about a slot */
const HINT_MS = 2_000;

/** the word of a node that it has given an announced slot follows what the table says of it within this time, ms, or is lost */
export const GIVEN_MS = 100;

/** `leaving`: it is being given away; nothing new is taken in, what is here is brought to rest */
export type SlotState = 'none' | 'mine' | 'leaving';

export class Slots {
  readonly #me: string;
  readonly #states: SlotState[] = Array.from({ length: SLOTS }, () => 'none');
  readonly #owners: (Owner | undefined)[] = Array.from({ length: SLOTS });
  /** since when nobody else can have served the slot without this node's knowing */
  readonly #since: number[] = Array.from({ length: SLOTS }, () => 0);
  /** since when this node has it */
  readonly #gained: number[] = Array.from({ length: SLOTS }, () => 0);
  readonly #emptySince: (number | undefined)[] = Array.from({ length: SLOTS });
  /** when this node learnt by another way than the table whose the slot is */
  readonly #toldAt: number[] = Array.from({ length: SLOTS }, () => Number.NEGATIVE_INFINITY);
  /** what nodes have said about a slot since the table was read */
  readonly #hints = new Map<number, { readonly node: string; readonly until: number }>();
  /** until when those that the table gives to this node wait for the word of the node that has announced them, for it comes with their actors */
  readonly #announced = new Map<number, number>();
  /** slots that are being claimed; they are served when what their last owner left is over */
  readonly taking = new Set<number>();

  constructor(me: string) {
    this.#me = me;
  }

  state(slot: number): SlotState {
    return this.#states[slot] ?? 'none';
  }

  /** Those that this node serves. */
  get mine(): number[] {
    return this.#states.flatMap((state, slot) => (state === 'mine' ? [slot] : []));
  }

  /** Mono ms at which the slot came to this node. */
  gained(slot: number): number {
    return this.#gained[slot] ?? 0;
  }

  /** The owner by the table. */
  known(slot: number): Owner | undefined {
    return this.#owners[slot];
  }

  /** Where the slot is served or about to be, as far as anybody has said. */
  owner(slot: number, now: number): Owner | undefined {
    const hint = this.#hints.get(slot);
    const owner = this.#owners[slot];
    if (hint === undefined || hint.until < now) return owner;
    return { node: hint.node, epoch: owner?.epoch ?? 0 };
  }

  /** Mono ms before which nothing that was kept in memory of the slot's actors may be used. */
  since(slot: number): number {
    return this.#since[slot] ?? 0;
  }

  distrust(now: number): void {
    this.#since.fill(now);
  }

  /** A node has told where a slot is, or will be in a moment. @param epoch of the ownership that it knows of: who knows of a later one knows better */
  hear(slot: number, node: string, now: number, epoch = Number.POSITIVE_INFINITY): void {
    if (this.#states[slot] !== 'none' || epoch < (this.#owners[slot]?.epoch ?? 0)) return;
    this.#hints.set(slot, { node, until: now + HINT_MS });
  }

  /**
   * Takes in the table of the store, asked for at `sent`. It knows nothing of what this node has learnt since.
   *
   * @param moving slots that are just being given away
   * @returns slots that turn out to be this node's, those that are no more, and those that have another owner than before; whether others wait for a word
   */
  apply(
    { slots }: SlotTable,
    sent: number,
    moving: (slot: number) => boolean,
  ): {
    readonly got: readonly (Grant & { readonly from?: string | undefined })[];
    readonly lost: readonly number[];
    readonly elsewhere: readonly number[];
    readonly announced: boolean;
  } {
    const got: (Grant & { readonly from?: string | undefined })[] = [];
    const lost: number[] = [];
    const elsewhere: number[] = [];
    for (let slot = 0; slot < SLOTS; slot += 1) {
      const owner = slots.get(slot);
      const known = this.#owners[slot];
      if (moving(slot) || (this.#toldAt[slot] ?? 0) > sent) continue;
      if (owner === undefined) this.#emptySince[slot] ??= sent;
      else if (owner.node !== this.#me || !this.taking.has(slot)) {
        if (known?.epoch !== owner.epoch) {
          const hint = this.#hints.get(slot);
          if (owner.node === this.#me && hint?.node === this.#me && hint.until >= sent) this.#announced.set(slot, sent + GIVEN_MS);
          else this.#announced.delete(slot);
          this.#hints.delete(slot);
          if (owner.node !== this.#me) elsewhere.push(slot);
        }
        this.#owners[slot] = owner;
        this.#emptySince[slot] = undefined;
        const mine = this.#states[slot] === 'mine';
        const waits = (this.#announced.get(slot) ?? 0) > sent;
        if (owner.node === this.#me && !waits && (!mine || known?.epoch !== owner.epoch))
          got.push({ slot, epoch: owner.epoch, from: known?.node });
        if (owner.node !== this.#me && this.#states[slot] !== 'none') lost.push(slot);
      }
    }
    return { got, lost, elsewhere, announced: this.#announced.size > 0 };
  }

  /** Slots that nobody serves and that should be here. Former owners come first when the store has forgotten everything. */
  claimable(o: { readonly target: readonly string[]; readonly lives: ReadonlySet<string>; readonly now: number }): number[] {
    const wanted: number[] = [];
    for (let slot = 0; slot < SLOTS; slot += 1) if (this.#mayClaim(slot, o)) wanted.push(slot);
    return wanted;
  }

  #mayClaim(slot: number, o: { readonly target: readonly string[]; readonly lives: ReadonlySet<string>; readonly now: number }): boolean {
    const empty = this.#emptySince[slot];
    if (this.taking.has(slot)) return false;
    if (this.#states[slot] === 'mine') return empty !== undefined;
    if (o.target[slot] !== this.#me) return false;
    const owner = this.#owners[slot];
    if (empty !== undefined || owner === undefined) return o.now - (empty ?? o.now) >= FORMER_FIRST_MS;
    return !o.lives.has(owner.node);
  }

  /** These are this node's from now on. Gives those that were not before, or may have been another node's meanwhile. */
  gain(grants: readonly Grant[], now: number): ReadonlySet<number> {
    const fresh = new Set<number>();
    for (const { slot, epoch } of grants) {
      const kept = this.#states[slot] === 'mine' && this.#owners[slot]?.epoch === epoch;
      this.#owners[slot] = { node: this.#me, epoch };
      this.#emptySince[slot] = undefined;
      this.#hints.delete(slot);
      this.#states[slot] = 'mine';
      this.#announced.delete(slot);
      this.#toldAt[slot] = now;
      if (kept) continue;
      this.#since[slot] = now;
      this.#gained[slot] = now;
      fresh.add(slot);
    }
    return fresh;
  }

  /** Of what another node says it has given to this one, that which this one does not serve yet. */
  news<G extends Grant>(given: readonly G[]): readonly G[] {
    return given.filter(({ slot, epoch }) => {
      const known = this.#owners[slot];
      const waits = known?.node === this.#me && known.epoch === epoch && this.#states[slot] === 'none';
      return !this.taking.has(slot) && (waits || (known?.epoch ?? 0) < epoch);
    });
  }

  lose(slot: number): void {
    this.#states[slot] = 'none';
  }

  /** Begins to give slots to a node. Gives those that can be, with the epochs of this node's ownership. */
  leave(slots: readonly number[], to: string): Grant[] {
    const given = slots.flatMap((slot): Grant[] => {
      const owner = this.#owners[slot];
      return this.#states[slot] === 'mine' && owner?.node === this.#me ? [{ slot, epoch: owner.epoch }] : [];
    });
    for (const { slot } of given) {
      this.#states[slot] = 'leaving';
      this.#hints.set(slot, { node: to, until: Number.POSITIVE_INFINITY });
    }
    return given;
  }

  /** Ends what `leave` has begun. @param moved those that are known to be the other node's now, with its epochs */
  left(given: readonly Grant[], moved: readonly Grant[], to: string, now: number): void {
    for (const { slot } of given) this.#hints.set(slot, { node: to, until: now + HINT_MS });
    for (const { slot, epoch } of moved) {
      this.#owners[slot] = { node: to, epoch };
      this.#toldAt[slot] = now;
    }
  }
}
