/** Failed logins (biosync B0b.2). In memory: a restart forgives, which costs an attacker nothing that the hash does not cost him anyway. */
import { createHash } from 'node:crypto';
import type { Clock } from '../../actors/types.ts';
import type { NewLimiter } from '../limits/limiter.ts';
import { Problem } from '../problems.ts';

export interface Attempts {
  /** @throws Problem ACCOUNT_LOCKED, RATE_LIMITED */
  admit(email: string, address: string): void;
  failed(email: string, address: string): void;
  succeeded(email: string, address: string): void;
}

interface Account {
  failures: number[];
  lockedUntil: number;
  locks: number;
}

const WINDOW_MS = 15 * 60_000;
const MOST_FAILURES = 5;
const LONGEST_LOCK_MS = 24 * 3_600_000;
const MOST_ACCOUNTS = 50_000;

export function createAttempts(o: { clock: Clock; perAddress: number; newLimiter: NewLimiter }): Attempts {
  const accounts = new Map<string, Account>();
  const addresses = o.newLimiter('logins', { perSecond: o.perAddress / 900, burst: o.perAddress });
  const keyOf = (email: string, address: string): string => createHash('sha256').update(`${email}\n${address}`).digest('base64url');

  return {
    admit(email, address) {
      const now = o.clock.mono();
      const account = accounts.get(keyOf(email, address));
      if (account !== undefined && account.lockedUntil > now) {
        throw new Problem('ACCOUNT_LOCKED', undefined, undefined, { retryAfterMs: Math.ceil(account.lockedUntil - now) });
      }
      // taken now, so that attempts made at the same time count, and given back when the login is right
      const verdict = addresses.take(address);
      if (!verdict.ok) throw new Problem('RATE_LIMITED', 'too many failed logins from this address', undefined, verdict);
    },
    failed(email, address) {
      const now = o.clock.mono();
      const key = keyOf(email, address);
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
    succeeded(email, address) {
      accounts.delete(keyOf(email, address));
      addresses.giveBack(address);
    },
  };
}
