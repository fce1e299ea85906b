/**
 * The states of an actor in memory: the committed one, and the latest, which its accepted events have made of it. Between the two stand those
 * events in their order, each waiting for its commit. A new event is decided on the latest state; nothing of that is seen before it is committed.
 */
import { Keys } from './keys.ts';
import type { Known } from './rows.ts';
import type { Live } from './runtime.ts';
import type { EffectId } from './store/store.ts';
import type { CommitUnit, Unit } from './unit.ts';

export class Speculation {
  #latest: Live | undefined;
  #committed: Live | undefined;
  #units: Unit[] | undefined;
  #cid: string | undefined;
  #keys: Keys | undefined;
  /** effect ids of the invocations that this activation started */
  #callIds: Map<string, EffectId> | undefined;

  /** Undefined without history, and while it is read. */
  get latest(): Live | undefined {
    return this.#latest;
  }

  get committed(): Live | undefined {
    return this.#committed;
  }

  /** Commit of the last durable event, where a crash of the database may take it back (relaxed durability). */
  get cid(): string | undefined {
    return this.#cid;
  }

  /** of the latest state; 0 without one */
  get seq(): number {
    return this.#latest?.seq ?? 0;
  }

  /** events that are accepted and not yet durable */
  get uncommitted(): number {
    return this.#units?.length ?? 0;
  }

  /** Time of the oldest of them, epoch ms. */
  get oldestUncommitted(): number {
    return this.#units?.[0]?.events[0]?.journal.at ?? Number.POSITIVE_INFINITY;
  }

  get units(): readonly Unit[] | undefined {
    return this.#units;
  }

  /** of the commands that a repeat is recognised by */
  get keys(): Keys | undefined {
    return this.#keys;
  }

  /** Marks of the keys of committed events, if they are known. */
  get marks(): string | undefined {
    return this.#keys === undefined ? '' : this.#keys.marks(this.#committed?.seq ?? 0);
  }

  /** @param keys those of earlier commands @param cid see {@link Speculation.cid} */
  begin(latest: Live | undefined, committed: Live | undefined, keys: Keys | undefined, cid: string | undefined): void {
    this.#cid = cid;
    this.#latest = latest;
    this.#committed = committed;
    this.#keys = keys;
  }

  /** What was answered to a command with this key. */
  known(idem: string): Known | undefined {
    return this.#keys?.get(idem);
  }

  callId(invoke: string, seq: number): EffectId | undefined {
    const id = this.#callIds?.get(invoke);
    return id?.seq === seq ? id : undefined;
  }

  accept(unit: Unit): void {
    const { envelope: e, steps, next, reply } = unit;
    if (e.idem !== null) (this.#keys ??= new Keys()).remember(e.idem, { type: e.type, chk: e.chk, reply });
    for (const s of steps) for (const call of s.effects) (this.#callIds ??= new Map()).set(call.invoke, call.id);
    this.#latest = next;
    (this.#units ??= []).push(unit);
  }

  /** The oldest unit is durable. @param cid its commit, see {@link Speculation.cid} @throws Error when the oldest is another one */
  settle(unit: CommitUnit, cid?: string): Unit {
    const own = this.#units?.[0];
    if (this.#units === undefined || own !== unit) throw new Error(`${unit.owner.actorId}: units were settled out of order`);
    this.#units.shift();
    if (this.#units.length === 0) this.#units = undefined;
    this.#committed = own.next;
    this.#cid = cid;
    return own;
  }

  /** Units that will not be committed as they stand: all, or this one and those that rest on it. @throws Error when there is no such unit */
  lose(from?: CommitUnit): readonly Unit[] {
    const units = this.#units ?? [];
    const at = from === undefined ? 0 : units.indexOf(from as Unit);
    if (at < 0) throw new Error(`${from?.owner.actorId}: lost an event that it did not have`);
    const lost = units.splice(at);
    if (units.length === 0) this.#units = undefined;
    this.#latest = units.at(-1)?.next ?? this.#committed;
    return lost;
  }

  /** The states are to be read anew. */
  forget(): void {
    this.#latest = undefined;
    this.#committed = undefined;
    this.#keys = undefined;
    this.#callIds = undefined;
  }
}
