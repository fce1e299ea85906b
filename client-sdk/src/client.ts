import type { Commands as Contract, Topics } from './generated/contract.ts';
import type { ActorName, Input, ItemOf, LogName, Reply, StateName, ViewOf } from './names.ts';
import type { CommandOptions, Receipt } from './command.ts';
import { createCommands } from './command.ts';
import type { Connection, ConnectionEvent } from './connection.ts';
import { idle, step } from './connection.ts';
import type { Dial, Timers } from './deps.ts';
import { platformTimers } from './deps.ts';
import { ThrumError } from './errors.ts';
import type { Gap, Memory } from './feed.ts';
import { createFeeds } from './feed.ts';
import type { LogOptions } from './log.ts';
import { Log } from './log.ts';
import type { Outbox, OutboxHost, OutboxPart } from './outbox.ts';
import type { Problem } from './protocol.ts';
import { PROTOCOL } from './protocol.ts';
import { Topic } from './topic.ts';
import { socketIo } from './wire.ts';
import { watchPlatform } from './platform.ts';

export interface ClientOptions {
  /** origin of the server; default: that of the page */
  readonly url?: string;
  /** access token, or a function that gives a current one. Without it the session cookie of the page is used, and without that nobody is signed in */
  readonly token?: string | (() => Promise<string>);
  /** id of the registered device that this client runs on */
  readonly device?: string;
  /** name and version of the application, for the operators */
  readonly app?: string;
  /** `persist()` of `@thrum/client/storage`: topics continue after a reload where they stood */
  readonly storage?: Memory;
  /** `createOutbox()` of `@thrum/client/outbox`, for commands that may wait for a connection */
  readonly outbox?: (host: OutboxHost) => OutboxPart;
}

export interface ClientEvents {
  /** the connection has changed */
  connection: Connection;
  /** items of a log that will not come any more */
  gap: Gap;
  /** deprecations and the like, from the server */
  notice: { readonly code: string; readonly text: string };
}

export interface Client {
  /** how the connection stands, for a banner */
  readonly connection: Connection;
  /** id of the signed-in user, once connected */
  readonly user: string | null;
  /** A live view, such as `user:me/energy`. Nothing is subscribed until somebody listens. */
  topic<N extends StateName>(name: N): Topic<ViewOf<N>>;
  /** A stream of items, such as `user:me/alerts`; each comes once and in order. */
  log<N extends LogName>(name: N, options?: LogOptions): Log<ItemOf<N>>;
  /**
   * Sends a command; resolves after its commit.
   *
   * @throws ThrumError with the code of the refusal, or `OFFLINE`, `COMMIT_UNKNOWN` (repeat with `details.key`), `ABORTED`, `CLOSED`
   */
  command<K extends keyof Contract, C extends keyof Contract[K] & string>(
    to: ActorName<K>,
    type: C,
    ...rest: {} extends Input<K, C> ? [payload?: Input<K, C>, options?: CommandOptions] : [payload: Input<K, C>, options?: CommandOptions]
  ): Promise<Receipt<Reply<K, C>>>;
  /** commands that wait for a connection; undefined without the option */
  readonly outbox: Outbox | undefined;
  /** Calls `fn` at each event, until the function that it returns is called. */
  on<E extends keyof ClientEvents>(event: E, fn: (value: ClientEvents[E]) => void): () => void;
  /** Connects now instead of with the first topic or command; also leaves `refused` after the person has signed in again. */
  connect(): void;
  /** Checks a connection that may have died in its sleep. Pages do this by themselves. `hiddenMs`: for how long nobody looked. */
  wake(hiddenMs?: number): void;
  /**
   * Says whether somebody looks at the application, for presence and for pushes that are not needed. Pages do this by themselves; a mobile app
   * calls it with the state of the app. After five minutes in the background it disconnects, and comes back with its cursors when it is looked at.
   */
  visible(visible: boolean): void;
  /** Ends the connection for good: iterators end, commands under way fail with `CLOSED`. */
  close(): Promise<void>;
}

