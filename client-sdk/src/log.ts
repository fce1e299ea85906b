import type { ThrumError } from './errors.ts';
import type { Feeds, Gap, ItemMeta, TopicStatus } from './feed.ts';
import { iterate } from './topic.ts';

export interface LogOptions {
  /** where to begin when there is no cursor yet: with the newest items */
  readonly from?: 'last';
  /** how many of them; default 20, at most 100 */
  readonly limit?: number;
}

/** A stream of items of one actor: each exactly once, in order. */
export interface Log<I> extends AsyncIterable<I> {
  readonly name: string;
  readonly status: TopicStatus;
  readonly error: ThrumError | undefined;
  /** Calls `next` with the newest items that are known already and with each later one. */
  subscribe(
    next: (item: I, meta: ItemMeta) => void,
    more?: { readonly gap?: (gap: Gap) => void; readonly status?: (status: TopicStatus) => void },
  ): () => void;
  /** Moves the reader's durable cursor to this item. */
  seen(item: I, how?: 'rendered' | 'opened' | 'dismissed'): Promise<void>;
  [Symbol.asyncIterator](): AsyncIterator<I, undefined>;
}

/** Items that wait in an iterator before its topic is left; it continues from the cursor when half of them are read. */
const QUEUE = 1_000;

export function createLog<I>(feeds: Feeds, name: string, o: LogOptions, seen: (payload: object) => Promise<unknown>): Log<I> {
  const limit = Math.min(100, o.limit ?? 20);
  const feed = feeds.feed(name, limit);
  const numbers = new WeakMap<object, number>();
  const log: Log<I> = {
    name,
    get status() {
      return feed.status;
    },
    get error() {
      return feed.error;
    },
    subscribe(next, more) {
      const item = (value: unknown, meta: ItemMeta): void => {
        if (typeof value === 'object' && value !== null) numbers.set(value, meta.n);
        next(value as I, meta);
      };
      for (const known of feed.tail.slice(-limit)) item(known.item, known.meta);
      return feeds.join(feed, { item, gap: more?.gap, status: more?.status });
    },
    async seen(item, how = 'rendered') {
      const s = typeof item === 'object' && item !== null ? numbers.get(item) : undefined;
      if (s !== undefined) await seen({ t: feed.canonical, s, how });
    },
    [Symbol.asyncIterator]() {
      const queue: I[] = [];
      let release: (() => void) | undefined;
      const inner = iterate<I>(
        feed,
        (wake) =>
          log.subscribe(
            (item) => {
              if (queue.push(item) >= QUEUE) release ??= feeds.hold(feed);
              wake();
            },
            { status: () => wake() },
          ),
        () => {
          const item = queue.shift();
          if (queue.length <= QUEUE / 2) {
            release?.();
            release = undefined;
          }
          return item === undefined ? undefined : { value: item };
        },
      );
      return {
        next: () => inner.next(),
        return() {
          release?.();
          release = undefined;
          return inner.return?.() ?? Promise.resolve({ done: true, value: undefined });
        },
      };
    },
  };
  return log;
}
