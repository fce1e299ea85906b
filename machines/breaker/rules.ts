/** The parameter sets of circuits (readings 4.3). */
import type { Rules } from '../../calc/breaker/window.ts';

const remote: Rules = {
  windowMs: 60_000,
  minCalls: 10,
  failureShare: 0.5,
  slowShare: 0.8,
  failures: null,
  streak: 5,
  slowMs: 2_000,
  openMs: 15_000,
  mostMs: 300_000,
  jitter: 0.2,
  calmMs: 600_000,
  probes: 3,
};

const by = { failureShare: null, slowShare: null, failures: null, streak: null, jitter: 0 } as const;

/**
 * `remote`: engines and other services over HTTP · `provider`: providers of wearable data (biosync B3.7) · `dependency`: what a request needs within
 * milliseconds, as Redis (experience 10) · `mail`: mail servers, which may take their time, and let one mail try whether they are back.
 */
export const ruleSets = {
  remote,
  provider: { ...remote, ...by, failures: 20, openMs: 30_000, mostMs: 30_000, probes: 1 },
  dependency: { ...remote, ...by, windowMs: 10_000, minCalls: 20, failureShare: 0.5, openMs: 5_000, mostMs: 5_000, probes: 1 },
  mail: { ...remote, slowShare: null, probes: 1 },
} as const satisfies { readonly [name: string]: Rules };

export type RuleSet = keyof typeof ruleSets;
export const ruleSetNames = ['remote', 'provider', 'dependency', 'mail'] as const satisfies readonly RuleSet[];
