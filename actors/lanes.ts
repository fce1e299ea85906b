/** The commit pipelines of a node: which of them an actor's events go through, and who waits until there is room in them. */
import type { Activation } from './activation.ts';
import { Committer } from './committer.ts';
import type { Kernel } from './kernel.ts';

const TROUBLE_MS = 1_000;
/** a commit that takes longer may take longer than its callers wait */
const LATE_MS = 250;

/** Whether commits have failed for so long that new commands are refused. @param mono now, monotonic ms */
export const fails = ({ troubledSince }: Committer, mono: number): boolean =>
  troubledSince !== undefined && mono - troubledSince > TROUBLE_MS;

export class Lanes {
  readonly #k: Kernel;
  readonly #count: number;
  readonly #look: () => void;
  readonly #all: Committer[] = [];
  /** the last of them, for kinds with relaxed durability, where the store has such lanes */
  #relaxed: Committer | undefined;
  /** actors that wait for a commit to make room in their lane */
  readonly #waiting = new Set<Activation>();

  /** @param o.count of lanes that slots are dealt to; @param o.look called before a statement is sent */
  constructor(kernel: Kernel, o: { readonly count: number; readonly look: () => void }) {
    this.#k = kernel;
    this.#count = o.count;
    this.#look = o.look;
  }

  /** By number. */
  get all(): readonly Committer[] {
    return this.#all;
  }

  get waiting(): ReadonlySet<Activation> {
    return this.#waiting;
  }

  /** The lane of an actor; those whose kind has relaxed durability have another than their neighbours. */
  of(slot: number, relaxed = false): Committer {
    return relaxed && this.#relaxed !== undefined ? this.#relaxed : (this.#all[slot % this.#count] as Committer);
  }

  /** Gives the activation a turn after the next commit. */
  waitForRoom(a: Activation): void {
    this.#waiting.add(a);
  }

  /** Sends what is open in lanes without a batch in flight. */
  kick(): void {
    for (const c of this.#all) c.kick();
  }

  /** Numbers of the lanes whose commits fail. */
  get failing(): number[] {
    const mono = this.#k.clock.mono();
    return this.#all.flatMap((c, number) => (fails(c, mono) ? [number] : []));
  }

  /** Whether callers may wait beyond their deadlines for a lane. @param mono now, monotonic ms */
  late(mono: number): boolean {
    return this.#all.some((c) => c.late(mono, LATE_MS));
  }

  async open(): Promise<void> {
    for (let number = 0; number < this.#count; number += 1) await this.#open(number, false);
    const relaxed = this.#k.store.relaxes && [...this.#k.kinds.values()].some((rt) => rt.relaxed);
    if (relaxed) this.#relaxed = await this.#open(this.#count, true);
  }

  async #open(number: number, relaxed: boolean): Promise<Committer> {
    const { store, registry, clock, random, log, metrics, limits, outbox } = this.#k;
    const lane = await store.openLane(number, relaxed);
    const committer = new Committer({
      lane,
      number,
      relaxed,
      store,
      registry,
      clock,
      random,
      log,
      metrics,
      limits,
      onProgress: () => this.#progress(),
      onDropped: (ids) => outbox.dropped(ids),
      look: this.#look,
    });
    this.#all.push(committer);
    return committer;
  }

  /** A commit has made room: actors that had to wait get their turn. */
  #progress(): void {
    if (this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const a of waiting) this.#k.schedule(a);
  }

  /** Resolves when nothing waits for a commit and none is under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#all.map((c) => c.idle()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#all.map((c) => c.stop()));
  }
}
