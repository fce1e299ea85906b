/** Bookings of the demo's clients, made as clients make them: over HTTP, with a key. */
import { DAY, localDate, MINUTE } from '../../calc/time/civil.ts';
import { boundary, addDays } from '../../calc/time/civil.ts';
import { minutesOf } from '../../calc/booking/opening.ts';
import { weekdayOf, dayOf } from '../../calc/time/civil.ts';
import type { DemoResource } from './studio.ts';

export interface Wish {
  readonly resourceId: string;
  readonly start: number;
  readonly durationMin: number;
}

/** Starts on the resource's own grid inside its opening hours on one local day, epoch ms. */
export function startsOn(r: DemoResource, date: string, durationMin: number): number[] {
  const rule = r.opening.find(({ days }) => days.includes(weekdayOf(dayOf(date))));
  if (rule === undefined) return [];
  const starts: number[] = [];
  for (let m = minutesOf(rule.from); m + durationMin <= minutesOf(rule.to); m += r.slotStepMin) starts.push(boundary(r.timeZone, date, m));
  return starts;
}

/** A wish for a time between `from` and `days` local days later that suits the resource; undefined when it is closed on the day drawn. */
export function randomWish(r: DemoResource, from: number, days: number, random: () => number): Wish | undefined {
  const durationMin = r.lengthsMin[Math.floor(random() * r.lengthsMin.length)] ?? 60;
  const date = addDays(localDate(r.timeZone, from), Math.floor(random() * days));
  const starts = startsOn(r, date, durationMin).filter((start) => start > from + 10 * MINUTE && start < from + days * DAY);
  const start = starts[Math.floor(random() * starts.length)];
  return start === undefined ? undefined : { resourceId: r.id, start, durationMin };
}
