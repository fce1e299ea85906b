/**
 * Actors that come with their slot (kernel specification 10.6). The old owner sends what it would have kept of them as warm ones, so that the new owner need
 * not read them all at once. It is a hint: what arrives is kept aside under the number of the ownership in which it was written, and becomes warm only when
 * the slot passes from just that ownership to one of this node, for then nobody has had it between. What is lost, late, too old or too much is read from the store.
 */
import type { HandedActor, Handed } from './bus/bus.ts';
import { FROZEN_FORMAT } from './frozen.ts';
import type { Kernel } from './kernel.ts';
import { kindOf } from './ids.ts';
import type { ActorRef } from './types.ts';
import type { WarmEntry } from './warm.ts';

/** what one frame holds, bytes; one more actor would exceed the message of the bus */
const FRAME_BYTES = 250_000;
/** of an actor in a frame beside its name and text, bytes */
const ENTRY_BYTES = 64;
/** how long a slot is waited for, ms */
const WAIT_MS = 3_000;

interface Batch {
  readonly from: string;
  readonly epoch: number;
  /** mono ms of the last frame */
  at: number;
  readonly actors: Map<ActorRef, WarmEntry>;
}

const bytesOf = ({ ref, text }: WarmEntry): number => Buffer.byteLength(ref) + Buffer.byteLength(text) + ENTRY_BYTES;

/** Puts actors into frames. One that is larger than a frame is not sent. */
export class Parcels {
  readonly #send: (actors: readonly HandedActor[]) => void;
  #frame: HandedActor[] = [];
  #bytes = 0;
  /** of all frames */
  total = 0;

  constructor(send: (actors: readonly HandedActor[]) => void) {
    this.#send = send;
  }

  /** False: it does not fit into any frame. */
  add(actor: HandedActor): boolean {
    const bytes = bytesOf(actor);
    if (bytes > FRAME_BYTES) return false;
    if (this.#bytes + bytes > FRAME_BYTES) this.flush();
    this.#frame.push(actor);
    this.#bytes += bytes;
    this.total += bytes;
    return true;
  }

  flush(): void {
    if (this.#frame.length > 0) this.#send(this.#frame);
    this.#frame = [];
    this.#bytes = 0;
  }
}

export class Arrivals {
  readonly #k: Pick<Kernel, 'clock' | 'kinds' | 'metrics'>;
  readonly #room: () => number;
  readonly #slots = new Map<number, Batch>();
  #bytes = 0;
  #watched = false;

  /** @param room bytes that more actors may occupy in memory */
  constructor(kernel: Pick<Kernel, 'clock' | 'kinds' | 'metrics'>, room: () => number) {
    this.#k = kernel;
    this.#room = room;
  }

  /** bytes that wait for their slots */
  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps actors whose slots are about to come, as far as this build can run them and there is room. */
  put(from: string, format: number, actors: readonly HandedActor[], expects: (slot: number) => boolean): void {
    for (const actor of actors) {
      const fits = format === FROZEN_FORMAT && this.#k.kinds.get(kindOf(actor.ref))?.def.version === actor.mver;
      const batch = fits && expects(actor.slot) ? this.#batchOf(from, actor) : undefined;
      if (batch === undefined || batch.actors.has(actor.ref) || this.#bytes + bytesOf(actor) > this.#room()) {
        this.#k.metrics.handedActors.add('dropped');
        continue;
      }
      const { ref, text, keep } = actor;
      batch.at = this.#k.clock.mono();
      batch.actors.set(ref, { ref, text, keep });
      this.#bytes += bytesOf(actor);
    }
  }

  /** Those of the same ownership; a later one takes the place of an earlier. */
  #batchOf(from: string, { slot, epoch }: HandedActor): Batch | undefined {
    const standing = this.#slots.get(slot);
    if (standing?.epoch === epoch) return standing.from === from ? standing : undefined;
    if (standing !== undefined && standing.epoch > epoch) return undefined;
    this.drop(slot);
    const batch = { from, epoch, at: this.#k.clock.mono(), actors: new Map<ActorRef, WarmEntry>() };
    this.#slots.set(slot, batch);
    this.#watch();
    return batch;
  }

  /** What came of slots that have passed from that ownership of `from` to this node. */
  take(from: string, handed: readonly Handed[]): WarmEntry[] {
    const found: WarmEntry[] = [];
    for (const { slot, was } of handed) {
      const batch = this.#slots.get(slot);
      if (batch?.from !== from || batch.epoch !== was) continue;
      found.push(...batch.actors.values());
      this.#forget(slot, batch);
    }
    return found;
  }

  /** The slot has come in another way. */
  drop(slot: number): void {
    const batch = this.#slots.get(slot);
    if (batch === undefined) return;
    this.#k.metrics.handedActors.by(batch.actors.size, 'dropped');
    this.#forget(slot, batch);
  }

  #forget(slot: number, { actors }: Batch): void {
    for (const entry of actors.values()) this.#bytes -= bytesOf(entry);
    this.#slots.delete(slot);
  }

  /** Nobody else may come for what waits too long. */
  #watch(): void {
    if (this.#watched) return;
    this.#watched = true;
    this.#k.clock.setTimer(WAIT_MS, () => {
      this.#watched = false;
      const now = this.#k.clock.mono();
      for (const [slot, { at }] of this.#slots) if (now - at >= WAIT_MS) this.drop(slot);
      if (this.#slots.size > 0) this.#watch();
    });
  }
}
