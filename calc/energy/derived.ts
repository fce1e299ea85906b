import { momentsOf, variance } from '../stats/welford.ts';
import type { History } from './model.ts';

/** 100 * asleep / in bed, percent with two decimals; undefined when the night was not measured. */
export function sleepEfficiency(tstS: number | undefined, tibS: number | undefined): number | undefined {
  if (tstS === undefined || tibS === undefined || tibS <= 0) return undefined;
  return Math.round((10_000 * tstS) / tibS) / 100;
}

/** Hours of sleep that a person of this age needs. */
export function sleepNeedH(age: number | undefined): number {
  if (age === undefined) return 8;
  if (age < 18) return 9;
  return age < 65 ? 8 : 7.5;
}

/**
 * Sleep debt in hours over 14 nights, newest first: max(0, sum 0.9^i g(need - slept_i)); a surplus counts half, unknown nights are skipped.
 *
 * @param sleptH hours asleep including naps; `sleptH[0]` is the night of the day itself
 * @returns undefined with fewer than 5 known nights
 */
export function sleepDebtH(sleptH: readonly (number | undefined)[], needH: number): number | undefined {
  let known = 0;
  let sum = 0;
  for (let i = 0; i < 14; i += 1) {
    const slept = sleptH[i];
    if (slept === undefined) continue;
    known += 1;
    const lack = needH - slept;
    sum += 0.9 ** i * (lack > 0 ? lack : lack / 2);
  }
  return known < 5 ? undefined : Math.max(0, sum);
}

/** Mean of ln(hrv) over the day and the six before it; undefined with fewer than 3 values. */
export function hrvLn7(history: History): number | undefined {
  const logs = history.slice(0, 7).flatMap((d) => (d?.hrvMs === undefined ? [] : [Math.log(d.hrvMs)]));
  return logs.length < 3 ? undefined : momentsOf(logs).mean;
}

export interface Baseline {
  readonly n: number;
  readonly mean: number;
  /** sample standard deviation; 0 with one value */
  readonly sd: number;
}

/** Mean and spread over the 60 days before the day, of whatever `pick` gives; undefined without any value. */
export function baseline60(history: History, pick: (d: NonNullable<History[number]>) => number | undefined): Baseline | undefined {
  const values: number[] = [];
  for (let i = 1; i <= 60; i += 1) {
    const d = history[i];
    const v = d === undefined ? undefined : pick(d);
    if (v !== undefined) values.push(v);
  }
  if (values.length === 0) return undefined;
  const moments = momentsOf(values);
  return { n: moments.n, mean: moments.mean, sd: Math.sqrt(variance(moments) ?? 0) };
}

export interface Loads {
  /** days with a known load among those before the day */
  readonly known: number;
  readonly acute: number;
  readonly chronic: number;
  /** acute / max(chronic, 5) */
  readonly ratio: number;
  /** sum of the seven days before the day */
  readonly week: number;
}

/**
 * Training loads of the days before the day: exponentially weighted means of 7 and 28 days (k = 2/(n+1)), started from the mean of the first
 * seven known days. A day without load counts 0 when some source had data on it, else the means are carried.
 *
 * @returns undefined without any known load
 */
export function loads(history: History): Loads | undefined {
  const days: { load: number | undefined; rest: boolean }[] = [];
  for (let i = Math.min(60, history.length - 1); i >= 1; i -= 1) {
    const d = history[i];
    days.push({ load: d?.load, rest: d?.covered === true });
  }
  const first = days.findIndex((d) => d.load !== undefined);
  if (first < 0) return undefined;
  const start: number[] = [];
  let from = first;
  while (from < days.length && start.length < 7) {
    const load = days[from]?.load;
    if (load !== undefined) start.push(load);
    from += 1;
  }
  let acute = momentsOf(start).mean;
  let chronic = acute;
  for (const d of days.slice(from)) {
    const load = d.load ?? (d.rest ? 0 : undefined);
    if (load === undefined) continue;
    acute += (2 / 8) * (load - acute);
    chronic += (2 / 29) * (load - chronic);
  }
  const week = days.slice(-7).reduce((sum, d) => sum + (d.load ?? 0), 0);
  const known = days.filter((d) => d.load !== undefined).length;
  return { known, acute, chronic, ratio: acute / Math.max(chronic, 5), week };
}
