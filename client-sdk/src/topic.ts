import { ThrumError } from './errors.ts';
import type { Feed, Feeds, Listener, TopicStatus, ViewMeta } from './feed.ts';

/** A live view of one actor. Reading `value` does not subscribe; `subscribe` and `for await` do. */
export interface Topic<V> extends AsyncIterable<V> {
  readonly name: string;
  readonly value: V | undefined;
  readonly status: TopicStatus;
  /** why `status` is `denied` */
  readonly error: ThrumError | undefined;
  /** Calls `next` with the present value, if there is one, and with each later one. `status` tells how far they can be trusted. */
  subscribe(next: (value: V, meta: ViewMeta) => void, status?: (status: TopicStatus) => void): () => void;
  /** Each turn gives the newest value; values that come while the loop body runs are skipped but for the last. */
  [Symbol.asyncIterator](): AsyncIterator<V, undefined>;
}

/**
 * Turns callbacks into an async iterator. `take` gives the next value if there is one; `attach` starts the callbacks, which call `wake`.
 * The iterator ends when the loop is left and throws when the topic is denied.
 */
export function iterate<T>(
  feed: Feed,
  attach: (wake: () => void) => () => void,
  take: () => { readonly value: T } | undefined,
): AsyncIterator<T, undefined> {
  let wake: () => void = () => undefined;
  let detach: (() => void) | undefined;
  let over = false;
  return {
    async next() {
      detach ??= attach(() => wake());
      for (;;) {
        const taken = over ? undefined : take();
        if (taken !== undefined) return { done: false, value: taken.value };
        if (over || feed.error?.code === 'CLOSED') return { done: true, value: undefined };
        if (feed.status === 'denied') throw feed.error ?? new ThrumError({ code: 'FORBIDDEN' });
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    return() {
      over = true;
      detach?.();
      wake();
      return Promise.resolve({ done: true, value: undefined });
    },
  };
}

export function createTopic<V>(feeds: Feeds, name: string): Topic<V> {
  const feed = feeds.feed(name);
  const topic: Topic<V> = {
    name,
    get value() {
      return feed.r.view as V | undefined;
    },
    get status() {
      return feed.status;
    },
    get error() {
      return feed.error;
    },
    subscribe(next, status) {
      const listener: Listener = { view: next, status };
      if (feed.r.view !== undefined) next(feed.r.view as V, { s: feed.r.cursor?.s ?? 0, cause: 'cache' });
      return feeds.join(feed, listener);
    },
    [Symbol.asyncIterator]() {
      let latest: { readonly value: V } | undefined;
      return iterate(
        feed,
        (wake) =>
          topic.subscribe(
            (value) => {
              latest = { value };
              wake();
            },
            () => wake(),
          ),
        () => {
          const taken = latest;
          latest = undefined;
          return taken;
        },
      );
    },
  };
  return topic;
}
