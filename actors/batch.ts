/** The events that wait for their commit, in order, and what of them one statement carries: whole groups, never a part of one (kernel specification 7.3, 15.4). */
import { planBatch } from './companion.ts';
import type { Registry } from './companion.ts';
import type { Batch, EventRows, Followed, Housekeeping } from './store/store.ts';
import type { CommitUnit, UnitOwner } from './unit.ts';

/** A prefix of some units as one statement. `broken`: not even the first of them fits into one, and `units` is that one or its group. */
export interface Prefix {
  readonly units: readonly CommitUnit[];
  readonly batch: Batch;
  readonly broken: boolean;
}

export interface Share {
  /** journal rows, companion rows and bytes that a statement carries at most, unless the first group alone has more */
  readonly rows: number;
  readonly companions: number;
  readonly bytes: number;
  /** whether a unit shares its statement with no other group */
  readonly alone: (unit: CommitUnit) => boolean;
}

/** Where the group that begins at `from` ends; a unit without group is one by itself. */
function groupEnd(units: readonly CommitUnit[], from: number): number {
  const group = units[from]?.group;
  let end = from + 1;
  if (group !== undefined) while (units[end]?.group === group) end += 1;
  return end;
}

/** How many of the units make up whole groups of at most `most` events together. */
function wholeWithin(units: readonly CommitUnit[], most: number): number {
  let events = 0;
  let whole = 0;
  while (whole < units.length) {
    const end = groupEnd(units, whole);
    for (let i = whole; i < end; i += 1) events += units[i]?.events.length ?? 0;
    if (events > most) break;
    whole = end;
  }
  return whole;
}

function eventsOf(units: readonly CommitUnit[]): readonly EventRows[] {
  const events: EventRows[] = [];
  for (const unit of units) for (const event of unit.events) events.push(event);
  return events;
}

/** The longest prefix that one statement can hold: a later event may touch a key in a way that has to wait for the next. */
export function prefixOf(units: readonly CommitUnit[], registry: Registry, cid: string, housekeeping?: Housekeeping): Prefix {
  for (let taken = units; ;) {
    const events = eventsOf(taken);
    const { take, batch } = planBatch(events, registry, cid, housekeeping);
    if (take >= events.length) return { units: taken, batch, broken: false };
    const whole = wholeWithin(taken, take);
    if (whole === 0) return { units: taken.slice(0, groupEnd(taken, 0)), batch, broken: true };
    taken = taken.slice(0, whole);
  }
}

/** The rows on which these units rest, one for each actor that has a history. */
export function followedBy(units: readonly CommitUnit[]): Followed[] {
  const seen = new Set<UnitOwner>();
  const rows: Followed[] = [];
  for (const { owner, events } of units) {
    const seq = (events[0]?.journal.seq ?? 1) - 1;
    if (seq > 0 && !seen.has(owner)) rows.push({ actorId: owner.actorId, seq, cid: owner.cid });
    seen.add(owner);
  }
  return rows;
}

/** Units that no statement carries yet. */
export class OpenBatch {
  #units: CommitUnit[] = [];
  rows = 0;
  bytes = 0;

  get empty(): boolean {
    return this.#units.length === 0;
  }

  get owners(): UnitOwner[] {
    return [...new Set(this.#units.map((unit) => unit.owner))];
  }

  push(unit: CommitUnit): void {
    this.#units.push(unit);
    this.rows += unit.events.length;
    this.bytes += unit.bytes;
  }

  /** Takes out the oldest groups: as many as the share allows and one statement can hold. */
  take(share: Share, registry: Registry, cid: string, housekeeping: Housekeeping): Prefix {
    const prefix = prefixOf(this.#units.slice(0, this.#count(share)), registry, cid, housekeeping);
    this.#units.splice(0, prefix.units.length);
    this.#forget(prefix.units);
    return prefix;
  }

  #count(share: Share): number {
    let count = 0;
    let rows = 0;
    let bytes = 0;
    let companions = 0;
    while (count < this.#units.length) {
      const end = groupEnd(this.#units, count);
      let alone = false;
      for (let i = count; i < end; i += 1) {
        const unit = this.#units[i] as CommitUnit;
        rows += unit.events.length;
        bytes += unit.bytes;
        companions += unit.companions;
        alone ||= share.alone(unit);
      }
      if (count > 0 && (alone || rows > share.rows || bytes > share.bytes || companions > share.companions)) break;
      count = end;
      if (alone) break;
    }
    return count;
  }

  #forget(units: readonly CommitUnit[]): void {
    for (const unit of units) {
      this.rows -= unit.events.length;
      this.bytes -= unit.bytes;
    }
  }

  /**
   * Takes out every unit of these actors, and the groups that hold one; so other actors may lose units too, and with them all their later ones.
   *
   * @returns the first unit lost of each other actor
   */
  withdraw(lost: ReadonlySet<UnitOwner>): ReadonlyMap<UnitOwner, CommitUnit> {
    const cut = new Map<UnitOwner, CommitUnit>();
    const kept: CommitUnit[] = [];
    const gone: CommitUnit[] = [];
    const hit = ({ owner }: CommitUnit): boolean => lost.has(owner) || cut.has(owner);
    for (let from = 0, end = 0; from < this.#units.length; from = end) {
      end = groupEnd(this.#units, from);
      let whole = true;
      for (let i = from; i < end; i += 1) whole &&= !hit(this.#units[i] as CommitUnit);
      for (let i = from; i < end; i += 1) (whole ? kept : gone).push(this.#units[i] as CommitUnit);
      for (const unit of whole ? [] : this.#units.slice(from, end)) if (!hit(unit)) cut.set(unit.owner, unit);
    }
    this.#forget(gone);
    this.#units = kept;
    return cut;
  }
}
