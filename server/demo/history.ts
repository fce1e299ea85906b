import { seeded } from '../../calc/prng.ts';
import { clamp } from '../../calc/stats/finite.ts';

const DAY = 86_400_000;

export interface HistoryPoint {
  /** start of the local day, epoch ms */
  readonly t: number;
  /** share of the open minutes that was booked */
  readonly v: number;
}

/** A number in about ±1, more often near 0, as the sum of three uniform ones. */
const wobble = (next: () => number): number => (next() + next() + next()) / 1.5 - 1;

/**
 * Utilization of the days before the studio came to Thrum, as its old calendar would export it: ordinary days around `usual`, quieter weekends.
 * The same seed gives the same days.
 *
 * @param seed  32 hexadecimal digits
 * @param days  starts of local days, ascending
 */
export function pastUtilization(seed: string, usual: number, days: readonly number[]): HistoryPoint[] {
  return days.map((t) => {
    const next = seeded(seed, Math.round(t / DAY));
    const weekend = [0, 6].includes(new Date(t + DAY / 2).getUTCDay());
    const v = clamp(usual * (weekend ? 0.9 : 1) + 0.09 * wobble(next), 0, 1);
    return { t, v: Math.round(v * 1_000) / 1_000 };
  });
}
