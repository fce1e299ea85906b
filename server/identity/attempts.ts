/** Failed logins (biosync B0b.2): of an account, and of an address. */
import { createHash } from 'node:crypto';
import type { NewLimiter } from '../limits/limiter.ts';
import { Problem } from '../problems.ts';
import type { Locks } from './locks.ts';

export interface Attempts {
  /** @throws Problem ACCOUNT_LOCKED, RATE_LIMITED */
  admit(email: string, address: string): Promise<void>;
  failed(email: string, address: string): Promise<void>;
  succeeded(email: string, address: string): Promise<void>;
}

export function createAttempts(o: { locks: Locks; perAddress: number; newLimiter: NewLimiter }): Attempts {
  const addresses = o.newLimiter('logins', { perSecond: o.perAddress / 900, burst: o.perAddress });
  const keyOf = (email: string, address: string): string => createHash('sha256').update(`${email}\n${address}`).digest('base64url');

  return {
    async admit(email, address) {
      const retryAfterMs = await o.locks.lockedMs(keyOf(email, address));
      if (retryAfterMs > 0) throw new Problem('ACCOUNT_LOCKED', undefined, undefined, { retryAfterMs });
      // taken now, so that attempts made at the same time count, and given back when the login is right
      const verdict = addresses.take(address);
      if (!verdict.ok) throw new Problem('RATE_LIMITED', 'too many failed logins from this address', undefined, verdict);
    },
    failed: (email, address) => o.locks.failed(keyOf(email, address)),
    async succeeded(email, address) {
      addresses.giveBack(address);
      await o.locks.forget(keyOf(email, address));
    },
  };
}
