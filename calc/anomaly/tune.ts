import { betaQuantile } from '../stats/beta.ts';
import { clamp } from '../stats/finite.ts';

export type TuneLabel = 'fp' | 'tp' | 'missed';

/** What a label did, and to which alert; `missed` reports have no alert. */
export interface LabelEntry {
  readonly label: TuneLabel;
  readonly alert?: string;
}

/** Feedback factor before the entries that are still in the log. */
export interface TuneBase {
  readonly lnF: number;
  /** labels that were folded into the base */
  readonly k: number;
  readonly fp: number;
  readonly tp: number;
  readonly missed: number;
  /** consecutive false positives at the end */
  readonly fpRun: number;
}

export interface Tune extends TuneBase {
  readonly base: TuneBase;
}

/** The last labels by number; a context map, so that one label patches one entry. */
export type LabelLog = Readonly<Record<string, LabelEntry>>;

export const LABELS_KEPT = 64;

/** Wanted share of false positives. */
export const TARGET_FALSE_SHARE = 0.1;

const zero: TuneBase = { lnF: 0, k: 0, fp: 0, tp: 0, missed: 0, fpRun: 0 };
export const noTune: Tune = { ...zero, base: zero };

const LN_MIN = Math.log(0.6);
const LN_MAX = Math.log(2);

function stepped(s: TuneBase, label: TuneLabel): TuneBase {
  const k = s.k + 1;
  const gain = (label === 'missed' ? 0.5 : 0.1) / Math.sqrt(k);
  return {
    lnF: clamp(s.lnF + gain * ((label === 'fp' ? 1 : 0) - TARGET_FALSE_SHARE), LN_MIN, LN_MAX),
    k,
    fp: s.fp + (label === 'fp' ? 1 : 0),
    tp: s.tp + (label === 'tp' ? 1 : 0),
    missed: s.missed + (label === 'missed' ? 1 : 0),
    fpRun: label === 'fp' ? s.fpRun + 1 : label === 'tp' ? 0 : s.fpRun,
  };
}

const numbers = (log: LabelLog): number[] =>
  Object.keys(log)
    .map(Number)
    .toSorted((a, b) => a - b);

function replay(base: TuneBase, log: LabelLog): Tune {
  let s = base;
  for (const n of numbers(log)) {
    const entry = log[String(n)];
    if (entry !== undefined) s = stepped(s, entry.label);
  }
  return { ...s, base };
}

/**
 * Takes a label in. A label for an alert that already has one replaces it: the effect of the first is undone exactly, as if it had never been
 * given. The oldest entry beyond {@link LABELS_KEPT} is folded into the base and can no longer be replaced.
 */
export function relabel(tune: Tune, log: LabelLog, entry: LabelEntry): { readonly tune: Tune; readonly log: LabelLog } {
  const place = entry.alert === undefined ? undefined : numbers(log).find((n) => log[String(n)]?.alert === entry.alert);
  if (place !== undefined) {
    const replaced = { ...log, [String(place)]: entry };
    return { tune: replay(tune.base, replaced), log: replaced };
  }
  const next: Record<string, LabelEntry> = { ...log, [String(tune.k + 1)]: entry };
  let { base } = tune;
  const kept = numbers(next);
  while (kept.length > LABELS_KEPT) {
    const oldest = String(kept.shift());
    const folded = next[oldest];
    if (folded !== undefined) base = stepped(base, folded.label);
    delete next[oldest];
  }
  return { tune: replay(base, next), log: next };
}

/** Wider bands for noisy series: 1 at CV <= 0.3, at most 1.35. */
export const cvFactor = (cv: number | null): number => (cv === null ? 1 : clamp(1 + 0.5 * (cv - 0.3), 1, 1.35));

/** Effective threshold of |z|: base times the factors of volatility and feedback, held in [2, 6]. */
export const effectiveThreshold = (base: number, cv: number | null, lnF: number): number =>
  clamp(base * cvFactor(cv) * Math.exp(lnF), 2, 6);

export interface FalseShare {
  readonly share: number | null;
  /** 95 % interval of Beta(1 + fp, 1 + tp) */
  readonly lower: number;
  readonly upper: number;
  readonly suggestion?: 'raise z0' | 'z0 may be lowered';
}

/** Share of false positives among the labelled alerts, with its interval and what follows from it. */
export function falseShare(fp: number, tp: number): FalseShare {
  const lower = betaQuantile(0.025, 1 + fp, 1 + tp);
  const upper = betaQuantile(0.975, 1 + fp, 1 + tp);
  const known = { share: fp + tp > 0 ? fp / (fp + tp) : null, lower, upper };
  if (lower > 2 * TARGET_FALSE_SHARE) return { ...known, suggestion: 'raise z0' };
  return fp === 0 && tp >= 20 ? { ...known, suggestion: 'z0 may be lowered' } : known;
}
