import type { ViewOf } from '@thrum/client';

export interface DayScore {
  readonly day: string;
  readonly score: number;
}

/** Days that have a score, oldest first, at most `keep`. */
export function scoresOf(days: ViewOf<'user:x/energy'>['days'] | undefined, keep = 30): DayScore[] {
  return Object.entries(days ?? {})
    .flatMap(([day, { score }]) => (score === undefined ? [] : [{ day, score }]))
    .sort((a, b) => (a.day < b.day ? -1 : 1))
    .slice(-keep);
}
