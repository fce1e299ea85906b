import type { Feeds, Gap, ItemMeta, TopicStatus } from './feed.ts';
import { Handle, iterate } from './topic.ts';

export interface LogOptions {
  /** where to begin when there is no cursor yet: with the newest items */
  readonly from?: 'last';
  /** how many of them; default 20, at most 100 */
  readonly limit?: number;
}

/** Items that wait in an iterator before its topic is left; it continues from the cursor when half of them are read. */
const QUEUE = 1_000;

type Seen = (payload: object) => Promise<unknown>;

/** A stream of items of one actor: each exactly once, in order. */
export class Log<I> extends Handle implements AsyncIterable<I> {
  readonly #limit: number;
  readonly #seen: Seen;
  readonly #numbers = new WeakMap<object, number>();

  constructor(feeds: Feeds, name: string, o: LogOptions, seen: Seen) {
    super(feeds, name);
    this.#limit = Math.min(100, o.limit ?? 20);
    this.#seen = seen;
  }

  /** Calls `next` with the newest items that are known already and with each later one. */
  subscribe(
    next: (item: I, meta: ItemMeta) => void,
    more?: { readonly gap?: (gap: Gap) => void; readonly status?: (status: TopicStatus) => void },
  ): () => void {
    const feed = this.feeds.feed(this.name, this.#limit);
    const item = (value: unknown, meta: ItemMeta): void => {
      this.#numbers.set(value as object, meta.n);
      next(value as I, meta);
    };
    for (const known of feed.tail.slice(-this.#limit)) item(known.item, known.meta);
    return this.feeds.join(feed, { ...more, item });
  }

  /** Moves the reader's durable cursor to this item. */
  async seen(item: I, how: 'rendered' | 'opened' | 'dismissed' = 'rendered'): Promise<void> {
    const s = this.#numbers.get(item as object);
    const t = this.feeds.get(this.name)?.canonical;
    if (s !== undefined && t !== undefined) await this.#seen({ t, s, how });
  }

  [Symbol.asyncIterator](): AsyncIterator<I, undefined> {
    const feed = this.feeds.feed(this.name, this.#limit);
    const queue: I[] = [];
    let release: (() => void) | undefined;
    const resume = (): void => {
      release?.();
      release = undefined;
    };
    return iterate<I>(
      feed,
      (wake) => {
        const stop = this.subscribe(
          (item) => {
            if (queue.push(item) >= QUEUE) release ??= this.feeds.hold(feed);
            wake();
          },
          { status: wake },
        );
        return () => {
          stop();
          resume();
        };
      },
      () => {
        const taken = queue.splice(0, 1);
        if (queue.length <= QUEUE / 2) resume();
        return taken;
      },
    );
  }
}
