import type { Clock } from './types.ts';

/** The answer, if it comes in time. @throws what `question` rejects with, or an error after `ms` */
export function within<T>(clock: Clock, ms: number, question: Promise<T>): Promise<T> {
  let timer: unknown;
  const late = new Promise<never>((_, reject) => {
    timer = clock.setTimer(ms, () => reject(new Error(`no answer within ${ms} ms`)));
  });
  return Promise.race([question, late]).finally(() => clock.clearTimer(timer as object));
}

/** Resolves after `ms`. */
export const pause = (clock: Clock, ms: number): Promise<void> =>
  new Promise((resolve) => {
    clock.setTimer(ms, resolve);
  });
