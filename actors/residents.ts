/**
 * The actors in memory. Hot ones are activations that can run; warm ones have been idle for a while and are text off the heap, from which an
 * activation is made in microseconds; all others are cold and only in the store (kernel specification 11.3).
 */
import { Activation } from './activation.ts';
import { KernelProblem, refusal } from './errors.ts';
import { freeze } from './frozen.ts';
import { actorIdOf, slotOf } from './ids.ts';
import type { Kernel } from './kernel.ts';
import type { Runtime } from './runtime.ts';
import type { ActorRef } from './types.ts';
import { Warm } from './warm.ts';
import type { WarmEntry } from './warm.ts';

/** how much is dropped at once when a bound is reached */
const SHARE = 0.1;
/** heap bytes of an idle actor beside its context, of each byte of JSON in it, and of each remembered command */
const BASE_WEIGHT = 1_024;
const JSON_WEIGHT = 2;
const KEY_WEIGHT = 320;
/** looking for somebody to drop is not repeated within this time when everybody was busy, ms */
const BUSY_MS = 50;

export interface Bounds {
  /** actors in memory, hot and warm */
  readonly activations: number;
  /** their estimated bytes on and off the heap */
  readonly activationBytes: number;
}

/** What has left memory to make room. */
export interface Evicted {
  readonly hot: readonly Activation[];
  readonly warm: readonly WarmEntry[];
}

export class Residents {
  readonly #k: Kernel;
  readonly #bounds: Bounds;
  readonly #evict: (evicted: Evicted) => void;
  readonly #hot = new Map<ActorRef, Activation>();
  readonly #warm = new Warm();
  #hotBytes = 0;
  #busyUntil = Number.NEGATIVE_INFINITY;

  constructor(kernel: Kernel, bounds: Bounds, evict: (evicted: Evicted) => void) {
    this.#k = kernel;
    this.#bounds = bounds;
    this.#evict = evict;
  }

  get hot(): ReadonlyMap<ActorRef, Activation> {
    return this.#hot;
  }

  get warm(): number {
    return this.#warm.size;
  }

