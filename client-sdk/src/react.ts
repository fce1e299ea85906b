/** React hooks, also for Preact by `preact/compat`. Each redraws at most once per animation frame. On the server they show nothing and connect to nothing. */
import { createContext, createElement, useCallback, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import type { FunctionComponentElement, ProviderProps, ReactNode } from 'react';
import type { Client } from './client.ts';
import type { CommandOptions, Receipt } from './command.ts';
import type { Connection } from './connection.ts';
import type { ThrumError } from './errors.ts';
import type { ItemMeta, TopicStatus } from './feed.ts';
import type { Commands } from './generated/contract.ts';
import type { LogOptions } from './log.ts';
import type { ActorName, Input, ItemOf, LogName, Reply, StateName, ViewOf } from './names.ts';

const Context = createContext<Client | undefined>(undefined);

/** Gives the client to every hook below it. */
export function ThrumProvider(props: {
  readonly client: Client;
  readonly children?: ReactNode;
}): FunctionComponentElement<ProviderProps<Client | undefined>> {
  return createElement(Context.Provider, { value: props.client }, props.children);
}

/** @throws Error outside of a {@link ThrumProvider} */
export function useThrum(): Client {
  const client = useContext(Context);
  if (client === undefined) throw new Error('useThrum: there is no ThrumProvider above this component');
  return client;
}

interface Store<S> {
  readonly subscribe: (redraw: () => void) => () => void;
  readonly read: () => S;
}

/** Something that changes outside of React. `read` is called once per frame in which `attach` reported a change. */
function storeOf<S>(read: () => S, attach: (changed: () => void) => () => void): Store<S> {
  let shown = read();
  return {
    read: () => shown,
    subscribe(redraw) {
      let frame = 0;
      const stop = attach(() => {
        frame ||= requestAnimationFrame(() => {
          frame = 0;
          shown = read();
          redraw();
        });
      });
      shown = read();
      return () => {
        stop();
        cancelAnimationFrame(frame);
      };
    },
  };
}

/** Shows the same for ever; for a hook that was given no name. */
const still = <S>(value: S): Store<S> => ({ read: () => value, subscribe: () => () => undefined });

export interface Shown<V> {
  readonly value: V | undefined;
  readonly status: TopicStatus;
  /** why `status` is `denied` */
  readonly error: ThrumError | undefined;
}

const nothing: Shown<never> = { value: undefined, status: 'idle', error: undefined };

/** The live value of a topic. Without a name it shows nothing. */
export function useTopic<N extends StateName>(name: N | undefined): Shown<ViewOf<N>> {
  const client = useThrum();
  const store = useMemo<Store<Shown<ViewOf<N>>>>(() => {
    if (name === undefined) return still(nothing);
    const topic = client.topic(name);
    return storeOf(
      () => ({ value: topic.value, status: topic.status, error: topic.error }),
      (changed) => topic.subscribe(changed, changed),
    );
  }, [client, name]);
  return useSyncExternalStore(store.subscribe, store.read, () => nothing);
}

export interface Entry<I> extends ItemMeta {
  readonly item: I;
  /** it came while the component was looking, not from the past */
  readonly fresh: boolean;
}

export interface ShownLog<I> {
  /** oldest first */
  readonly entries: readonly Entry<I>[];
  readonly status: TopicStatus;
  readonly error: ThrumError | undefined;
}

const noItems: ShownLog<never> = { entries: [], status: 'idle', error: undefined };

/** The newest items of a log, at most `keep` (default 200). Without a name it shows nothing. */
export function useLog<N extends LogName>(name: N | undefined, options: LogOptions & { readonly keep?: number } = {}): ShownLog<ItemOf<N>> {
  const client = useThrum();
  const { limit, keep = 200 } = options;
  const store = useMemo<Store<ShownLog<ItemOf<N>>>>(() => {
    if (name === undefined) return still(noItems);
    const log = client.log(name, { limit });
    let entries: readonly Entry<ItemOf<N>>[] = [];
    return storeOf(
      () => ({ entries, status: log.status, error: log.error }),
      (changed) => {
        let looking = false;
        entries = [];
        const stop = log.subscribe(
          (item, meta) => {
            entries = [...entries.slice(1 - keep), { ...meta, item, fresh: looking && meta.at !== undefined }];
            changed();
          },
          { status: changed },
        );
        looking = true;
        return stop;
      },
    );
  }, [client, name, limit, keep]);
  return useSyncExternalStore(store.subscribe, store.read, () => noItems);
}

export interface CommandHook<P, R> {
  /** Sends the command. @throws ThrumError, as `client.command` does */
  run(payload: P, options?: CommandOptions): Promise<Receipt<R>>;
  /** calls of `run` that are under way */
  readonly pending: boolean;
  /** of the last call that has ended */
  readonly error: ThrumError | undefined;
}

/** One command of one actor, with what a button needs to show. */
export function useCommand<K extends keyof Commands, C extends keyof Commands[K] & string>(
  to: ActorName<K>,
  type: C,
): CommandHook<Input<K, C>, Reply<K, C>> {
  const client = useThrum();
  const [shown, show] = useState<{ pending: number; error?: ThrumError }>({ pending: 0 });
  const mounted = useRef(false);
  useEffect(() => {
    mounted.current = true;
    return () => {
      mounted.current = false;
    };
  }, []);
  const run = useCallback(
    async (payload: Input<K, C>, options?: CommandOptions): Promise<Receipt<Reply<K, C>>> => {
      const ended = (error?: ThrumError): void => {
        if (mounted.current) show(({ pending }) => ({ pending: pending - 1, error }));
      };
      show((s) => ({ ...s, pending: s.pending + 1 }));
      try {
        const receipt = await client.command<K, C>(to, type, payload, options);
        ended();
        return receipt;
      } catch (error) {
        ended(error as ThrumError);
        throw error;
      }
    },
    [client, to, type],
  );
  return { run, pending: shown.pending > 0, error: shown.error };
}

/** State of the connection, for a banner that says so. */
export function useConnection(): Connection {
  const client = useThrum();
  const store = useMemo(
    () =>
      storeOf(
        () => client.connection,
        (changed) => client.on('connection', changed),
      ),
    [client],
  );
  return useSyncExternalStore(store.subscribe, store.read, store.read);
}
