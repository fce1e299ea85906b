import { baseline60, hrvLn7, loads, sleepDebtH, sleepEfficiency } from './derived.ts';
import { components, ENERGY_1 } from './model.ts';
import type { Component, DayFacts, EnergyModel, History, MissingReason } from './model.ts';
import {
  balanceScore,
  durationScore,
  efficiencyScore,
  hrvScore,
  loadBalanceScore,
  moodScore,
  movementScore,
  restorativeScore,
  rhrScore,
  sleepScore,
} from './subscores.ts';

export type Band = 'high' | 'good' | 'fair' | 'low';
export type Confidence = 'high' | 'medium' | 'low';

/** A component that can be scored, with the numbers that made it (they are stored beside the score). */
interface Scored {
  readonly sub: number;
  /** share of its weight that counts for the confidence */
  readonly trust: number;
  readonly inputs: { readonly [name: string]: number };
}

type Part = Scored | MissingReason;

export interface EnergyScore {
  readonly status: 'ok' | 'insufficient_data';
  readonly model: string;
  /** 0 to 100, unrounded; absent when there is not enough to publish a score */
  readonly score?: number;
  readonly band?: Band;
  /** of the available components; they add up to `score` */
  readonly points: { readonly [c in Component]?: number };
  readonly subscores: { readonly [c in Component]?: number };
  readonly weights: { readonly [c in Component]?: number };
  readonly missing: readonly { readonly component: Component; readonly reason: MissingReason }[];
  /** 0 to 1 */
  readonly confidence: number;
  readonly confidenceLevel: Confidence;
  readonly inputs: { readonly [name: string]: number };
}

export const bandOf = (score: number): Band => (score >= 80 ? 'high' : score >= 60 ? 'good' : score >= 40 ? 'fair' : 'low');
export const confidenceOf = (c: number): Confidence => (c >= 0.8 ? 'high' : c >= 0.6 ? 'medium' : 'low');

/**
 * Energy score of a day, from the day and the sixty before it.
 *
 * @param history `history[0]` is the day; see {@link History}
 * @param needH   hours of sleep needed
 * @see machines/user/SPEC.md, model energy-1
 */
export function energyScore(history: History, needH: number, model: EnergyModel = ENERGY_1): EnergyScore {
  const parts: { readonly [c in Component]: Part } = {
    sleep: sleepPart(history, needH),
    hrv: hrvPart(history, model),
    rhr: rhrPart(history, model),
    activity: activityPart(history, model),
    mood: moodPart(history),
  };
  return combine(parts, model);
}

function combine(parts: { readonly [c in Component]: Part }, model: EnergyModel): EnergyScore {
  const missing: { component: Component; reason: MissingReason }[] = [];
  const inputs: { [name: string]: number } = {};
  let weight = 0;
  let confidence = 0;
  for (const c of components) {
    const p = parts[c];
    if (typeof p === 'string') {
      missing.push({ component: c, reason: p });
      continue;
    }
    weight += model.weights[c];
    confidence += model.weights[c] * p.trust;
    Object.assign(inputs, p.inputs);
  }
  const points: { [c in Component]?: number } = {};
  const subscores: { [c in Component]?: number } = {};
  const weights: { [c in Component]?: number } = {};
  let score = 0;
  for (const c of components) {
    const p = parts[c];
    if (typeof p === 'string') continue;
    const w = model.weights[c] / weight;
    weights[c] = w;
    subscores[c] = p.sub;
    points[c] = w * p.sub;
    score += w * p.sub;
  }
  const rest = { model: model.id, missing, confidence, confidenceLevel: confidenceOf(confidence), inputs };
  const body = typeof parts.sleep !== 'string' || typeof parts.hrv !== 'string';
  // the sum of weights such as 0.35 + 0.15 may fall short of 0.5 by one rounding
  if (!body || weight < model.minWeight - 1e-9) return { status: 'insufficient_data', points: {}, subscores, weights: {}, ...rest };
  return { status: 'ok', score, band: bandOf(score), points, subscores, weights, ...rest };
}