const SDK = 'thrum-js/0.1.0';
const ACK_MS = 10_000;
const PROBE_MS = 3_000;
const HELLO_MS = 15_000;
const HIDDEN_MS = 60_000;
const REST_MS = 300_000;

/** A client of one server. It connects by itself with the first topic or command. */
export function createClient(options: ClientOptions = {}): Client {
  return createClientWith(options, { dial: socketIo, timers: platformTimers });
}

/** As {@link createClient}, with transport and clock as arguments. */
export function createClientWith(options: ClientOptions, deps: { readonly dial: Dial; readonly timers: Timers }): Client {
  const { timers } = deps;
  const { origin } = globalThis.location ?? { origin: undefined };
  const url = options.url ?? origin;
  if (url === undefined) throw new TypeError('createClient: url is needed outside a page');
  const byCookie = options.token === undefined && origin !== undefined && new URL(url, origin).origin === origin;
  const listeners: { [E in keyof ClientEvents]: Set<(value: ClientEvents[E]) => void> } = {
    connection: new Set(),
    gap: new Set(),
    notice: new Set(),
  };
  let connection = idle(timers.now());
  let user: string | null = null;
  let stateTimer: unknown;
  let renewTimer: unknown;
  let offsets: number[] = [];
  let credentials: Promise<string | undefined> | undefined;
  let attempt = 0;
  /** the credentials that were used last are known to be too old */
  let expired = false;
  let renewing = false;
  let sight: { readonly visible: boolean; readonly input?: number } | undefined;
  let hiddenAt = 0;
  let restTimer: unknown;

  function emit<E extends keyof ClientEvents>(event: E, value: ClientEvents[E]): void {
    for (const fn of Array.from(listeners[event])) fn(value);
  }

  const network = (): boolean => globalThis.navigator?.onLine ?? true;
  const online = (): boolean => connection.state === 'online';
  /** Why nothing can be asked of the server now. */
  const trouble = (): Problem =>
    connection.state === 'refused' || connection.state === 'closed'
      ? { code: connection.code ?? 'REFUSED', detail: connection.detail }
      : { code: 'OFFLINE', retryable: true, detail: `no connection: ${connection.detail ?? connection.code ?? connection.state}` };

  function request(event: string, payload: unknown, ms = ACK_MS): Promise<unknown> {
    return online() ? wire.request(event, payload, ms) : Promise.reject(new ThrumError(trouble()));
  }

  /** Access token of the page's session, renewed by its refresh cookie. */
  async function renewCookie(): Promise<string | undefined> {
    const reply = await fetch('/v1/auth/refresh', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
    const body = (await reply.json()) as { accessToken?: string } & Problem;
    if (!reply.ok) throw new ThrumError(body);
    return body.accessToken;
  }

  /** A token for the next handshake or renewal; callers that come together share one call. */
  function token(): Promise<string | undefined> {
    const source = options.token;
    if (typeof source === 'string') return Promise.resolve(source);
    if (source === undefined && !(expired && byCookie)) return Promise.resolve(undefined);
    credentials ??= (source ?? renewCookie)().finally(() => {
      credentials = undefined;
    });
    return credentials;
  }

  async function dial(): Promise<void> {
    const mine = ++attempt;
    try {
      const t = await token();
      if (mine !== attempt || connection.state !== 'connecting') return;
      wire.open({ token: t, proto: PROTOCOL, sdk: SDK, app: options.app, device: options.device });
      timers.clear(stateTimer);
      stateTimer = timers.set(() => fail({ type: 'down', code: 'TIMEOUT' }), HELLO_MS);
    } catch (error) {
      const rejected = error instanceof ThrumError && error.status === 401;
      if (mine === attempt) act(rejected ? { type: 'refuse', code: error.code } : { type: 'down', code: 'TOKEN', detail: String(error) });
    }
  }

  /** The session is over: nothing is shown any more and nothing will be answered. */
  function over(problem: Problem): void {
    commands.fail(problem);
    if (problem.code === 'REVOKED') outbox?.erase();
    feeds.erase(problem);
  }

  function fail(event: ConnectionEvent): void {
    act(event);
    wire.close();
  }

  /** Feeds the table and performs what the new state asks for. */
  function act(event: ConnectionEvent): void {
    const before = connection.state;
    const next = step(connection, event, { now: timers.now(), random: timers.random(), network: network() });
    if (next === connection) return;
    connection = next;
    timers.clear(stateTimer);
    if (before === 'online') {
      timers.clear(renewTimer);
      feeds.disconnected();
    }
    if (next.nextAttemptAt !== undefined) stateTimer = timers.set(() => act({ type: 'timer' }), next.nextAttemptAt - timers.now());
    if (next.state === 'connecting') void dial();
    if (next.state === 'refused') over(trouble());
    emit('connection', next);
    if (next.state === 'online') {
      feeds.connected();
      void look();
      commands.connected();
      outbox?.connected();
    }
  }

  function setClock(offset: number, rtt?: number): void {
    offsets = [...offsets.slice(-4), offset];
    const clockOffset = [...offsets].sort((a, b) => a - b)[offsets.length >> 1] ?? 0;
    connection = { ...connection, clockOffset, rtt: rtt ?? connection.rtt };
  }

  /** Asks for a sign of life; without one the connection is given up at once instead of after the transport's 45 s. */
  async function probe(): Promise<void> {
    const sent = timers.now();
    const mine = attempt;
    try {
      const { now } = (await request('ping1', {}, PROBE_MS)) as { now: number };
      const back = timers.now();
      setClock(now - (sent + back) / 2, back - sent);
      emit('connection', connection);
    } catch {
      if (mine === attempt && online()) fail({ type: 'down', code: 'TIMEOUT', retryAfterMs: 0 });
    }
  }

  /** `life`: ms until the credentials end. Each is replaced when a quarter of it is left, or a minute. */
  function scheduleRenewal(life: number): void {
    timers.clear(renewTimer);
    if (typeof options.token === 'string') return;
    const due = life - Math.max(60_000, life / 4) + (timers.random() - 0.5) * 20_000;
    renewTimer = timers.set(() => void renewNow(0), Math.max(1_000, due));
  }

  /** The timer and the server's own reminder may come together; one renewal serves both. */
  async function renewNow(failures: number): Promise<void> {
    if (renewing) return;
    renewing = true;
    expired = true;
    try {
      const fresh = await token();
      if (fresh === undefined) return;
      const ack = (await request('auth', { token: fresh, c: { ...feeds.counters } })) as { ok: boolean; exp?: number };
      const now = timers.now() + connection.clockOffset;
      expired = false;
      if (ack.ok && ack.exp !== undefined) scheduleRenewal(ack.exp - now);
    } catch {
      // the server gives 30 s of grace after the end; what is not renewed by then is dialled anew
      if (online() && failures < 5) renewTimer = timers.set(() => void renewNow(failures + 1), 1_000 * 2 ** failures);
    } finally {
      renewing = false;
    }
  }

  function renewAndRetry(): void {
    expired = true;
    fail({ type: 'down', code: 'TOKEN_EXPIRED', retryAfterMs: 0 });
  }

  const wire = deps.dial(url, {
    hello(hello) {
      if (connection.state !== 'connecting') return;
      // the session cookie has run out, its refresh cookie may not have
      if (byCookie && hello.user === null && user !== null && !expired) return renewAndRetry();
      expired = false;
      user = hello.user;
      setClock(hello.now - timers.now());
      act({ type: 'hello' });
      if (hello.exp !== null) scheduleRenewal(hello.exp - hello.now);
      for (const notice of hello.notices ?? []) emit('notice', notice);
      void probe();
    },
    refused(problem) {
      if (problem === undefined) return act({ type: 'down', code: 'UNREACHABLE' });
      const renewable = problem.code === 'TOKEN_EXPIRED' && (byCookie || typeof options.token === 'function');
      if (renewable && !expired) return renewAndRetry();
      const { code, title, detail = title, retryAfterMs } = problem;
      act(problem.retryable === true ? { type: 'down', code, detail, retryAfterMs } : { type: 'refuse', code, detail });
    },
    down: () => act({ type: 'down' }),
    bye({ code, retry, retryAfterMs }) {
      if (code === 'IDLE') fail({ type: 'rest' });
      else if (code === 'TOKEN_EXPIRED') renewAndRetry();
      else if (retry) fail({ type: 'down', code, retryAfterMs });
      else fail({ type: 'refuse', code });
    },
    pub: (pub) => feeds.published(pub),
    head: (head) => feeds.published({ ...head, k: 'h' }),
    resync: ({ t, jitterMs }) => feeds.again(t, jitterMs),
    unsub: ({ t, code }) => feeds.ended(t, code),
    expiring: () => void renewNow(0),
  });

  const link = {
    get online() {
      return online();
    },
    get hopeful() {
      return connection.state === 'idle' || (connection.state === 'connecting' && connection.attempt <= 1);
    },
    get user() {
      return user;
    },
    trouble,
    request,
    want() {
      if (connection.state === 'idle') act({ type: 'open' });
    },
    onGap: (gap: Gap) => emit('gap', gap),
    settled: (to: string, seq: number, ch: readonly string[]) =>
      feeds.settled(user !== null && to === 'user:me' ? `user:${user}` : to, seq, ch),
  };
  const feeds = createFeeds(link, timers, options.storage);
  const commands = createCommands(link, timers);
  const outbox = options.outbox?.({
    get online() {
      return online();
    },
    get user() {
      return user;
    },
    timers,
    newKey: () => commands.newKey(),
    want: () => link.want(),
    send: (...call) => commands.send(...call),
  });

  function wake(hiddenMs = 0): void {
    act({ type: 'wake' });
    if (!online()) return;
    void probe();
    if (hiddenMs < HIDDEN_MS) return;
    const l = feeds.heads();
    if (l.length === 0) return;
    request('pos', { l })
      .then((ack) => feeds.again((ack as { behind?: string[] }).behind ?? []))
      .catch(() => undefined);
  }

  /** Tells the server, and again when it asks for patience, so that the last word is what it knows. */
  async function look(): Promise<void> {
    if (sight === undefined || !online()) return;
    const ack = (await request('vis', sight).catch(() => undefined)) as { readonly error?: Problem } | undefined;
    if (ack?.error?.retryAfterMs !== undefined) timers.set(() => void look(), ack.error.retryAfterMs);
  }

  const stopWatching = watchPlatform(timers, wake, (seen) => {
    sight = seen;
    void look();
  });

  return {
    get connection() {
      return connection;
    },
    get user() {
      return user;
    },
    topic: <N extends StateName>(name: N) => new Topic<ViewOf<N>>(feeds, name),
    log: <N extends LogName>(name: N, o: LogOptions = {}) => new Log<ItemOf<N>>(feeds, name, o, (payload) => request('seen', payload)),
    command(to: string, type: string, payload?: unknown, o?: CommandOptions) {
      const sent = outbox?.takes(type) === true ? outbox.add(to, type, payload, o) : commands.send(to, type, payload, o);
      if (o?.optimistic !== undefined) {
        const undo = feeds.expect(o.optimistic as Parameters<typeof feeds.expect>[0]);
        sent.then((receipt) => receipt.settled()).then(undo, undo);
      }
      return sent as never;
    },
    outbox,
    on(event, fn) {
      listeners[event].add(fn);
      return () => void listeners[event].delete(fn);
    },
    connect: () => act({ type: 'open' }),
    wake,
    visible(visible) {
      const now = timers.now();
      timers.clear(restTimer);
      sight = { visible, input: visible ? now - (now % 60_000) : sight?.input };
      void look();
      if (visible) {
        if (feeds.wanted()) link.want();
        wake(hiddenAt === 0 ? 0 : now - hiddenAt);
      } else {
        hiddenAt = now;
        restTimer = timers.set(() => fail({ type: 'rest' }), REST_MS);
      }
    },
    close() {
      stopWatching();
      timers.clear(restTimer);
      act({ type: 'close' });
      outbox?.close();
      over({ code: 'CLOSED' });
      wire.close();
      return Promise.resolve();
    },
  };
}

export type { Topics };
