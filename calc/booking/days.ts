import type { Interval } from './intervals.ts';

/** `h` held, `c` confirmed, `b` blocked: the states in which a claim keeps others out. */
export type ActiveState = 'h' | 'c' | 'b';

/** The whole resource: a block or an external event, whatever the capacity. */
export const ALL_UNITS = -1;
/** Pool mode: no particular unit. */
export const NO_UNIT = -2;

/**
 * One claim as a day lists it. `s` and `e` are minutes from the start of that UTC day, buffers included; a claim that spans days stands in
 * every day it touches, so `s` may be negative and `e` above 1,440. `before` and `after` are its buffers in minutes, absent when both are 0.
 */
export type Entry =
  | readonly [s: number, e: number, unit: number, qty: number, state: ActiveState, bookingId: string]
  | readonly [s: number, e: number, unit: number, qty: number, state: ActiveState, bookingId: string, before: number, after: number];

export type Day = { readonly [claimId: string]: Entry };

/** `{ [day since 1970-01-01 UTC]: { [claimId]: entry } }` */
export type Days = { readonly [day: string]: Day };

export interface Claim {
  readonly claimId: string;
  readonly bookingId: string;
  /** minutes since the epoch, buffers included */
  readonly s: number;
  readonly e: number;
  readonly unit: number;
  readonly qty: number;
  readonly state: ActiveState;
  readonly before: number;
  readonly after: number;
}

const DAY_MIN = 1_440;

/** Day numbers that `[s, e)` in epoch minutes touches, first and last. */
export const daySpan = ([s, e]: Interval): readonly [first: number, last: number] => [
  Math.floor(s / DAY_MIN),
  Math.floor((e - 1) / DAY_MIN),
];

/** Adds or replaces a claim. Copies the touched days and the outer map, shares the rest. */
export function put(days: Days, c: Claim): Days {
  const out: { [day: string]: Day } = { ...days };
  const [first, last] = daySpan([c.s, c.e]);
  for (let d = first; d <= last; d += 1) out[d] = { ...out[d], [c.claimId]: entryOf(c, d) };
  return out;
}

/** Takes a claim out; a day that becomes empty is removed. */
export function remove(days: Days, c: Claim): Days {
  const out: { [day: string]: Day } = { ...days };
  const [first, last] = daySpan([c.s, c.e]);
  for (let d = first; d <= last; d += 1) {
    const { [c.claimId]: _gone, ...rest } = out[d] ?? {};
    if (Object.keys(rest).length === 0) delete out[d];
    else out[d] = rest;
  }
  return out;
}

/** A claim by its id; looks into every day, O(days). `near`: an epoch minute at which it is known to be active. */
export function find(days: Days, claimId: string, near?: number): Claim | undefined {
  if (near !== undefined) {
    const d = Math.floor(near / DAY_MIN);
    const entry = days[d]?.[claimId];
    if (entry !== undefined) return claimOf(claimId, entry, d);
  }
  for (const d in days) {
    const entry = days[d]?.[claimId];
    if (entry !== undefined) return claimOf(claimId, entry, Number(d));
  }
  return undefined;
}

/** Every active claim once, in no particular order. */
export function* allClaims(days: Days): Generator<Claim> {
  for (const key in days) {
    const d = Number(key);
    const day = days[key];
    for (const claimId in day) {
      const entry = day[claimId];
      if (entry !== undefined && isFirstDay(days, claimId, entry, d)) yield claimOf(claimId, entry, d);
    }
  }
}

/** Claims that overlap `[s, e)` in epoch minutes, each once. O(claims of the touched days) */
export function claimsIn(days: Days, [s, e]: Interval): Claim[] {
  const out: Claim[] = [];
  const [first, last] = daySpan([s, e]);
  for (let d = first; d <= last; d += 1) {
    const day = days[d];
    for (const claimId in day) {
      const entry = day[claimId];
      if (entry === undefined) continue;
      const c = claimOf(claimId, entry, d);
      if (c.s < e && s < c.e && d === Math.max(first, Math.floor(c.s / DAY_MIN))) out.push(c);
    }
  }
  return out;
}

/**
 * A unit's claims in one day, by start. Claims of one unit are disjoint, except that a booking's new claim may overlap its old one while it
 * is moved; hence `reach`, the greatest end so far, which ascends in any case.
 */
export interface Lane {
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly reach: readonly number[];
  readonly claims: readonly string[];
}

const NO_LANE: Lane = { starts: [], ends: [], reach: [], claims: [] };

/** Sorted views of days, derived once per day object; a changed day is a new object. */
const memo = new WeakMap<Day, ReadonlyMap<number, Lane>>();

export function laneOf(days: Days, day: number, unit: number): Lane {
  const object = days[day];
  if (object === undefined) return NO_LANE;
  let lanes = memo.get(object);
  if (lanes === undefined) memo.set(object, (lanes = sortDay(object)));
  return lanes.get(unit) ?? NO_LANE;
}

function sortDay(day: Day): Map<number, Lane> {
  const byUnit = new Map<number, [number, number, string][]>();
  for (const claimId in day) {
    const entry = day[claimId];
    if (entry === undefined) continue;
    const list = byUnit.get(entry[2]);
    if (list === undefined) byUnit.set(entry[2], [[entry[0], entry[1], claimId]]);
    else list.push([entry[0], entry[1], claimId]);
  }
  const lanes = new Map<number, Lane>();
  for (const [unit, list] of byUnit) {
    list.sort((a, b) => a[0] - b[0]);
    let far = Number.NEGATIVE_INFINITY;
    lanes.set(unit, {
      starts: list.map((x) => x[0]),
      ends: list.map((x) => x[1]),
      reach: list.map((x) => (far = Math.max(far, x[1]))),
      claims: list.map((x) => x[2]),
    });
  }
  return lanes;
}

function entryOf(c: Claim, day: number): Entry {
  const [s, e] = [c.s - day * DAY_MIN, c.e - day * DAY_MIN];
  return c.before === 0 && c.after === 0
    ? [s, e, c.unit, c.qty, c.state, c.bookingId]
    : [s, e, c.unit, c.qty, c.state, c.bookingId, c.before, c.after];
}

function claimOf(claimId: string, x: Entry, day: number): Claim {
  const at = day * DAY_MIN;
  return {
    claimId,
    s: x[0] + at,
    e: x[1] + at,
    unit: x[2],
    qty: x[3],
    state: x[4],
    bookingId: x[5],
    before: x[6] ?? 0,
    after: x[7] ?? 0,
  };
}

const isFirstDay = (days: Days, claimId: string, x: Entry, day: number): boolean => x[0] >= 0 || days[day - 1]?.[claimId] === undefined;
