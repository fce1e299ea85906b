export const TIERS = ['none', 'low', 'medium', 'high', 'critical'] as const;
export type SeverityTier = (typeof TIERS)[number];

export type SeverityAction = 'none' | 'observe' | 'review_24h' | 'investigate_4h' | 'page_now';

/** Least |z| and |residualDelta| of low, medium, high and critical; bounds are inclusive. */
export interface SeverityThresholds {
  readonly z: readonly [number, number, number, number];
  readonly residualDelta: readonly [number, number, number, number];
}

export const SEVERITY_DEFAULTS: SeverityThresholds = { z: [2, 2.5, 3, 4], residualDelta: [0.1, 0.15, 0.25, 0.4] };

const ACTIONS: Readonly<Record<SeverityTier, { readonly action: SeverityAction; readonly text: string }>> = {
  none: { action: 'none', text: 'nothing to do' },
  low: { action: 'observe', text: 'watch the next buckets; no page' },
  medium: { action: 'review_24h', text: 'review in the next working day; check calendar exceptions' },
  high: { action: 'investigate_4h', text: 'investigate within 4 h; check integrations, payments, opening hours' },
  critical: { action: 'page_now', text: 'page the on-call; consider pausing bookings of the resource' },
};

export interface SeverityInput {
  readonly z: number | null;
  /** deviation in units of the metric's scale; null: not given */
  readonly residualDelta: number | null;
  /** persistence score; 1 raises by one tier */
  readonly persistence?: number;
  /** size of the baseline; below 10 lowers by one tier */
  readonly n?: number;
  /** an unfinished bucket is never an anomaly */
  readonly partial?: boolean;
}

export interface SeverityReason {
  readonly rule: 'z' | 'residualDelta' | 'persistence' | 'n' | 'partial';
  readonly value: number;
  readonly threshold: number;
  readonly tier: SeverityTier;
}

export interface Severity {
  readonly tier: SeverityTier;
  /** 0 (none) to 4 (critical) */
  readonly level: number;
  readonly recommendedAction: SeverityAction;
  readonly text: string;
  readonly reasons: readonly SeverityReason[];
}

const SHORT_BASELINE = 10;

/** True when both rows of thresholds strictly increase. */
export const ordered = (t: SeverityThresholds): boolean =>
  [t.z, t.residualDelta].every((row) => row.every((x, i) => Number.isFinite(x) && (i === 0 || x > (row[i - 1] ?? Infinity))));

function levelOf(value: number | null, bounds: readonly number[]): number {
  if (value === null) return 0;
  return bounds.filter((bound) => Math.abs(value) >= bound).length;
}

const tierAt = (level: number): SeverityTier => TIERS[level] ?? 'none';

/**
 * Tier of a deviation: the larger of the tiers of |z| and |residualDelta|; a persistent one is raised by one, one over a short baseline lowered by
 * one (not below low, and not when the deviation alone gives the tier).
 */
export function classify(input: SeverityInput, thresholds: SeverityThresholds = SEVERITY_DEFAULTS): Severity {
  const { z, residualDelta, persistence = 0, n, partial = false } = input;
  const reasons: SeverityReason[] = [];
  const byZ = levelOf(z, thresholds.z);
  const byDelta = levelOf(residualDelta, thresholds.residualDelta);
  if (z !== null && byZ > 0) reasons.push({ rule: 'z', value: z, threshold: thresholds.z[byZ - 1] ?? 0, tier: tierAt(byZ) });
  if (residualDelta !== null && byDelta > 0) {
    const threshold = thresholds.residualDelta[byDelta - 1] ?? 0;
    reasons.push({ rule: 'residualDelta', value: residualDelta, threshold, tier: tierAt(byDelta) });
  }
  let level = Math.max(byZ, byDelta);
  if (persistence >= 1) {
    level = Math.min(4, level + 1);
    reasons.push({ rule: 'persistence', value: persistence, threshold: 1, tier: tierAt(level) });
  }
  if (n !== undefined && n < SHORT_BASELINE && level > 1 && byDelta < level) {
    level -= 1;
    reasons.push({ rule: 'n', value: n, threshold: SHORT_BASELINE, tier: tierAt(level) });
  }
  if (partial) {
    level = 0;
    reasons.push({ rule: 'partial', value: 1, threshold: 1, tier: 'none' });
  }
  const tier = tierAt(level);
  return { tier, level, recommendedAction: ACTIONS[tier].action, text: ACTIONS[tier].text, reasons };
}
