/** Quiet hours and daily times on a person's own clock (realtime R14). Instants are epoch ms, times of day minutes after midnight. */
import { addDays, boundary, localDate } from './civil.ts';

export interface Quiet {
  /** 0 to 1,439 */
  readonly from: number;
  /** 0 to 1,439; before `from` it is a time of the next day; equal to it means never */
  readonly to: number;
}

/** Minutes after midnight of `HH:MM`. */
export const minutesOf = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));

/**
 * When the quiet hours end that `at` lies in; undefined outside of them. A time that the clock jumps over is the jump, one that it shows twice
 * the first showing.
 */
export function quietEnd(zone: string, { from, to }: Quiet, at: number): number | undefined {
  if (from === to) return undefined;
  const today = localDate(zone, at);
  for (const date of [addDays(today, -1), today]) {
    const end = boundary(zone, to < from ? addDays(date, 1) : date, to);
    if (boundary(zone, date, from) <= at && at < end) return end;
  }
  return undefined;
}

/** The next time, after `at`, that the person's clock reaches `minutes`. */
export function nextDaily(zone: string, minutes: number, at: number): number {
  const today = localDate(zone, at);
  const first = boundary(zone, today, minutes);
  return first > at ? first : boundary(zone, addDays(today, 1), minutes);
}
