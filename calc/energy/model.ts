/** The five parts of the score, in the order in which they are shown. */
export const components = ['sleep', 'hrv', 'rhr', 'activity', 'mood'] as const;
export type Component = (typeof components)[number];

/** Why a component is not part of a score. `calibrating`: its baseline has fewer values than the model needs. */
export type MissingReason = 'no_data' | 'calibrating' | 'stale_source' | 'not_logged';

/** A version of the score: weights sum to 1, `minWeight` is the least weight of available components for a score to be published. */
export interface EnergyModel {
  readonly id: string;
  readonly weights: { readonly [c in Component]: number };
  readonly minWeight: number;
  /** values that a baseline needs, and with how many it is fully trusted */
  readonly baseline: { readonly min: number; readonly full: number };
  /** known days that the load balance needs */
  readonly loadDays: number;
}

export const ENERGY_1: EnergyModel = {
  id: 'energy-1',
  weights: { sleep: 0.35, hrv: 0.25, rhr: 0.15, activity: 0.15, mood: 0.1 },
  minWeight: 0.5,
  baseline: { min: 14, full: 28 },
  loadDays: 14,
};

/** One local day as scoring knows it; every field may be unknown. Durations in seconds, `load` in arbitrary units, `mood` 1 to 10. */
export interface DayFacts {
  readonly tstS?: number;
  readonly tibS?: number;
  /** onset to final awakening */
  readonly sptS?: number;
  readonly deepS?: number;
  readonly remS?: number;
  /** naps of the day; they count for the debt only */
  readonly napS?: number;
  readonly hrvMs?: number;
  readonly rhrBpm?: number;
  readonly load?: number;
  /** some source had data on that day, so that an absent load means rest */
  readonly covered?: boolean;
  readonly mood?: number;
}

/** The days that a score may look at: `days[0]` is the day itself, `days[i]` the i-th day before it, up to 60. */
export type History = readonly (DayFacts | undefined)[];

/** Length of the longest baseline, so how far back a score reaches and how far forward a late value reaches. */
export const LOOKBACK_DAYS = 60;
