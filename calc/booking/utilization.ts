import { MINUTE } from '../time/civil.ts';
import { claimsIn, type Days } from './days.ts';
import { lengthOf, type Interval } from './intervals.ts';
import { localDay, openBetween, type Opening } from './opening.ts';

/** How far a resource was used on one local day, in minutes; buffers do not count. */
export interface Utilization {
  /** start of the local day, epoch ms */
  readonly t: number;
  /** open minutes */
  readonly avail: number;
  /** seat-minutes inside opening hours */
  readonly booked: number;
  /** seat-minutes outside opening hours */
  readonly extra: number;
}

/**
 * Confirmed use of one local day (forecast-anomaly 2.1). O(claims of the touched UTC days)
 *
 * @param day days since 1970-01-01 of the local date
 */
export function utilizationOf(opening: Opening, days: Days, day: number): Utilization {
  const [start, end] = localDay(opening, day);
  const open = openBetween(opening, start, end);
  let booked = 0;
  let total = 0;
  for (const c of claimsIn(days, [Math.floor(start / MINUTE), Math.ceil(end / MINUTE)])) {
    if (c.state !== 'c') continue;
    const span: Interval = [Math.max(start, (c.s + c.before) * MINUTE), Math.min(end, (c.e - c.after) * MINUTE)];
    if (span[0] >= span[1]) continue;
    total += c.qty * (span[1] - span[0]);
    for (const [s, e] of open) booked += c.qty * Math.max(0, Math.min(e, span[1]) - Math.max(s, span[0]));
  }
  return {
    t: start,
    avail: Math.round(lengthOf(open) / MINUTE),
    booked: Math.round(booked / MINUTE),
    extra: Math.round((total - booked) / MINUTE),
  };
}

/** Share of the open time that was booked; may exceed 1. Null when the resource was closed. */
export const ratioOf = (u: Utilization, capacity: number): number | null => (u.avail === 0 ? null : u.booked / (u.avail * capacity));
