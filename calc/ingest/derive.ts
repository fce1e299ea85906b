import { roundTo } from '../energy/stats.ts';
import { sleepEfficiency } from '../energy/derived.ts';
import type { DayFacts } from '../energy/model.ts';
import type { SourceType } from './canonical.ts';
import { metrics } from './metrics.ts';
import type { Domain } from './metrics.ts';

/** One value of one local day (table `daily_metrics`). Never the sum of two sources. */
export interface DailyMetric {
  readonly metric: string;
  readonly value: number;
  /** values behind it */
  readonly n: number;
  readonly sourceId: string;
}

interface Sourced {
  readonly sourceId: string;
  readonly sourceType: SourceType;
}

export interface DaySleep extends Sourced {
  readonly startAt: number;
  readonly endAt: number;
  readonly isNap: boolean;
  readonly tibS?: number;
  readonly tstS?: number;
  readonly sptS?: number;
  readonly deepS?: number;
  readonly remS?: number;
  readonly lightS?: number;
  readonly awakeS?: number;
  readonly latencyS?: number;
  readonly hrvRmssdMs?: number;
  readonly respRate?: number;
  readonly skinTempDeltaC?: number;
}

export interface DayValue extends Sourced {
  readonly metric: string;
  readonly value: number;
}

/** Samples of a day summed up by metric and source. */
export interface DaySamples extends Sourced {
  readonly metric: string;
  readonly n: number;
  readonly mean: number;
}

/** What samples tell of the time asleep of one source. */
export interface Asleep {
  readonly sourceId: string;
  readonly hrvMs?: number;
  readonly hrvN?: number;
  /** lowest mean of five minutes */
  readonly lowestBpm?: number;
}

const rest: readonly SourceType[] = ['ring', 'band', 'watch', 'phone', 'other', 'scale'];
const move: readonly SourceType[] = ['watch', 'band', 'phone', 'ring', 'other', 'scale'];
const body: readonly SourceType[] = ['scale', 'other', 'watch', 'band', 'phone', 'ring'];

const orderOf = (domain: Domain): readonly SourceType[] => (domain === 'activity' ? move : domain === 'body' ? body : rest);

/** Sources in the order in which they are believed for a domain: by type, then by id so that the choice is the same everywhere. */
function inOrder<T extends Sourced>(items: readonly T[], domain: Domain): T[] {
  const order = orderOf(domain);
  return items.toSorted(
    (a, b) => order.indexOf(a.sourceType) - order.indexOf(b.sourceType) || (a.sourceId < b.sourceId ? -1 : a.sourceId > b.sourceId ? 1 : 0),
  );
}

const MERGE_MS = 3_600_000;
const MAIN_S = 3 * 3600;

/** A night: the sessions of one source that stand less than an hour apart, as one. */
export type Night = DaySleep & { readonly fragments: number };

/** Main sleep of a day, from the sessions that end on it: the believed source's longest night of three hours or more, else its longest. */
export function mainSleep(sessions: readonly DaySleep[]): Night | undefined {
  const nightly = inOrder(
    sessions.filter((s) => !s.isNap),
    'sleep',
  );
  const source = nightly[0]?.sourceId;
  const nights = merge(nightly.filter((s) => s.sourceId === source).toSorted((a, b) => a.startAt - b.startAt || a.endAt - b.endAt));
  const longest = (list: readonly Night[]): Night | undefined =>
    list.reduce<Night | undefined>((best, n) => (best === undefined || length(n) > length(best) ? n : best), undefined);
  return longest(nights.filter((n) => (n.tstS ?? 0) >= MAIN_S)) ?? longest(nights);
}

const length = (n: DaySleep): number => n.tstS ?? (n.endAt - n.startAt) / 1000;

function merge(sessions: readonly DaySleep[]): Night[] {
  const nights: Night[] = [];
  for (const s of sessions) {
    const last = nights.at(-1);
    if (last !== undefined && s.startAt - last.endAt < MERGE_MS) nights[nights.length - 1] = join(last, s);
    else nights.push({ ...s, fragments: 1 });
  }
  return nights;
}

function join(a: Night, b: DaySleep): Night {
  const sum = (x: number | undefined, y: number | undefined): number | undefined =>
    x === undefined && y === undefined ? undefined : (x ?? 0) + (y ?? 0);
  const pair = (x: number | undefined, y: number | undefined): number | undefined =>
    x === undefined ? y : y === undefined ? x : (x + y) / 2;
  return {
    ...a,
    endAt: Math.max(a.endAt, b.endAt),
    fragments: a.fragments + 1,
    tibS: sum(a.tibS, b.tibS),
    tstS: sum(a.tstS, b.tstS),
    sptS: sum(a.sptS, b.sptS),
    deepS: sum(a.deepS, b.deepS),
    remS: sum(a.remS, b.remS),
    lightS: sum(a.lightS, b.lightS),
    awakeS: sum(a.awakeS, b.awakeS),
    latencyS: a.latencyS,
    hrvRmssdMs: pair(a.hrvRmssdMs, b.hrvRmssdMs),
    respRate: pair(a.respRate, b.respRate),
    skinTempDeltaC: pair(a.skinTempDeltaC, b.skinTempDeltaC),
  };
}

