import { addDays } from '../../calc/time/civil.ts';
import type { DayPoint, ScoreResult } from './schema.ts';

/** Metrics that monitors watch, by the field of the day that holds them. */
const WATCHED = [
  ['hrv_rmssd', 'hrvMs'],
  ['resting_heart_rate', 'restingBpm'],
] as const;

/** Values of so many days before the newest are corrections; those of older days are history. */
const RECENT_DAYS = 2;

export type MonitorTell =
  | { readonly metric: string; readonly type: 'anomaly.observe'; readonly payload: { readonly t: number; readonly v: number } }
  | {
      readonly metric: string;
      readonly type: 'anomaly.backfill';
      readonly payload: { readonly points: readonly { readonly t: number; readonly v: number }[] };
    };

/**
 * What the monitors are to be told after a computation: each value that is new or differs, once, in order of days. History that arrives after
 * newer days have been told (a device delivers today first, its past later) goes as one series from which the baseline is learned anew.
 *
 * @param known what has been told so far, by local day
 * @param at    start of the bucket of a day, epoch ms
 */
export function monitorTells(
  known: { readonly [day: string]: DayPoint },
  results: readonly Pick<ScoreResult, 'score' | 'point'>[],
  at: (day: string) => number,
): MonitorTell[] {
  return WATCHED.flatMap(([metric, field]) => {
    const values = new Map(
      Object.entries(known).flatMap(([day, point]) => (point[field] === undefined ? [] : [[day, point[field]] as const])),
    );
    const newest = [...values.keys()].toSorted().at(-1);
    const recent = newest === undefined ? '' : addDays(newest, -RECENT_DAYS);
    const changed = results
      .flatMap(({ score: { day }, point }) =>
        point[field] === undefined || point[field] === values.get(day) ? [] : [[day, point[field]] as const],
      )
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
    const tells: MonitorTell[] = [];
    if (changed.some(([day]) => day < recent)) {
      for (const [day, v] of changed) values.set(day, v);
      const history = [...values].filter(([day]) => day < recent).toSorted(([a], [b]) => (a < b ? -1 : 1));
      tells.push({ metric, type: 'anomaly.backfill', payload: { points: history.map(([day, v]) => ({ t: at(day), v })) } });
    }
    for (const [day, v] of changed) if (day >= recent) tells.push({ metric, type: 'anomaly.observe', payload: { t: at(day), v } });
    return tells;
  });
}
