import type { Timers } from './deps.ts';

const MINUTE_MS = 60_000;

/**
 * Tells when a page comes to the front or leaves it, when somebody moves in it (once a minute; epoch ms, whole minutes), and when the network
 * changes. Outside of pages it does nothing.
 */
export function watchPlatform(
  timers: Timers,
  wake: (hiddenMs: number) => void,
  look: (sight: { readonly visible: boolean; readonly input?: number }) => void,
): () => void {
  const { document } = globalThis;
  if (document === undefined) return () => undefined;
  let seen = timers.now();
  let input: number | undefined;
  const tell = (): void => look({ visible: document.visibilityState !== 'hidden', input });
  const check = (): void => {
    const before = seen;
    seen = timers.now();
    tell();
    if (document.visibilityState !== 'hidden') wake(seen - before);
  };
  const moved = (): void => {
    const minute = timers.now() - (timers.now() % MINUTE_MS);
    if (minute === input) return;
    input = minute;
    tell();
  };
  tell();
  const events = ['visibilitychange', 'online', 'offline', 'pageshow'];
  const inputs = ['pointerdown', 'keydown'];
  for (const event of events) addEventListener(event, check);
  for (const event of inputs) addEventListener(event, moved);
  return () => {
    for (const event of events) removeEventListener(event, check);
    for (const event of inputs) removeEventListener(event, moved);
  };
}
