/**
 * Accounts that are locked after failed logins (biosync B0b.2): five within 15 minutes lock for 15 minutes, each further lock for twice as long, a day at
 * most. Drivers: memory, below, and Redis (server/redis/locks.ts), which counts over all nodes.
 */

export const WINDOW_MS = 15 * 60_000;
export const MOST_FAILURES = 5;
export const LONGEST_LOCK_MS = 24 * 3_600_000;
const MOST_ACCOUNTS = 50_000;

/** By a key that names an account and where somebody tries to enter it from. */
export interface Locks {
  /** ms for which it is locked; 0: it is not */
  lockedMs(key: string): Promise<number>;
  failed(key: string): Promise<void>;
  /** The right password was given. */
  forget(key: string): Promise<void>;
}

interface Account {
  failures: number[];
  lockedUntil: number;
  locks: number;
}

/** Of one node. A restart forgives, which costs an attacker nothing that the hash does not cost him anyway. */
export function memoryLocks(mono: () => number): Locks {
  const accounts = new Map<string, Account>();
  return {
    async lockedMs(key) {
      return Math.max(0, Math.ceil((accounts.get(key)?.lockedUntil ?? 0) - mono()));
    },
    async failed(key) {
      const now = mono();
      const account = accounts.get(key) ?? { failures: [], lockedUntil: 0, locks: 0 };
      account.failures = [...account.failures.filter((at) => now - at < WINDOW_MS), now];
      if (account.failures.length >= MOST_FAILURES) {
        account.lockedUntil = now + Math.min(LONGEST_LOCK_MS, WINDOW_MS * 2 ** account.locks);
        account.locks += 1;
        account.failures = [];
      }
      accounts.delete(key);
      accounts.set(key, account);
      const oldest = accounts.keys().next().value;
      if (accounts.size > MOST_ACCOUNTS && oldest !== undefined) accounts.delete(oldest);
    },
    async forget(key) {
      accounts.delete(key);
    },
  };
}
