import { DAY, dayBounds, dateOf, MINUTE, offsetAt, withOffset } from '../time/civil.ts';
import { freeUnits, usedPeak, type Looking } from './allocate.ts';
import type { Calendar } from './availability.ts';
import type { Interval } from './intervals.ts';
import { isOpen, windowsOn } from './opening.ts';

export interface SlotQuery extends Looking {
  /** starts in `[from, to)`, epoch ms */
  readonly from: number;
  readonly to: number;
  readonly durationMin: number;
  readonly now: number;
  readonly qty?: number;
  readonly limit?: number;
  readonly bufferBeforeMin?: number;
  readonly bufferAfterMin?: number;
  /** zone of `localStart`; default the resource's */
  readonly timeZone?: string;
}

export interface Slot {
  /** epoch ms */
  readonly start: number;
  readonly end: number;
  /** RFC 3339 with the offset of the zone asked for */
  readonly localStart: string;
  readonly unitsFree: number;
}

export const MAX_SLOTS = 2_000;

/**
 * Slots of the resource's grid that could be booked now, by start. Exactly the grid points that `isSlotAvailableWithDuration` accepts.
 * O(days * rules + grid points * capacity * log k)
 */
export function freeSlots({ status, rules, days }: Calendar, q: SlotQuery): Slot[] {
  if (status !== 'active') return [];
  const [lo, hi] = [Math.max(q.from, q.now + rules.minNoticeMin * MINUTE), Math.min(q.to, q.now + rules.horizonDays * DAY + 1)];
  const limit = Math.min(q.limit ?? MAX_SLOTS, MAX_SLOTS);
  const step = rules.slotStepMin * MINUTE;
  const zone = q.timeZone ?? rules.timeZone;
  const out: Slot[] = [];
  const seen = new Set<number>();
  // a local date is at most one day away from the UTC day, and a night window may begin the day before
  for (let day = Math.floor(lo / DAY) - 2; day <= Math.floor(hi / DAY) + 1; day += 1) {
    for (const window of windowsOn(rules, day)) {
      if (window[1] <= lo || window[0] >= hi) continue;
      const local = formatter(zone, window);
      const anchor = rules.slotAnchor === 'opening' ? window[0] : dayBounds(rules.timeZone, dateOf(day))[0];
      const from = Math.max(lo, window[0]);
      for (let t = anchor + Math.max(0, Math.ceil((from - anchor) / step)) * step; t < hi && t < window[1]; t += step) {
        if (t % MINUTE !== 0 || seen.has(t) || !isOpen(rules, t, t + q.durationMin * MINUTE)) continue;
        const unitsFree = free({ rules, days }, t, q);
        if (unitsFree < (q.qty ?? 1)) continue;
        seen.add(t);
        out.push({ start: t, end: t + q.durationMin * MINUTE, localStart: local(t), unitsFree });
      }
    }
    if (out.length > limit * 2) break;
  }
  return out.sort((a, b) => a.start - b.start).slice(0, limit);
}

function free({ rules, days }: Pick<Calendar, 'rules' | 'days'>, t: number, q: SlotQuery): number {
  const span: Interval = [t / MINUTE - (q.bufferBeforeMin ?? 0), t / MINUTE + q.durationMin + (q.bufferAfterMin ?? 0)];
  if (rules.capacityMode === 'pool') return Math.max(0, rules.capacity - usedPeak(days, rules.capacity, span, q));
  return (q.qty ?? 1) === 1 ? freeUnits(rules, days, span, q) : 0;
}

/** Local times inside one window; asks the zone once when its offset does not change there. */
function formatter(zone: string, [start, end]: Interval): (t: number) => string {
  const offset = offsetAt(zone, start);
  if (offset === offsetAt(zone, end - 1)) return (t) => withOffset(t, offset);
  return (t) => withOffset(t, offsetAt(zone, t));
}