export interface DayInput {
  readonly sessions: readonly DaySleep[];
  readonly values: readonly DayValue[];
  readonly samples: readonly DaySamples[];
  readonly asleep: readonly Asleep[];
}

/** Daily metrics of one local day from everything stored about it. A pure function of the stored rows, so the order of deliveries is nothing to it. */
export function deriveDay(input: DayInput): DailyMetric[] {
  const found = new Map<string, DailyMetric>();
  const put = (metric: string, value: number | undefined, sourceId: string, n = 1): void => {
    if (value !== undefined && !found.has(metric)) found.set(metric, { metric, value: roundTo(value, 6), n, sourceId });
  };
  for (const id of new Set(input.values.map((v) => v.metric))) {
    const best = inOrder(
      input.values.filter((v) => v.metric === id),
      metrics[id]?.domain ?? 'activity',
    )[0];
    if (best !== undefined) put(id, best.value, best.sourceId);
  }
  const night = mainSleep(input.sessions);
  if (night !== undefined) nightMetrics(night, input, put);
  for (const id of new Set(input.samples.map((s) => s.metric))) {
    const domain = metrics[id]?.domain;
    // a total cannot be had from samples, and what is measured at rest must come from the night
    if (domain === undefined || domain === 'activity' || id === 'resting_heart_rate' || domain === 'hrv') continue;
    const best = inOrder(
      input.samples.filter((s) => s.metric === id),
      domain,
    )[0];
    if (best !== undefined) put(id, best.mean, best.sourceId, best.n);
  }
  const load = loadOf(found);
  if (load !== undefined) put('training_load', load.value, load.sourceId);
  return [...found.values()].toSorted((a, b) => (a.metric < b.metric ? -1 : 1));
}

function nightMetrics(
  night: Night,
  input: DayInput,
  put: (metric: string, value: number | undefined, sourceId: string, n?: number) => void,
): void {
  const s = night.sourceId;
  put('sleep_total_s', night.tstS, s);
  put('time_in_bed_s', night.tibS, s);
  put('sleep_span_s', night.sptS, s);
  put('deep_s', night.deepS, s);
  put('rem_s', night.remS, s);
  put('light_s', night.lightS, s);
  put('awake_s', night.awakeS, s);
  put('latency_s', night.latencyS, s);
  put('sleep_efficiency', sleepEfficiency(night.tstS, night.tibS), s);
  put('sleep_maintenance_efficiency', sleepEfficiency(night.tstS, night.sptS), s);
  put('respiratory_rate', night.respRate, s);
  put('skin_temp_delta', night.skinTempDeltaC, s);
  const asleep = input.asleep.find((a) => a.sourceId === s) ?? input.asleep[0];
  put('hrv_rmssd', night.hrvRmssdMs, s);
  if (asleep !== undefined) {
    put('hrv_rmssd', asleep.hrvMs, asleep.sourceId, asleep.hrvN);
    put('resting_heart_rate', asleep.lowestBpm, asleep.sourceId);
  }
  const naps = input.sessions.filter((n) => n.isNap && n.sourceId === s && n.tstS !== undefined);
  if (naps.length > 0) {
    put(
      'nap_s',
      naps.reduce((sum, n) => sum + (n.tstS ?? 0), 0),
      s,
      naps.length,
    );
  }
}

/** moderate + 2 vigorous minutes, unless the provider gives a load of its own; the minutes come first. */
function loadOf(found: Map<string, DailyMetric>): DailyMetric | undefined {
  const moderate = found.get('moderate_min');
  const vigorous = found.get('vigorous_min');
  const source = moderate ?? vigorous;
  if (source === undefined) return undefined;
  found.delete('training_load');
  return { ...source, metric: 'training_load', value: (moderate?.value ?? 0) + 2 * (vigorous?.value ?? 0) };
}

/** What scoring knows of a day, from its daily metrics. */
export function factsOf(values: ReadonlyMap<string, number>): DayFacts {
  const of = (metric: string, key: keyof DayFacts): object => {
    const value = values.get(metric);
    return value === undefined ? {} : { [key]: value };
  };
  return {
    ...of('sleep_total_s', 'tstS'),
    ...of('time_in_bed_s', 'tibS'),
    ...of('sleep_span_s', 'sptS'),
    ...of('deep_s', 'deepS'),
    ...of('rem_s', 'remS'),
    ...of('nap_s', 'napS'),
    ...of('hrv_rmssd', 'hrvMs'),
    ...of('resting_heart_rate', 'rhrBpm'),
    ...of('training_load', 'load'),
    ...(values.size > 0 ? { covered: true } : {}),
  };
}
