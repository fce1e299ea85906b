/**
 * Where a version of a record stands among all versions of it. Stored rows are the maximum of all versions ever seen, so neither order nor
 * repetition of deliveries changes the result (a join-semilattice).
 */
export interface Rank {
  readonly isFinal: boolean;
  /** when the provider made this version, epoch ms; else when it was received last */
  readonly version: number;
  /** settles two versions of one time, arbitrarily but everywhere alike; compared byte by byte */
  readonly hash: string;
}

/** Negative when `a` is the lower one, 0 when they are the same version. */
export function compareRank(a: Rank, b: Rank): number {
  if (a.isFinal !== b.isFinal) return a.isFinal ? 1 : -1;
  if (a.version !== b.version) return a.version < b.version ? -1 : 1;
  if (a.hash === b.hash) return 0;
  return a.hash < b.hash ? -1 : 1;
}

export type Outcome = 'inserted' | 'updated' | 'duplicate' | 'stale';

/** What a version does to the stored one. */
export function outcomeOf(next: Rank, stored: Rank | undefined): Outcome {
  if (stored === undefined) return 'inserted';
  const order = compareRank(next, stored);
  return order > 0 ? 'updated' : order === 0 ? 'duplicate' : 'stale';
}
