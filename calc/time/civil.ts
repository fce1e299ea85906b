import { Temporal } from 'temporal-polyfill';

/** Civil time: the only file that turns wall clocks into instants and back. Instants are epoch ms UTC, dates `YYYY-MM-DD`. */

export const MINUTE = 60_000;
export const DAY = 86_400_000;

/** Which instant a wall clock reading means that occurs twice or never; `reject` refuses both. */
export type Disambiguation = 'reject' | 'earlier' | 'later';

export type Resolved =
  | { readonly ok: true; readonly at: number }
  | {
      readonly ok: false;
      readonly code: 'NONEXISTENT_LOCAL_TIME' | 'AMBIGUOUS_LOCAL_TIME';
      /** the two instants that might be meant, ascending */
      readonly candidates: readonly [number, number];
    };

/** Whether the runtime's time zone database knows the identifier. */
export function isTimeZone(zone: string): boolean {
  try {
    // Temporal also takes the zone out of a timestamp
    return Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zone).timeZoneId.toLowerCase() === zone.toLowerCase();
  } catch {
    return false;
  }
}

/** Days since 1970-01-01 of a local date. @throws RangeError when it is no calendar date */
export function dayOf(date: string): number {
  return Math.round(Temporal.PlainDate.from(date).toZonedDateTime('UTC').epochMilliseconds / DAY);
}

/** The date `days` after `1970-01-01`. */
export const dateOf = (day: number): string =>
  Temporal.Instant.fromEpochMilliseconds(day * DAY)
    .toString()
    .slice(0, 10);

export const addDays = (date: string, days: number): string => dateOf(dayOf(date) + days);

/** 1 = Monday to 7 = Sunday (ISO 8601). 1970-01-01 was a Thursday. */
export const weekdayOf = (day: number): number => ((((day + 3) % 7) + 7) % 7) + 1;

/** Local date at an instant. */
export const localDate = (zone: string, at: number): string => zoned(zone, at).toPlainDate().toString();

/** RFC 3339 with the offset in force, whole seconds: `2027-10-31T02:00:00+01:00`. */
export const localTime = (zone: string, at: number): string => withOffset(at, offsetAt(zone, at));

/** Offset of the zone from UTC at an instant, ms. */
export const offsetAt = (zone: string, at: number): number => zoned(zone, at).offsetNanoseconds / 1e6;

/** RFC 3339 with a known offset (whole minutes, as every present zone has), whole seconds. */
export function withOffset(at: number, offset: number): string {
  const minutes = Math.abs(offset) / MINUTE;
  const two = (n: number): string => String(Math.floor(n)).padStart(2, '0');
  return `${isoOf(at + offset).slice(0, 19)}${offset < 0 ? '-' : '+'}${two(minutes / 60)}:${two(minutes % 60)}`;
}

/** RFC 3339 in UTC with milliseconds, the form in which instants go over the wire. */
export const isoOf = (at: number): string => Temporal.Instant.fromEpochMilliseconds(at).toString({ smallestUnit: 'millisecond' });

/** Epoch ms of an RFC 3339 string with offset. @throws RangeError */
export const instantOf = (text: string): number => Temporal.Instant.from(text).epochMilliseconds;

/**
 * Boundary of an opening window: the earliest instant whose local date-time is at or after `minutes` past midnight of `date`. In a fold that
 * is the first occurrence, in a gap the transition.
 *
 * @param minutes 0 to 1,440 on the wall clock; 1,440 is midnight of the next date
 */
export function boundary(zone: string, date: string, minutes: number): number {
  const wall = wallOf(date, minutes);
  const first = wall.toZonedDateTime(zone, { disambiguation: 'earlier' });
  if (first.toPlainDateTime().equals(wall)) return first.epochMilliseconds;
  return first.getTimeZoneTransition('next')?.epochMilliseconds ?? first.epochMilliseconds;
}

/**
 * The instant that a wall clock reading names.
 *
 * @param local `YYYY-MM-DDTHH:MM`, seconds allowed
 * @throws RangeError when `local` is no date-time or the zone is unknown
 */
export function resolveLocal(zone: string, local: string, disambiguation: Disambiguation = 'reject'): Resolved {
  const wall = Temporal.PlainDateTime.from(local);
  const earlier = wall.toZonedDateTime(zone, { disambiguation: 'earlier' });
  const later = wall.toZonedDateTime(zone, { disambiguation: 'later' });
  if (earlier.epochMilliseconds === later.epochMilliseconds) return { ok: true, at: earlier.epochMilliseconds };
  if (disambiguation !== 'reject') return { ok: true, at: (disambiguation === 'earlier' ? earlier : later).epochMilliseconds };
  const code = earlier.toPlainDateTime().equals(wall) ? 'AMBIGUOUS_LOCAL_TIME' : 'NONEXISTENT_LOCAL_TIME';
  return { ok: false, code, candidates: [earlier.epochMilliseconds, later.epochMilliseconds] };
}

/** Start of a local date and of the next one: 23, 24 or 25 hours apart, or whatever the law says. */
export function dayBounds(zone: string, date: string): readonly [start: number, end: number] {
  return [boundary(zone, date, 0), boundary(zone, date, 1440)];
}

function zoned(zone: string, at: number): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone);
}

function wallOf(date: string, minutes: number): Temporal.PlainDateTime {
  const day = Temporal.PlainDate.from(minutes === 1440 ? addDays(date, 1) : date);
  const rest = minutes % 1440;
  return day.toPlainDateTime({ hour: Math.floor(rest / 60), minute: rest % 60 });
}
