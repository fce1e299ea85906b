/** Numbers of the device machine, ms (B3.2). */
export const AUTH_MS = 600_000;
export const RUN_MS = 300_000;
export const MANUAL_MS = 60_000;
export const QUIET_MS = 48 * 3_600_000;
export const PROBE_MS = 21_600_000;
export const RATE_WAIT_MS = 900_000;
export const RATE_CAP_MS = 86_400_000;
export const RECONCILE_MS = 21_600_000;
/** the failure that stalls a device */
export const STALL_AT = 8;
/** a sync run looks back over this many days, because providers correct */
export const LOOKBACK = 2;
export const CHUNK_DAYS = 30;
export const BACKFILL_DAYS = 90;
export const CHUNK_TRIES = 3;

/**
 * Wait after the n-th failure in a row: 30 s doubled each time, at most an hour, spread by a fifth.
 *
 * @param u uniform in [0, 1)
 */
export const retryDelayMs = (n: number, u: number): number => Math.min(3_600, 30 * 2 ** (n - 1)) * 1_000 * (0.8 + 0.4 * u);

/** Wait until the next reconciling fetch, spread by a tenth. */
export const intervalMs = (u: number): number => RECONCILE_MS * (0.9 + 0.2 * u);

/** Wait that a provider asked for, or the usual one. */
export const rateWaitMs = (retryAfterS: number | undefined): number =>
  retryAfterS === undefined ? RATE_WAIT_MS : Math.min(RATE_CAP_MS, Math.max(1_000, retryAfterS * 1_000));
