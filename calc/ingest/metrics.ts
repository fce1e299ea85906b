export type Domain = 'hr' | 'hrv' | 'resp' | 'sleep' | 'activity' | 'temp' | 'readiness' | 'stress' | 'body' | 'glucose' | 'nutrition';

export interface Metric {
  readonly domain: Domain;
  readonly unit: string;
  /** accepted range, both ends included */
  readonly min: number;
  readonly max: number;
  /** 0 means "not measured" and is dropped */
  readonly zeroIsAbsent?: true;
}

const m = (domain: Domain, unit: string, min: number, max: number): Metric => ({ domain, unit, min, max });
const measured = (domain: Domain, unit: string, min: number, max: number): Metric => ({ domain, unit, min, max, zeroIsAbsent: true });

/** Metrics that are stored, with canonical unit and accepted range (B4.4). The parts of a night are fields of its session. */
export const metrics: { readonly [id: string]: Metric } = {
  heart_rate: m('hr', 'bpm', 20, 250),
  resting_heart_rate: measured('hr', 'bpm', 25, 120),
  hrv_rmssd: measured('hrv', 'ms', 3, 400),
  hrv_sdnn: measured('hrv', 'ms', 3, 400),
  respiratory_rate: m('resp', 'breaths/min', 4, 60),
  spo2: measured('resp', '%', 50, 100),
  steps: m('activity', 'count', 0, 200_000),
  floors: m('activity', 'count', 0, 2_000),
  distance: m('activity', 'm', 0, 500_000),
  active_energy: m('activity', 'kcal', 0, 20_000),
  basal_energy: m('activity', 'kcal', 0, 20_000),
  moderate_min: m('activity', 'min', 0, 1_440),
  vigorous_min: m('activity', 'min', 0, 1_440),
  sedentary_min: m('activity', 'min', 0, 1_440),
  training_load: m('activity', 'AU', 0, 2_000),
  skin_temp: m('temp', '°C', 20, 45),
  body_temp: m('temp', '°C', 30, 45),
  skin_temp_delta: m('temp', '°C diff', -10, 10),
  provider_readiness: m('readiness', 'score', 0, 100),
  provider_sleep_score: m('readiness', 'score', 0, 100),
  stress_level: m('stress', 'score', 0, 100),
  weight: m('body', 'kg', 20, 400),
  body_fat: m('body', '%', 1, 75),
  glucose: m('glucose', 'mg/dL', 20, 600),
  alcohol: m('nutrition', 'g', 0, 500),
};

export const isMetric = (id: string): boolean => Object.hasOwn(metrics, id);
