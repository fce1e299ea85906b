import { clamp01 } from './stats.ts';

/** Duration: q = asleep / needed. 0 at 0.4 and less, 100 from 1 to 1.25, then falling to 60. */
export function durationScore(q: number): number {
  if (q <= 1) return 100 * clamp01((q - 0.4) / 0.6);
  return q <= 1.25 ? 100 : Math.max(60, 100 - 100 * (q - 1.25));
}

/** Efficiency in percent: 0 at 65, 100 at 90. */
export const efficiencyScore = (pct: number): number => 100 * clamp01((pct - 65) / 25);

/** Share of deep and REM in the time asleep (0 to 1): 0 at 0.20, 100 at 0.45. */
export const restorativeScore = (share: number): number => 100 * clamp01((share - 0.2) / 0.25);

/** Sleep debt in hours: 100 without, 0 at 12. */
export const balanceScore = (debtH: number): number => 100 * clamp01(1 - debtH / 12);

export interface SleepParts {
  readonly duration: number;
  readonly efficiency?: number;
  readonly restorative?: number;
  readonly balance?: number;
}

/** 0.50 duration + 0.20 efficiency + 0.15 restorative + 0.15 balance; a missing part hands its weight to the others in proportion. */
export function sleepScore(p: SleepParts): number {
  let sum = 0.5 * p.duration;
  let weight = 0.5;
  const add = (w: number, s: number | undefined): void => {
    if (s === undefined) return;
    sum += w * s;
    weight += w;
  };
  add(0.2, p.efficiency);
  add(0.15, p.restorative);
  add(0.15, p.balance);
  return sum / weight;
}

const around75 = (z: number): number => 100 * clamp01((75 + 25 * z) / 100);

/**
 * Heart rate variability against the own baseline, all in ln(ms): 75 at the mean, 25 a standard deviation; the week counts 0.6, tonight 0.4.
 * The deviation is at least 0.05.
 */
export function hrvScore(ln7: number, lnTonight: number, mean: number, sd: number): { score: number; z7: number; z1: number; z: number } {
  const s = Math.max(sd, 0.05);
  const z7 = (ln7 - mean) / s;
  const z1 = (lnTonight - mean) / s;
  const z = 0.6 * z7 + 0.4 * z1;
  return { score: around75(z), z7, z1, z };
}

/** Resting heart rate against the own baseline in beats per minute; lower is better. The deviation is at least 1. */
export function rhrScore(bpm: number, mean: number, sd: number): { score: number; z: number } {
  const z = (mean - bpm) / Math.max(sd, 1);
  return { score: around75(z), z };
}

/** Load ratio: 100 from 0.8 to 1.3, falling to 0 at 2.3, and to 60 at 0. Tells balance of load, not risk of injury. */
export function loadBalanceScore(ratio: number): number {
  if (ratio > 1.3) return 100 * clamp01(2.3 - ratio);
  return ratio >= 0.8 ? 100 : 60 + (40 * ratio) / 0.8;
}

/** Load of seven days: 100 from 150 on. */
export const movementScore = (week: number): number => 100 * clamp01(week / 150);

/** Mood 1 to 10. */
export const moodScore = (mood: number): number => (100 * (mood - 1)) / 9;
