import type { Timers } from './deps.ts';

/** Tells when a page comes back to the front or the network changes. Outside of pages it does nothing. */
export function watchPlatform(timers: Timers, wake: (hiddenMs: number) => void): () => void {
  const { document } = globalThis;
  if (document === undefined) return () => undefined;
  let seen = timers.now();
  const check = (): void => {
    const before = seen;
    seen = timers.now();
    if (document.visibilityState !== 'hidden') wake(seen - before);
  };
  const events = ['visibilitychange', 'online', 'offline', 'pageshow'];
  for (const event of events) addEventListener(event, check);
  return () => {
    for (const event of events) removeEventListener(event, check);
  };
}
