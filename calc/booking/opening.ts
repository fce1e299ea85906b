import { addDays, boundary, DAY, dateOf, dayBounds, weekdayOf } from '../time/civil.ts';
import { covers, union, type Interval } from './intervals.ts';

/** A span of the wall clock. `to <= from` ends on the next local day; `24:00` is midnight at the end of the day. */
export interface Hours {
  readonly from: string;
  readonly to: string;
}

export interface OpeningRule extends Hours {
  /** 1 = Monday to 7 = Sunday */
  readonly days: readonly number[];
  /** first and last local date of validity, both included */
  readonly validFrom?: string;
  readonly validTo?: string;
}

/** Overrides the rules on local dates, both ends included. Later ones win over earlier ones. */
export interface OpeningException {
  readonly dateFrom: string;
  readonly dateTo: string;
  readonly mode: 'closed' | 'open' | 'replace';
  readonly windows?: readonly Hours[];
  readonly reason?: string;
}

export interface Opening {
  readonly timeZone: string;
  readonly openingRules: readonly OpeningRule[];
  readonly exceptions: readonly OpeningException[];
}

interface Cache {
  readonly bounds: Map<number, Interval>;
  readonly dates: Map<number, readonly Interval[]>;
  readonly utc: Map<number, readonly Interval[]>;
}

/** A cold conversion costs some 20 microseconds per boundary, hence one cache per opening object, dropped with it. */
const caches = new WeakMap<Opening, Cache>();
const CACHED_DAYS = 1_200;

/**
 * Open windows that begin on a local date, ascending, disjoint, not touching. A night window of the day before stays with its own date, also
 * when this date is closed.
 *
 * @param day days since 1970-01-01 of the local date
 */
export function windowsOn(opening: Opening, day: number): readonly Interval[] {
  return cached(cacheOf(opening).dates, day, () => computeWindows(opening, day));
}

/** Whether every moment of `[start, end)` is open. Windows that touch count as one. */
export function isOpen(opening: Opening, start: number, end: number): boolean {
  for (let day = Math.floor(start / DAY); day * DAY < end; day += 1) {
    if (!covers(openOnUtcDay(opening, day), [Math.max(start, day * DAY), Math.min(end, (day + 1) * DAY)])) return false;
  }
  return true;
}

/** Open intervals that touch `[start, end)`, clipped to it, merged. */
export function openBetween(opening: Opening, start: number, end: number): Interval[] {
  const parts: Interval[] = [];
  for (let day = Math.floor(start / DAY); day * DAY < end; day += 1) {
    for (const [s, e] of openOnUtcDay(opening, day)) {
      if (s < end && start < e) parts.push([Math.max(s, start), Math.min(e, end)]);
    }
  }
  return union(parts);
}

/** Start and end of a local day (days since 1970-01-01) as instants. */
export function localDay(opening: Opening, day: number): Interval {
  return cached(cacheOf(opening).bounds, day, () => dayBounds(opening.timeZone, dateOf(day)));
}

/** The local day, as days since 1970-01-01, to which an instant belongs. */
export function localDayAt(opening: Opening, at: number): number {
  const near = Math.floor(at / DAY);
  if (at < localDay(opening, near)[0]) return near - 1;
  return at < localDay(opening, near)[1] ? near : near + 1;
}

/** Minutes of the wall clock of `HH:MM`; `24:00` is 1,440. */
export function minutesOf(clock: string): number {
  return Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3, 5));
}

function openOnUtcDay(opening: Opening, day: number): readonly Interval[] {
  return cached(cacheOf(opening).utc, day, () => {
    const near: Interval[] = [];
    // local dates are at most one day off, and a night window may begin the day before
    for (let local = day - 2; local <= day + 1; local += 1) {
      for (const [s, e] of windowsOn(opening, local)) {
        if (s < (day + 1) * DAY && day * DAY < e) near.push([Math.max(s, day * DAY), Math.min(e, (day + 1) * DAY)]);
      }
    }
    return union(near);
  });
}

function computeWindows(opening: Opening, day: number): readonly Interval[] {
  const date = dateOf(day);
  const toInterval = ({ from, to }: Hours): Interval => {
    const [a, b] = [minutesOf(from), minutesOf(to)];
    const start = boundary(opening.timeZone, date, a);
    return [start, b > a ? boundary(opening.timeZone, date, b) : boundary(opening.timeZone, addDays(date, 1), b)];
  };
  const weekday = weekdayOf(day);
  const ruled = opening.openingRules.filter(
    (r) => r.days.includes(weekday) && (r.validFrom ?? date) <= date && date <= (r.validTo ?? date),
  );
  let windows: readonly Hours[] = ruled;
  for (const x of opening.exceptions) {
    if (date < x.dateFrom || x.dateTo < date) continue;
    if (x.mode === 'closed') windows = [];
    else if (x.mode === 'open') windows = [...windows, ...(x.windows ?? [])];
    else windows = x.windows ?? [];
  }
  return union(windows.map(toInterval).filter(([s, e]) => s < e));
}

function cacheOf(opening: Opening): Cache {
  let cache = caches.get(opening);
  if (cache === undefined) caches.set(opening, (cache = { bounds: new Map(), dates: new Map(), utc: new Map() }));
  return cache;
}

function cached<T>(cache: Map<number, T>, key: number, compute: () => T): T {
  const hit = cache.get(key);
  if (hit !== undefined) return hit;
  if (cache.size >= CACHED_DAYS) cache.clear();
  const value = compute();
  cache.set(key, value);
  return value;
}
