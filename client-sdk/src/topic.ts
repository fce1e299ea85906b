import type { ThrumError } from './errors.ts';
import type { Feed, Feeds, TopicStatus, ViewMeta } from './feed.ts';

/** What topics and logs have in common. */
export class Handle {
  readonly name: string;
  protected readonly feeds: Feeds;

  constructor(feeds: Feeds, name: string) {
    this.feeds = feeds;
    this.name = name;
  }

  get status(): TopicStatus {
    return this.feeds.get(this.name)?.status ?? 'idle';
  }

  /** why `status` is `denied`, or why it is still `loading`: the last refusal, when another attempt follows */
  get error(): ThrumError | undefined {
    return this.feeds.get(this.name)?.error;
  }
}

/** A live view of one actor. Reading `value` does not subscribe; `subscribe` and `for await` do. */
export class Topic<V> extends Handle implements AsyncIterable<V> {
  get value(): V | undefined {
    const feed = this.feeds.get(this.name);
    return (feed === undefined ? undefined : this.feeds.shown(feed)) as V | undefined;
  }

  /** Calls `next` with the present value, if there is one, and with each later one. `status` tells how far they can be trusted. */
  subscribe(next: (value: V, meta: ViewMeta) => void, status?: (status: TopicStatus) => void): () => void {
    const feed = this.feeds.feed(this.name);
    const view = this.feeds.shown(feed);
    if (view !== undefined) next(view as V, { s: feed.r.cursor?.s ?? 0, cause: 'cache' });
    return this.feeds.join(feed, { view: next, status });
  }

  /** Each turn gives the newest value; values that come while the loop body runs are skipped but for the last. */
  [Symbol.asyncIterator](): AsyncIterator<V, undefined> {
    let latest: V[] = [];
    return iterate(
      this.feeds.feed(this.name),
      (wake) =>
        this.subscribe((value) => {
          latest = [value];
          wake();
        }, wake),
      () => latest.splice(0),
    );
  }
}

/**
 * Turns callbacks into an async iterator. `take` gives the next value, if there is one, as a list of one; `attach` starts the callbacks, which
 * call `wake`. The iterator ends when the loop is left or the client closed, and throws when the topic is denied.
 */
export function iterate<T>(feed: Feed, attach: (wake: () => void) => () => void, take: () => readonly T[]): AsyncIterator<T, undefined> {
  let wake: () => void = () => undefined;
  let detach: (() => void) | undefined;
  let over = false;
  return {
    async next() {
      detach ??= attach(() => wake());
      for (;;) {
        const taken = over ? [] : take();
        if (taken.length > 0) return { done: false, value: taken[0] as T };
        if (over || feed.error?.code === 'CLOSED') return { done: true, value: undefined };
        if (feed.status === 'denied' && feed.error !== undefined) throw feed.error;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    async return() {
      over = true;
      detach?.();
      wake();
      return { done: true, value: undefined };
    },
  };
}
