/** The subscriptions of one client: which topics are wanted, their receivers, and the requests that keep them current. */
import type { Timers } from './deps.ts';
import { ThrumError } from './errors.ts';
import type { Counter, Input, Message, Output, Receiver } from './receiver.ts';
import { receive, receiver } from './receiver.ts';
import type { Cursor, Head, Problem, SubRequest, SubResult } from './protocol.ts';
import { backoff } from './connection.ts';

/** `stale`: there is a value, but no proof that it is the newest; `denied`: the server refused, see `error`. */
export type TopicStatus = 'idle' | 'loading' | 'live' | 'stale' | 'denied';

/** What is known of a view that is shown. */
export interface ViewMeta {
  /** number of the publication */
  readonly s: number;
  /** server time of the publication, epoch ms; absent in an answer to a subscription */
  readonly at?: number;
  /** `optimistic`: what a command under way is expected to change was put on top, or taken away */
  readonly cause: 'snapshot' | 'delta' | 'cache' | 'optimistic';
}

/** What is known of an item. */
export interface ItemMeta {
  /** number of the item in its log, from 1 */
  readonly n: number;
  /** server time at which it was published; absent when it was fetched */
  readonly at?: number;
}

/** Items that a consumer will not get. */
export interface Gap {
  readonly topic: string;
  /** `retention`: the items from … to no longer exist; `epoch`: the server's history was replaced */
  readonly reason: 'retention' | 'epoch';
  readonly from: number;
  readonly to: number;
}

/** Where a client stood in a topic. Views of logs are not kept. */
export interface Saved {
  readonly cursor: Cursor;
  readonly view?: unknown;
}

/** What survives a reload; `persist()` of `@thrum/client/storage`. */
export interface Memory {
  load(name: string): Promise<{ readonly user: string | null; readonly topic: Saved } | undefined>;
  save(user: string | null, name: string, topic: Saved): void;
  erase(): void;
}

export interface Listener {
  view?(view: unknown, meta: ViewMeta): void;
  item?(item: unknown, meta: ItemMeta): void;
  gap?(gap: Gap): void;
  status?(status: TopicStatus): void;
}

/** One topic as this client knows it; handles of the same name share it while there are consumers, and for 5 s after. */
export interface Feed {
  readonly name: string;
  /** what the server calls it (`user:me` resolved) */
  canonical: string;
  status: TopicStatus;
  error?: ThrumError;
  r: Receiver;
  /** the newest items of a log, at most {@link TAIL} */
  tail: { readonly item: unknown; readonly meta: ItemMeta }[];
  readonly listeners: Set<Listener>;
  /** items wanted of a log without cursor */
  limit?: number;
  /** holds of slow readers; while there are any, the feed is not subscribed */
  holds: number;
  ticket: number;
  failures: number;
  timer?: unknown;
  /** whose view was found in the memory */
  owner?: string | null;
  /** the memory is being read; until then nothing is asked of the server */
  loading?: Promise<void>;
}

export interface Link {
  readonly online: boolean;
  readonly user: string | null;
  request(event: string, payload: unknown, ms?: number): Promise<unknown>;
  /** something is wanted: connect if that has not happened yet */
  want(): void;
  onGap(gap: Gap): void;
}

/** Items of a log that late consumers of the same client still get. */
const TAIL = 1_000;
const BATCH = 64;
const UNSUB_MS = 5_000;

const isWanted = (f: Feed): boolean => f.listeners.size > 0 && f.holds === 0;

export type Feeds = ReturnType<typeof createFeeds>;

