import { DAY, dayBounds, localDate, dayOf, MINUTE } from '../time/civil.ts';
import { freeUnits, usedPeak } from './allocate.ts';
import { claimsIn, type ActiveState, type Days } from './days.ts';
import { isOpen, windowsOn, type Opening } from './opening.ts';
import type { Interval } from './intervals.ts';

/** Why a slot is not available, in the order in which it is found out. */
export type Reason =
  | 'invalid_duration'
  | 'invalid_granularity'
  | 'resource_not_found'
  | 'resource_suspended'
  | 'resource_retired'
  | 'in_past'
  | 'min_notice'
  | 'beyond_horizon'
  | 'off_grid'
  | 'outside_opening_hours'
  | 'overlap'
  | 'capacity';

/** Rules of a resource, as far as availability depends on them. The object is the key of a cache: replace it, never change it. */
export interface Rules extends Opening {
  readonly capacity: number;
  readonly capacityMode: 'units' | 'pool';
  readonly allocation: 'first_fit' | 'best_fit';
  readonly minNoticeMin: number;
  readonly horizonDays: number;
  readonly slotStepMin: number;
  readonly slotAnchor: 'opening' | 'midnight';
  readonly enforceGrid: boolean;
}

/** What is known of one resource. */
export interface Calendar {
  readonly status: 'active' | 'suspended' | 'retired';
  readonly rules: Rules;
  readonly days: Days;
}

export interface CheckOptions {
  /** epoch ms */
  readonly now: number;
  /** seats; units mode knows only 1 */
  readonly qty?: number;
  /** its own claims do not count */
  readonly ignoreBookingId?: string;
  /** default true; false looks through holds that may still expire */
  readonly includeHeld?: boolean;
  readonly bufferBeforeMin?: number;
  readonly bufferAfterMin?: number;
  /** longest booking in minutes; default {@link MAX_DURATION_MIN} */
  readonly maxDurationMin?: number;
}

export interface Conflict {
  /** epoch ms, buffers included */
  readonly s: number;
  readonly e: number;
  readonly state: 'held' | 'confirmed' | 'blocked';
}

export interface Availability {
  readonly available: boolean;
  readonly resourceId: string;
  /** epoch ms */
  readonly start: number;
  readonly end: number;
  /** units, or in pool mode seats, that are free in the whole interval; 0 when another reason refuses */
  readonly unitsFree: number;
  readonly reason?: Reason;
  /** at most 20, without anybody's identity */
  readonly conflicts?: readonly Conflict[];
}

export const DEFAULT_RESOURCE = 'primary';
export const MAX_DURATION_MIN = 14 * 1_440;
export const STATE_WORDS = { h: 'held', c: 'confirmed', b: 'blocked' } as const satisfies Record<ActiveState, string>;

const CONFLICTS_SHOWN = 20;

/**
 * Whether a resource can be booked from `start` for `durationMin`. The first check that fails gives the reason.
 *
 * @param calendars  finds a resource; claims of other resources never matter
 * @param start      epoch ms, a whole minute
 * @param durationMin elapsed minutes, whatever the wall clock does in between
 */
export function isSlotAvailableWithDuration(
  calendars: (resourceId: string) => Calendar | undefined,
  resourceId: string = DEFAULT_RESOURCE,
  start: number,
  durationMin: number,
  opts: CheckOptions,
): Availability {
  const end = start + durationMin * MINUTE;
  const refuse = (reason: Reason, more: Partial<Availability> = {}): Availability => ({
    available: false,
    resourceId,
    start,
    end,
    unitsFree: 0,
    reason,
    ...more,
  });
  if (!Number.isInteger(durationMin) || durationMin < 1 || durationMin > (opts.maxDurationMin ?? MAX_DURATION_MIN)) {
    return refuse('invalid_duration');
  }
  if (!Number.isInteger(start) || start % MINUTE !== 0) return refuse('invalid_granularity');
  const calendar = calendars(resourceId);
  if (calendar === undefined) return refuse('resource_not_found');
  const { status, rules, days } = calendar;
  if (status === 'suspended') return refuse('resource_suspended');
  if (status === 'retired') return refuse('resource_retired');
  if (start < opts.now) return refuse('in_past');
  if (start < opts.now + rules.minNoticeMin * MINUTE) return refuse('min_notice');
  if (start > opts.now + rules.horizonDays * DAY) return refuse('beyond_horizon');
  if (rules.enforceGrid && !onGrid(rules, start)) return refuse('off_grid');
  if (!isOpen(rules, start, end)) return refuse('outside_opening_hours');

  const span: Interval = [start / MINUTE - (opts.bufferBeforeMin ?? 0), end / MINUTE + (opts.bufferAfterMin ?? 0)];
  const qty = opts.qty ?? 1;
  const unitsFree =
    rules.capacityMode === 'pool'
      ? Math.max(0, rules.capacity - usedPeak(days, rules.capacity, span, opts))
      : freeUnits(rules, days, span, opts);
  const enough = rules.capacityMode === 'pool' ? qty <= unitsFree : qty === 1 && unitsFree > 0;
  if (enough) return { available: true, resourceId, start, end, unitsFree };
  return refuse(rules.capacityMode === 'pool' || unitsFree > 0 ? 'capacity' : 'overlap', {
    unitsFree,
    conflicts: conflictsIn(days, span, opts),
  });
}

/** Whether `start` is a point of the resource's grid. */
export function onGrid(rules: Rules, start: number): boolean {
  const step = rules.slotStepMin * MINUTE;
  const date = localDate(rules.timeZone, start);
  if (rules.slotAnchor === 'midnight') return (start - dayBounds(rules.timeZone, date)[0]) % step === 0;
  const day = dayOf(date);
  return [day - 1, day].some((d) => windowsOn(rules, d).some(([s, e]) => s <= start && start < e && (start - s) % step === 0));
}

function conflictsIn(days: Days, span: Interval, opts: CheckOptions): Conflict[] {
  return claimsIn(days, span)
    .filter((c) => c.bookingId !== opts.ignoreBookingId && (c.state !== 'h' || opts.includeHeld !== false))
    .sort((a, b) => a.s - b.s)
    .slice(0, CONFLICTS_SHOWN)
    .map((c) => ({ s: c.s * MINUTE, e: c.e * MINUTE, state: STATE_WORDS[c.state] }));
}
