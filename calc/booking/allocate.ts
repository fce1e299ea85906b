import { ALL_UNITS, claimsIn, daySpan, laneOf, type Days, type Lane } from './days.ts';
import { levels, peak, type Interval } from './intervals.ts';

/** Which claims do not count. */
export interface Looking {
  readonly ignoreBookingId?: string;
  readonly includeHeld?: boolean;
}

interface Units {
  readonly capacity: number;
  readonly allocation: 'first_fit' | 'best_fit';
}

const DAY_MIN = 1_440;

/** Whether no claim of the unit, and no block of the whole resource, overlaps `span` (epoch minutes). O(log k) per touched day */
export function isUnitFree(days: Days, unit: number, span: Interval, look: Looking = {}): boolean {
  const [first, last] = daySpan(span);
  for (let d = first; d <= last; d += 1) {
    if (meets(days, d, unit, span, look)) return false;
  }
  return !isBlocked(days, span, look);
}

/** How many of the units are free in all of `span`. O(capacity log k) */
export function freeUnits({ capacity }: Units, days: Days, span: Interval, look: Looking = {}): number {
  if (isBlocked(days, span, look)) return 0;
  let free = 0;
  for (let unit = 0; unit < capacity; unit += 1) if (isUnitFree(days, unit, span, look)) free += 1;
  return free;
}

/**
 * The unit that a new claim of `span` gets, or undefined. `first_fit`: the lowest free one. `best_fit`: the one with the smallest idle gap
 * around the request, so that long gaps stay whole; ties go to the lowest number.
 */
export function allocate({ capacity, allocation }: Units, days: Days, span: Interval, look: Looking = {}): number | undefined {
  let best: { unit: number; gap: number } | undefined;
  for (let unit = 0; unit < capacity; unit += 1) {
    if (!isUnitFree(days, unit, span, look)) continue;
    if (allocation === 'first_fit') return unit;
    const gap = gapAround(days, unit, span);
    if (best === undefined || gap < best.gap) best = { unit, gap };
  }
  return best?.unit;
}

/** Pool mode: the greatest quantity in use at any moment of `span`; a block of the whole resource uses all of it. O(k log k) in the touched days */
export function usedPeak(days: Days, capacity: number, span: Interval, look: Looking = {}): number {
  const counted = claimsIn(days, span).filter(
    (c) => c.bookingId !== look.ignoreBookingId && (c.state !== 'h' || look.includeHeld !== false),
  );
  return peak(levels(counted.map((c) => [c.s, c.e, c.unit === ALL_UNITS ? capacity : c.qty])), span);
}

function isBlocked(days: Days, span: Interval, look: Looking): boolean {
  const [first, last] = daySpan(span);
  for (let d = first; d <= last; d += 1) {
    const lane = laneOf(days, d, ALL_UNITS);
    // blocks may overlap each other, so their ends need not ascend
    for (const i of lane.starts.keys()) {
      const [s, e] = bounds(lane, i, d);
      if (s < span[1] && span[0] < e && days[d]?.[lane.claims[i] ?? '']?.[5] !== look.ignoreBookingId) return true;
    }
  }
  return false;
}

function meets(days: Days, day: number, unit: number, span: Interval, look: Looking): boolean {
  const lane = laneOf(days, day, unit);
  for (let i = firstEndAfter(lane, span[0] - day * DAY_MIN); i < lane.starts.length; i += 1) {
    const [s, e] = bounds(lane, i, day);
    if (s >= span[1]) return false;
    if (e <= span[0]) continue;
    const entry = days[day]?.[lane.claims[i] ?? ''];
    if (entry === undefined || entry[5] === look.ignoreBookingId || (entry[4] === 'h' && look.includeHeld === false)) continue;
    return true;
  }
  return false;
}

/** Index of the first claim that may end after `t` (minutes of the day). */
function firstEndAfter({ reach }: Lane, t: number): number {
  let [lo, hi] = [0, reach.length];
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if ((reach[mid] ?? 0) > t) hi = mid;
    else lo = mid + 1;
  }
  return lo;
}

/** Idle minutes between the neighbours of `span` on a unit; looks at most one day to either side. */
function gapAround(days: Days, unit: number, span: Interval): number {
  const [first, last] = daySpan(span);
  let [before, after] = [(first - 1) * DAY_MIN, (last + 2) * DAY_MIN];
  for (let d = first - 1; d <= last + 1; d += 1) {
    const lane = laneOf(days, d, unit);
    for (const i of lane.starts.keys()) {
      const [s, e] = bounds(lane, i, d);
      if (e <= span[0]) before = Math.max(before, e);
      if (s >= span[1]) after = Math.min(after, s);
    }
  }
  return after - before;
}

const bounds = (lane: Lane, i: number, day: number): Interval => [
  (lane.starts[i] ?? 0) + day * DAY_MIN,
  (lane.ends[i] ?? 0) + day * DAY_MIN,
];
