/** Argon2id (biosync B1.1), a bounded number at once. */
import { hash, verify } from '@node-rs/argon2';
import { Problem } from '../problems.ts';

export interface PasswordOptions {
  readonly concurrency: number;
  readonly memoryKib: number;
  readonly time: number;
}

export interface Passwords {
  /** PHC string. @throws Problem OVERLOADED */
  hash(password: string): Promise<string>;
  /** An unknown account (`stored` undefined) takes as long as a wrong password. @throws Problem OVERLOADED */
  verify(password: string, stored: string | undefined): Promise<boolean>;
  /** whether the stored hash was made with other parameters than today's */
  isOld(stored: string): boolean;
}

const MOST_WAITING = 64;

export function createPasswords(o: PasswordOptions): Passwords {
  const options = { memoryCost: o.memoryKib, timeCost: o.time, parallelism: 1, outputLen: 32 };
  const turn = semaphore(o.concurrency);
  const current = `$argon2id$v=19$m=${o.memoryKib},t=${o.time},p=1$`;
  let dummy: Promise<string> | undefined;
  return {
    hash: (password) => turn(() => hash(password.normalize('NFKC'), options)),
    verify: (password, stored) =>
      turn(async () => {
        dummy ??= hash('the password of nobody', options);
        const matches = await verify(stored ?? (await dummy), password.normalize('NFKC'));
        return matches && stored !== undefined;
      }),
    isOld: (stored) => !stored.startsWith(current),
  };
}

function semaphore(places: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = places;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free === 0) {
      if (waiting.length >= MOST_WAITING) throw new Problem('OVERLOADED', 'too many logins at once', undefined, { retryAfterMs: 2_000 });
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else free -= 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}
