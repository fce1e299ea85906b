import { createClient } from '@thrum/client';
import type { Client } from '@thrum/client';
import { ThrumProvider } from '@thrum/client/react';
import type { FunctionComponent } from 'preact';
import { useEffect, useState } from 'preact/hooks';

/** The provider as Preact types it: `react` is `preact/compat` in these pages, but the SDK's declarations speak of React. */
export const Live = ThrumProvider as unknown as FunctionComponent<{ client: Client }>;

export const connect = (): Client => createClient({ app: 'dashboard/0.1' });

/** Wall time, renewed every `ms`. */
export function useNow(ms = 15_000): number {
  const [now, set] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => set(Date.now()), ms);
    return () => clearInterval(timer);
  }, [ms]);
  return now;
}

export function useMedia(query: string): boolean {
  const [matches, set] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const changed = (): void => set(list.matches);
    list.addEventListener('change', changed);
    return () => list.removeEventListener('change', changed);
  }, [query]);
  return matches;
}
