import { createClient } from '@thrum/client';
import type { Client, Connection, ItemMeta, ItemOf, LogName, StateName, ThrumError, TopicStatus, ViewOf } from '@thrum/client';
import { createContext } from 'preact';
import { useContext, useEffect, useRef, useState } from 'preact/hooks';

export const Live = createContext<Client | undefined>(undefined);

export const connect = (): Client => createClient({ app: 'dashboard/0.1' });

export function useClient(): Client {
  const client = useContext(Live);
  if (client === undefined) throw new Error('no client above this component');
  return client;
}

export interface Shown<V> {
  readonly value: V | undefined;
  readonly status: TopicStatus;
  readonly error: ThrumError | undefined;
}

const nothing: Shown<never> = { value: undefined, status: 'idle', error: undefined };

/** The live value of a topic; redrawn at most once per frame. Without a name it shows nothing. */
export function useTopic<N extends StateName>(name: N | undefined): Shown<ViewOf<N>> {
  const client = useClient();
  const [shown, setShown] = useState<Shown<ViewOf<N>> & { readonly name?: string }>(nothing);
  useEffect(() => {
    if (name === undefined) return setShown(nothing);
    const topic = client.topic(name);
    let frame = 0;
    const draw = (): void => {
      frame = 0;
      setShown({ name, value: topic.value, status: topic.status, error: topic.error });
    };
    const later = (): void => {
      frame ||= requestAnimationFrame(draw);
    };
    const stop = topic.subscribe(later, later);
    draw();
    return () => {
      stop();
      cancelAnimationFrame(frame);
    };
  }, [client, name]);
  return shown.name === name ? shown : nothing;
}

export interface Entry<I> extends ItemMeta {
  readonly item: I;
  /** arrived while the page was open */
  readonly fresh: boolean;
}

/** Items of a log, oldest first, at most `keep`. */
export function useLog<N extends LogName>(
  name: N | undefined,
  keep = 200,
): { readonly entries: readonly Entry<ItemOf<N>>[]; readonly status: TopicStatus } {
  const client = useClient();
  const [shown, setShown] = useState<{ name?: string; entries: readonly Entry<ItemOf<N>>[]; status: TopicStatus }>({
    entries: [],
    status: 'idle',
  });
  const since = useRef(0);
  useEffect(() => {
    if (name === undefined) return undefined;
    const log = client.log(name, { limit: 100 });
    let entries: Entry<ItemOf<N>>[] = [];
    let frame = 0;
    since.current = Date.now();
    const later = (): void => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        setShown({ name, entries, status: log.status });
      });
    };
    const stop = log.subscribe(
      (item, meta) => {
        entries = [...entries.slice(1 - keep), { ...meta, item, fresh: meta.at !== undefined && Date.now() - since.current > 1_500 }];
        later();
      },
      { status: later },
    );
    later();
    return () => {
      stop();
      cancelAnimationFrame(frame);
    };
  }, [client, name, keep]);
  return shown.name === name ? shown : { entries: [], status: 'loading' };
}

export function useConnection(): Connection {
  const client = useClient();
  const [connection, set] = useState(client.connection);
  useEffect(() => client.on('connection', set), [client]);
  return connection;
}

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