export function createFeeds(link: Link, timers: Timers, memory?: Memory) {
  const feeds = new Map<string, Feed>();
  const counters: Record<Counter, number> = { gaps: 0, dups: 0, same: 0, delta: 0, snap: 0 };
  const waiters = new Set<() => void>();
  let queue: { feed: Feed; ticket: number; cursor: Cursor | undefined }[] = [];
  let user: string | null = null;

  const overlays = new Set<{ readonly name: string; readonly fn: (view: unknown) => unknown }>();

  const canonicalOf = (name: string): string => name.replace(/^user:me\//, link.user === null ? '$&' : `user:${link.user}/`);

  /** The published view with what commands under way are expected to change. */
  const shown = (feed: Feed): unknown =>
    feed.r.view === undefined
      ? undefined
      : [...overlays].reduce<unknown>((view, o) => (canonicalOf(o.name) === canonicalOf(feed.name) ? o.fn(view) : view), feed.r.view);

  const named = (canonical: string): Feed[] => [...feeds.values()].filter((f) => f.canonical === canonical);

  function tell<K extends keyof Listener>(feed: Feed, what: K, ...args: Parameters<NonNullable<Listener[K]>>): void {
    for (const listener of Array.from(feed.listeners)) {
      try {
        (listener[what] as ((...a: unknown[]) => void) | undefined)?.(...args);
      } catch (error) {
        // a consumer's fault must not stop the others; it surfaces as an uncaught error of its own
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  function setStatus(feed: Feed, status: TopicStatus, error?: ThrumError): void {
    feed.error = error;
    if (feed.status === status) return;
    feed.status = status;
    tell(feed, 'status', status);
  }

  function perform(feed: Feed, o: Output): void {
    switch (o.type) {
      case 'sub':
        if (!isWanted(feed) || feed.r.phase !== 'asking') return;
        if (queue.push({ feed, ticket: ++feed.ticket, cursor: o.cursor }) === 1) queueMicrotask(flush);
        return;
      case 'later':
        later(feed, o.ms);
        return;
      case 'view':
        tell(feed, 'view', shown(feed), { s: o.s, at: o.at, cause: o.cause });
        return;
      case 'items':
        o.items.forEach((item, i) => {
          const meta = { n: o.first + i, at: o.at };
          feed.tail.push({ item, meta });
          if (feed.tail.length > TAIL) feed.tail.shift();
          tell(feed, 'item', item, meta);
        });
        return;
      case 'gap': {
        const gap = { topic: feed.name, reason: o.reason, from: o.from, to: o.to };
        feed.tail = [];
        tell(feed, 'gap', gap);
        link.onGap(gap);
        return;
      }
      case 'signal':
        tell(feed, 'view', o.value, { s: 0, at: o.at, cause: 'delta' });
        return;
      case 'count':
        counters[o.what] += 1;
    }
  }

  function dispatch(feed: Feed, input: Input): void {
    const [next, outputs] = receive(feed.r, input);
    const { cursor } = feed.r;
    feed.r = next;
    if (memory !== undefined && next.cursor !== undefined && next.cursor !== cursor) {
      memory.save(link.user, feed.name, { cursor: next.cursor, view: next.view });
    }
    for (const o of outputs) perform(feed, o);
    if (waiters.size > 0) for (const w of waiters) w();
  }

  function later(feed: Feed, ms: number): void {
    if (!isWanted(feed)) return;
    timers.clear(feed.timer);
    feed.timer = timers.set(() => {
      if (isWanted(feed)) start(feed);
    }, ms);
  }

  function start(feed: Feed): void {
    link.want();
    if (!link.online) return;
    if (feed.loading !== undefined) {
      void feed.loading.then(() => isWanted(feed) && start(feed));
      return;
    }
    feed.canonical = canonicalOf(feed.name);
    if (feed.status !== 'live') setStatus(feed, unproven(feed));
    dispatch(feed, { type: 'ask' });
  }

  function stop(feed: Feed, status: TopicStatus, error?: ThrumError): void {
    timers.clear(feed.timer);
    feed.timer = undefined;
    feed.ticket += 1;
    dispatch(feed, { type: 'lost' });
    setStatus(feed, status, error);
  }

  /** What a feed shows while there is no proof that it is current. */
  const unproven = (feed: Feed): TopicStatus => (feed.listeners.size === 0 ? 'idle' : feed.r.cursor === undefined ? 'loading' : 'stale');

  function deny(feed: Feed, problem: Problem): void {
    feed.r = receiver;
    feed.tail = [];
    stop(feed, 'denied', new ThrumError(problem));
  }

  function refused(feed: Feed, problem: Problem): void {
    if (problem.retryable !== true) return deny(feed, problem);
    stop(feed, unproven(feed), new ThrumError(problem));
    later(feed, problem.retryAfterMs ?? backoff(feed.failures++, timers.random()));
  }

  function answered(feed: Feed, result: SubResult): void {
    if (!result.ok) return refused(feed, result.error);
    const asLog = feed.limit !== undefined;
    if (asLog !== (result.kind === 'log')) {
      leave(feed);
      return deny(feed, { code: 'VALIDATION', detail: `${feed.name} is ${asLog ? 'no log: use topic()' : 'a log: use log()'}` });
    }
    feed.failures = 0;
    feed.canonical = result.t;
    dispatch(feed, { type: 'answer', answer: result });
    setStatus(feed, 'live');
  }

  async function send(batch: typeof queue): Promise<void> {
    const l = batch.map(({ feed, cursor }): SubRequest => ({ t: feed.canonical, ...(cursor ?? { n: feed.limit }) }));
    let results: readonly (SubResult | undefined)[] = [];
    let problem: Problem = { code: 'TIMEOUT', retryable: true };
    try {
      const ack = (await link.request('sub', { l })) as { ok: boolean; l?: SubResult[]; error?: Problem };
      if (ack.ok && ack.l !== undefined) results = ack.l;
      else problem = ack.error ?? problem;
    } catch {
      // no answer: each entry is asked again below, or after the next connect
    }
    batch.forEach(({ feed, ticket }, i) => {
      if (ticket === feed.ticket) answered(feed, results[i] ?? { ok: false, t: feed.canonical, error: problem });
    });
  }

  function flush(): void {
    const all = queue.filter(({ feed, ticket }) => ticket === feed.ticket);
    queue = [];
    for (let i = 0; i < all.length; i += BATCH) void send(all.slice(i, i + BATCH));
  }

  /** Ends the subscription at the server, unless another wanted feed has the same canonical name. */
  function leave(feed: Feed): void {
    stop(feed, feed.status === 'denied' ? 'denied' : 'idle', feed.error);
    const shared = named(feed.canonical).some((f) => f !== feed && f.r.phase !== 'off');
    if (link.online && !shared) link.request('unsub', { l: [feed.canonical] }).catch(() => undefined);
  }

  /** Shows what was kept of the topic before the page was loaded. */
  async function recall(feed: Feed, from: Memory): Promise<void> {
    const found = await from.load(feed.name).catch(() => undefined);
    feed.loading = undefined;
    if (found === undefined || feed.r.cursor !== undefined || (link.online && found.user !== link.user)) return;
    feed.owner = found.user;
    feed.r = { ...feed.r, ...found.topic };
    if (feed.listeners.size === 0) return;
    setStatus(feed, unproven(feed));
    if (feed.r.view !== undefined) tell(feed, 'view', shown(feed), { s: found.topic.cursor.s, cause: 'cache' });
  }

  return {
    counters,

    feed(name: string, limit?: number): Feed {
      let feed = feeds.get(name);
      if (feed === undefined) {
        feed = { name, canonical: name, status: 'idle', r: receiver, tail: [], listeners: new Set(), holds: 0, ticket: 0, failures: 0 };
        feeds.set(name, feed);
        if (memory !== undefined) feed.loading = recall(feed, memory);
      }
      if (limit !== undefined) feed.limit = Math.max(limit, feed.limit ?? 0);
      return feed;
    },

    /** What is known of a topic that somebody uses. */
    get: (name: string): Feed | undefined => feeds.get(name),

    shown,

    /** Puts expected changes on top of views until they are taken away. */
    expect(changes: { readonly [name: string]: (view: unknown) => unknown }): () => void {
      const mine = Object.entries(changes).map(([name, fn]) => ({ name, fn }));
      const redraw = (): void => {
        const names = mine.map(({ name }) => canonicalOf(name));
        for (const f of feeds.values()) {
          if (f.r.view !== undefined && names.includes(canonicalOf(f.name)))
            tell(f, 'view', shown(f), { s: f.r.cursor?.s ?? 0, cause: 'optimistic' });
        }
      };
      for (const o of mine) overlays.add(o);
      redraw();
      return () => {
        for (const o of mine) overlays.delete(o);
        redraw();
      };
    },

    /** Adds a consumer; the first one subscribes, and 5 s after the last one has left the subscription ends. */
    join(feed: Feed, listener: Listener): () => void {
      feed.listeners.add(listener);
      if (feed.listeners.size === 1 && feed.holds === 0) {
        timers.clear(feed.timer);
        feed.timer = undefined;
        if (feed.r.phase === 'off') {
          setStatus(feed, unproven(feed));
          start(feed);
        }
      }
      return () => {
        if (!feed.listeners.delete(listener) || feed.listeners.size > 0) return;
        timers.clear(feed.timer);
        feed.timer = timers.set(() => {
          leave(feed);
          feeds.delete(feed.name);
        }, UNSUB_MS);
      };
    },

    /** Stops the flow until `release`, which continues from the cursor; for readers that cannot keep up. */
    hold(feed: Feed): () => void {
      feed.holds += 1;
      if (feed.holds === 1) leave(feed);
      return () => {
        feed.holds -= 1;
        if (isWanted(feed)) start(feed);
      };
    },

    /** Whether anything is to be kept current. */
    wanted: (): boolean => [...feeds.values()].some(isWanted),

    /** Topics with a cursor, for "are these heads current?". */
    heads: (): Head[] =>
      [...feeds.values()].flatMap((f) => (f.r.phase === 'live' && f.r.cursor !== undefined ? [{ t: f.canonical, ...f.r.cursor }] : [])),

    connected(): void {
      const changed = user !== null && user !== link.user;
      user = link.user;
      if (changed) memory?.erase();
      for (const feed of feeds.values()) {
        if (changed || (feed.owner !== undefined && feed.owner !== user)) {
          feed.owner = undefined;
          feed.r = receiver;
          feed.tail = [];
        }
        if (isWanted(feed)) start(feed);
      }
    },

    disconnected(): void {
      for (const feed of feeds.values()) {
        if (feed.r.phase === 'off' && feed.status !== 'live') continue;
        stop(feed, unproven(feed));
      }
    },

    /** Forgets every view and cursor: the session is over. */
    erase(problem: Problem): void {
      if (problem.code === 'REVOKED') memory?.erase();
      for (const feed of feeds.values()) deny(feed, problem);
    },

    published(pub: Message): void {
      for (const feed of named(pub.t)) dispatch(feed, { type: 'pub', pub });
    },

    /** Subscribes the named topics (`*`: all) again with their cursors, spread over `jitterMs`. */
    again(names: readonly string[] | '*', jitterMs = 0): void {
      for (const feed of feeds.values()) {
        if (isWanted(feed) && (names === '*' || names.includes(feed.canonical))) later(feed, timers.random() * jitterMs);
      }
    },

    ended(t: string, code: string): void {
      for (const feed of named(t)) deny(feed, { code });
    },

    /** Resolves when every open state topic of `actor` among the changed views `ch` shows at least `seq`. */
    settled(actor: string, seq: number, ch: readonly string[]): Promise<void> {
      const names = ch.map((view) => `${actor}/${view}`);
      const behind = (): boolean =>
        [...feeds.values()].some(
          (f) => isWanted(f) && f.r.view !== undefined && names.includes(f.canonical) && (f.r.cursor?.s ?? seq) < seq,
        );
      return new Promise((resolve) => {
        const check = (): void => {
          if (behind()) return;
          waiters.delete(check);
          resolve();
        };
        waiters.add(check);
        check();
      });
    },
  };
}
