/** What of this node's slots belongs elsewhere, and how it gets there (kernel specification 10.5). */
import type { Activation } from './activation.ts';
import { refuse } from './envelope.ts';
import { refusal } from './errors.ts';
import { grouped } from './grouped.ts';
import type { Handover } from './handover.ts';
import { SLOTS } from './ids.ts';
import type { Kernel } from './kernel.ts';
import type { Residents } from './residents.ts';
import type { Members } from './shard/members.ts';
import type { Slots } from './slots.ts';
import type { Loaded } from './store/store.ts';

/** slots that move at once */
const MOVES = 64;
/** from the beginning of one move to that of the next */
const EVERY_MS = 1_000;

export interface MovesOptions {
  readonly kernel: Kernel;
  readonly residents: Residents;
  readonly slots: Slots;
  readonly members: Members;
  readonly handover: Handover;
  readonly build: number;
  /** whether this node has to do without its database, so that every other one serves better */
  readonly cut: () => boolean;
  /** slots are served here no more */
  readonly lose: (slots: readonly number[], reason: string) => void;
  /** it is to be asked whose slots are */
  readonly refresh: () => void;
}

export class Moves {
  readonly #o: MovesOptions;
  readonly #k: Kernel;
  readonly #slots: Slots;
  readonly #members: Members;
  #moving = false;
  #movedAt = Number.NEGATIVE_INFINITY;

  constructor(o: MovesOptions) {
    this.#o = o;
    this.#k = o.kernel;
    this.#slots = o.slots;
    this.#members = o.members;
  }

  /** Begins to give away what belongs elsewhere, once the nodes have been the same for a while; never to an older build. Renewals go on meanwhile. */
  rebalance(): void {
    const now = this.#k.clock.mono();
    if (this.#moving || now - this.#movedAt < EVERY_MS || !this.#members.stable(now)) return;
    const cut = this.#o.cut();
    const { target } = this.#members;
    const older = new Set(this.#members.list.filter((n) => n.build < this.#o.build).map((n) => n.id));
    const slots = this.#slots.mine.filter((slot) => target[slot] !== this.#k.node && (cut || !older.has(target[slot] ?? '')));
    if (slots.length === 0) return;
    this.#moving = true;
    this.#movedAt = now;
    void this.#move(slots.slice(0, cut ? SLOTS : MOVES), target).finally(() => (this.#moving = false));
  }

  /** Gives every slot away; to an older build, which may not be able to run its actors, only when all others are older. */
  async empty(): Promise<void> {
    await this.#move(this.#slots.mine, this.#members.targetFrom(this.#o.build));
  }

  async #move(slots: readonly number[], target: readonly string[]): Promise<void> {
    for (const [to, list] of grouped(slots, (slot) => target[slot])) {
      if (to === undefined || to === this.#k.node) continue;
      for (let i = 0; i < list.length; i += MOVES) await this.#hand(list.slice(i, i + MOVES), to, 'moved');
    }
  }

  async #hand(slots: readonly number[], to: string, reason: string): Promise<void> {
    const given = this.#slots.leave(slots, to);
    if (given.length === 0) return;
    const leaving = given.map((g) => g.slot);
    const moved = await this.#o.handover.run(given, to, () => this.#o.lose(leaving, reason));
    this.#slots.left(given, moved, to, this.#k.clock.mono());
    this.#k.interests?.moved(moved.map((g) => g.slot));
    // What was not transferred, or nobody knows whether it was: the table will tell.
    if (moved.length < given.length) this.#o.refresh();
  }

  /** An actor was written by a newer build: a node that can run it gets the slot. False when this is not so, or there is none. */
  handOn(a: Activation, found: Loaded): boolean {
    const version = Math.max(found.snapshot?.mver ?? 0, ...found.tail.map((row) => row.mver));
    if (version <= a.rt.def.version) return false;
    const { slot } = a.at;
    if (this.#slots.state(slot) === 'mine') {
      const able = this.#members.list.filter((n) => n.build > this.#o.build && n.weight > 0 && (n.versions[a.kind] ?? 0) >= version);
      const [to] = able.sort((x, y) => y.build - x.build || (x.id < y.id ? -1 : 1));
      if (to === undefined) return false;
      void this.#hand([slot], to.id, 'version');
    } else if (this.#slots.state(slot) === 'none') return false;
    for (const e of a.drain()) refuse(e, refusal('MOVED'));
    this.#o.residents.leave(a);
    return true;
  }
}