  get longestMailbox(): number {
    let most = 0;
    for (const a of this.#hot.values()) most = Math.max(most, a.mailboxLength);
    return most;
  }

  /** estimate of what hot and warm actors occupy */
  get bytes(): number {
    return this.#hotBytes + this.#warm.bytes;
  }

  temperature(ref: ActorRef): 'hot' | 'warm' | 'cold' {
    if (this.#hot.has(ref)) return 'hot';
    return this.#warm.has(ref) ? 'warm' : 'cold';
  }

  /**
   * The activation of an actor, made from its warm text or empty, to be read from the store. This is the only place where warm becomes hot.
   *
   * @throws KernelProblem OVERLOADED when no more fit and every actor is busy
   */
  enter(ref: ActorRef, rt: Runtime): Activation {
    const standing = this.#hot.get(ref);
    const { placement } = this.#k;
    if (standing !== undefined) {
      if (placement?.roaming !== true || !standing.quiet) return standing;
      this.replace(standing);
    }
    const actorId = actorIdOf(ref);
    const slot = slotOf(actorId);
    const text = this.#warm.take(ref, placement?.trustedSince(slot));
    if (this.#full && !this.#makeRoom()) throw new KernelProblem(refusal('OVERLOADED', 'no more actors fit into memory', undefined, 1_000));
    const a = new Activation(this.#k, { ref, id: ref.slice(rt.def.kind.length + 1), actorId, slot }, rt);
    a.lastUsed = this.#k.clock.mono();
    this.#hot.set(ref, a);
    if (text !== undefined) {
      a.thaw(text);
      this.#k.metrics.activations.add(a.kind, 'warm');
      this.#k.metrics.activationSeconds.observe({ from: 'warm' }, (this.#k.clock.mono() - a.lastUsed) / 1_000);
    }
    this.#weigh(a);
    return a;
  }

  /** Takes the size of an activation that has changed into account. */
  grown(a: Activation): void {
    this.#weigh(a);
    if (this.bytes > this.#bounds.activationBytes) this.#makeRoom();
  }

  #weigh(a: Activation): void {
    if (this.#hot.get(a.at.ref) !== a) return;
    const weight = BASE_WEIGHT + JSON_WEIGHT * (a.snapshotBytes + a.bytesSinceSnapshot) + KEY_WEIGHT * (a.spec.keys?.size ?? 0);
    this.#hotBytes += weight - a.weighed;
    a.weighed = weight;
  }

  /** Forgets a hot actor. */
  leave(a: Activation): void {
    if (this.#hot.get(a.at.ref) !== a) return;
    this.#hot.delete(a.at.ref);
    this.#hotBytes -= a.weighed;
  }

  /** Another node may have written: what waits at the actor is run by another activation, which reads it anew. */
  replace(a: Activation): void {
    if (a.uncommitted > 0) return a.renew();
    this.leave(a);
    this.#k.topics.passivated(a);
    for (const e of a.drain()) this.#k.deliver(a.at.ref, a.rt, e);
  }

  /** Every actor is read anew before anything else of it runs. */
  forget(): void {
    for (const kind of this.#k.kinds.keys()) this.expire(kind, Number.POSITIVE_INFINITY);
    const hot = [...this.#hot.values()];
    for (const a of hot) this.replace(a);
  }

  /** Turns a hot actor that rests into text, and forgets it. Undefined: it stays as it is. */
  freeze(a: Activation): WarmEntry | undefined {
    const entry = freeze(this.#k, a);
    if (entry !== undefined) this.leave(a);
    return entry;
  }

  cool(a: Activation): void {
    const entry = this.freeze(a);
    if (entry !== undefined) this.#warm.put(entry, a.lastUsed);
  }

  /** bytes that more actors may occupy */
  get room(): number {
    return this.#bounds.activationBytes - this.bytes;
  }

  /** Takes in what another node has kept of an actor. False when it is here already, or nothing more fits. */
  adopt(entry: WarmEntry): boolean {
    if (this.#hot.has(entry.ref) || this.#full) return false;
    this.#warm.put(entry, this.#k.clock.mono());
    return true;
  }

  /** Somebody else has written the actor: it is read from the store when it is needed. */
  forgetWarm(ref: ActorRef): void {
    this.#warm.take(ref);
  }

  /** Forgets the warm actors of a kind that were last used before `before` (mono ms). */
  expire(kind: string, before: number): WarmEntry[] {
    return [...this.#warm.expire(kind, before)];
  }

  get #full(): boolean {
    return this.#hot.size + this.#warm.size >= this.#bounds.activations || this.bytes > this.#bounds.activationBytes;
  }

  /** Drops the least recently used tenth; warm actors are idle for longer than hot ones. False when all are busy. */
  #makeRoom(): boolean {
    const now = this.#k.clock.mono();
    if (now < this.#busyUntil) return false;
    const { activations, activationBytes } = this.#bounds;
    const enough = (): boolean =>
      this.#hot.size + this.#warm.size <= activations * (1 - SHARE) && this.bytes <= activationBytes * (1 - SHARE);
    const warm: WarmEntry[] = [];
    for (const entry of this.#warm.leaving()) {
      warm.push(entry);
      if (enough()) break;
    }
    const hot: Activation[] = [];
    if (!enough()) {
      const resting = [...this.#hot.values()].filter((a) => a.resting).sort((x, y) => x.lastUsed - y.lastUsed);
      for (const a of resting) {
        this.leave(a);
        hot.push(a);
        if (enough()) break;
      }
    }
    if (hot.length + warm.length > 0) this.#evict({ hot, warm });
    if (!this.#full) return true;
    this.#busyUntil = now + BUSY_MS;
    return false;
  }
}