function sleepPart(history: History, needH: number): Part {
  const d = history[0];
  if (d?.tstS === undefined) return absent(history, (x) => x.tstS);
  const efficiency = sleepEfficiency(d.tstS, d.tibS);
  const share = d.deepS === undefined || d.remS === undefined || d.tstS === 0 ? undefined : (d.deepS + d.remS) / d.tstS;
  const debtH = sleepDebtH(history.slice(0, 14).map(sleptH), needH);
  const sub = sleepScore({
    duration: durationScore(d.tstS / (3600 * needH)),
    ...(efficiency === undefined ? {} : { efficiency: efficiencyScore(efficiency) }),
    ...(share === undefined ? {} : { restorative: restorativeScore(share) }),
    ...(debtH === undefined ? {} : { balance: balanceScore(debtH) }),
  });
  return {
    sub,
    trust: 1,
    inputs: defined({ tstS: d.tstS, tibS: d.tibS, needH, sleepEfficiencyPct: efficiency, restorativeShare: share, sleepDebtH: debtH }),
  };
}

function hrvPart(history: History, model: EnergyModel): Part {
  const tonight = history[0]?.hrvMs;
  if (tonight === undefined) return absent(history, (x) => x.hrvMs);
  const base = baseline60(history, (x) => (x.hrvMs === undefined ? undefined : Math.log(x.hrvMs)));
  if (base === undefined || base.n < model.baseline.min) return 'calibrating';
  const ln7 = hrvLn7(history);
  if (ln7 === undefined) return 'stale_source';
  const { score, z7, z1, z } = hrvScore(ln7, Math.log(tonight), base.mean, base.sd);
  return {
    sub: score,
    trust: Math.min(1, base.n / model.baseline.full),
    inputs: {
      hrvMs: tonight,
      hrvLn7: ln7,
      hrvBaselineN: base.n,
      hrvBaselineMean: base.mean,
      hrvBaselineSd: base.sd,
      hrvZ7: z7,
      hrvZ1: z1,
      hrvZ: z,
    },
  };
}

function rhrPart(history: History, model: EnergyModel): Part {
  const bpm = history[0]?.rhrBpm;
  if (bpm === undefined) return absent(history, (x) => x.rhrBpm);
  const base = baseline60(history, (x) => x.rhrBpm);
  if (base === undefined || base.n < model.baseline.min) return 'calibrating';
  const { score, z } = rhrScore(bpm, base.mean, base.sd);
  return {
    sub: score,
    trust: Math.min(1, base.n / model.baseline.full),
    inputs: { rhrBpm: bpm, rhrBaselineN: base.n, rhrBaselineMean: base.mean, rhrBaselineSd: base.sd, rhrZ: z },
  };
}

function activityPart(history: History, model: EnergyModel): Part {
  const l = loads(history);
  if (l === undefined) return 'no_data';
  if (l.known < model.loadDays) return 'calibrating';
  return {
    sub: 0.6 * loadBalanceScore(l.ratio) + 0.4 * movementScore(l.week),
    trust: 1,
    inputs: { loadDays: l.known, loadAcute: l.acute, loadChronic: l.chronic, loadRatio: l.ratio, loadWeek: l.week },
  };
}

function moodPart(history: History): Part {
  const mood = history[0]?.mood ?? history[1]?.mood;
  return mood === undefined ? 'not_logged' : { sub: moodScore(mood), trust: 1, inputs: { mood } };
}

/** A value of the day is not there: its source may have fallen silent (known before, but not for two days) or simply has not reported. */
function absent(history: History, pick: (d: DayFacts) => number | undefined): MissingReason {
  const at = history.findIndex((d) => d !== undefined && pick(d) !== undefined);
  return at >= 2 ? 'stale_source' : 'no_data';
}

const sleptH = (d: DayFacts | undefined): number | undefined => (d?.tstS === undefined ? undefined : (d.tstS + (d.napS ?? 0)) / 3600);

function defined(o: { readonly [k: string]: number | undefined }): { [k: string]: number } {
  const out: { [k: string]: number } = {};
  for (const [k, v] of Object.entries(o)) if (v !== undefined) out[k] = v;
  return out;
}
