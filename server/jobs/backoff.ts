import type { AnyJobKind, Backoff } from './jobs.ts';

const STANDARD: Backoff = { base: 2_000, cap: 3_600_000, jitter: 0.2 };

/** How many attempts a job has unless its row says otherwise. */
export const attemptsOf = (kind: AnyJobKind): number => {
  if (kind.attempts !== undefined) return kind.attempts;
  return kind.backoff !== undefined && 'delays' in kind.backoff ? kind.backoff.delays.length + 1 : 8;
};

/**
 * Wait before the next attempt, whole ms.
 *
 * @param failed attempts so far, from 1
 * @param u      uniform in [0, 1)
 */
export function backoffMs(backoff: Backoff = STANDARD, failed: number, u: number): number {
  const nominal =
    'delays' in backoff
      ? (backoff.delays[Math.min(failed, backoff.delays.length) - 1] ?? 0)
      : Math.min(backoff.cap, backoff.base * 2 ** (failed - 1));
  return Math.round(nominal * (1 + (2 * u - 1) * (backoff.jitter ?? 0.2)));
}
