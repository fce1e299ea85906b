/**
 * The live feed of the inspector (kernel 13.2): the namespace `/inspect`. Events of this node's actors go to the connections that watch them, here
 * and on other nodes. What cannot be sent is dropped and counted.
 */
import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import type { Namespace, Socket } from 'socket.io';
import type { z } from 'zod';
import type { Observer, Sighting } from '../../actors/feed.ts';
import type { Inspect } from '../../actors/inspect.ts';
import type { ActorSystem } from '../../actors/system.ts';
import type { Clock, TimerHandle } from '../../actors/types.ts';
import { callerOf } from '../identity/identity.ts';
import type { Identity } from '../identity/identity.ts';
import type { Caller } from '../identity/caller.ts';
import { Bucket } from '../limits/limiter.ts';
import { RETRY } from '../live/connection.ts';
import { isBehind } from '../live/congestion.ts';
import type { Bye } from '../live/outgoing.ts';
import { Auth } from '../live/protocol.ts';
import { invalid, Problem } from '../problems.ts';
import type { ProblemDocument } from '../problems.ts';
import { MOST_KEYS, MOST_PER_SECOND, MOST_WATCHES, Unwatch, Watch, WATCH_MS } from './messages.ts';
import type { Redactor } from './redact.ts';
import { mayInspect } from './roles.ts';
import { tellingOf } from './sighting.ts';
import { Watches } from './watches.ts';
import type { ActiveWatch, Listener } from './watches.ts';

const TICK_MS = 1_000;
const MESSAGES = { perSecond: 5, burst: 40 };
const EXPIRY_GRACE_MS = 30_000;
const EXPIRY_NOTICE_MS = 60_000;

export interface FeedDeps {
  readonly actors: Pick<ActorSystem, 'observe'>;
  readonly inspect: Pick<Inspect, 'machine'>;
  readonly redactor: Redactor;
  readonly identity: Pick<Identity, 'verify' | 'sessions'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly node: string;
  readonly registry: Registry;
  /** other nodes share the namespace */
  readonly clustered: boolean;
}

/** What the gateway does for every namespace. */
export interface FeedDoor {
  /** Who connects. @throws Problem */
  readonly identify: (socket: InspectSocket) => Promise<Caller>;
  readonly problem: (error: unknown) => ProblemDocument;
}

interface Data {
  caller: Caller;
  bucket: Bucket;
  expiry: TimerHandle | undefined;
}

/** Watches of connections to other nodes. */
interface NodeEvents {
  watch: (listener: Pick<Listener, 'conn' | 'pii'>, watch: Watch) => void;
  unwatch: (conn: string, id?: string) => void;
}

type Anything = Record<string, (...args: never[]) => void>;
export type InspectSpace = Namespace<Anything, Record<string, (payload: object) => void>, NodeEvents, Data>;
export type InspectSocket = Socket<Anything, Record<string, (payload: object) => void>, NodeEvents, Data>;

export interface InspectorFeed {
  /** Takes over the namespace. */
  open(space: InspectSpace, door: FeedDoor): void;
  /** Tells every connection to leave. */
  drain(): void;
  stop(): void;
}

const listenerOf = (conn: string, pii: boolean): Listener => ({ conn, pii, actors: new Set(), machines: new Set() });

export function createFeed(d: FeedDeps): InspectorFeed {
  const { clock, node } = d;
  const watches = new Watches(node, d.random);
  const listeners = new Map<string, Listener>();
  const definitions = new Map<string, string>();
  const told = new Counter({ name: 'thrum_inspector_events_total', help: 'Events told to the live feed', registers: [d.registry] });
  const lost = new Counter({
    name: 'thrum_inspector_dropped_total',
    help: 'Events that a watch wanted and that were not told: over its rate, or to a client that does not read',
    registers: [d.registry],
  });
  const gauge = new Gauge({
    name: 'thrum_inspector_watches',
    help: 'Watches of the live feed that this node serves',
    registers: [],
    collect() {
      this.set(watches.size);
    },
  });
  d.registry.registerMetric(gauge);

  let space: InspectSpace | undefined;
  let timer: TimerHandle | undefined;
  let messages = 0;
  const teller = {
    node,
    redactor: d.redactor,
    newId: () => `${node}-${(messages += 1)}`,
    definition(kind: string): string {
      let text = definitions.get(kind);
      if (text === undefined) definitions.set(kind, (text = JSON.stringify(d.inspect.machine(kind).definition)));
      return text;
    },
  };

  function emit(conn: string, event: string, payload: object): boolean {
    const socket = space?.sockets.get(conn);
    if (socket === undefined) return space?.to(conn).emit(event, payload) ?? false;
    return !isBehind(socket) && socket.emit(event, payload);
  }

  const observer: Observer<readonly ActiveWatch[]> = {
    wants: (at, kind, type, mono) => watches.wants(at, kind, type, mono),
    tell(sighting: Sighting, wanted: readonly ActiveWatch[]) {
      for (const listener of new Set(wanted.map((w) => w.listener))) {
        const own = wanted.filter((w) => w.listener === listener);
        const sent = emit(listener.conn, 'inspection', {
          watches: own.map((w) => w.id),
          l: tellingOf(teller, sighting, listener),
        });
        for (const w of own) {
          if (sent) w.sent += 1;
          else w.dropped += 1;
        }
        (sent ? told : lost).inc();
      }
    },
  };

  /** Looks on while anybody watches, and not otherwise. */
  function settle(): void {
    d.actors.observe(watches.size > 0 ? observer : undefined);
    if (watches.size > 0) timer ??= clock.setTimer(TICK_MS, tick);
  }

  function tick(): void {
    timer = undefined;
    for (const listener of new Set([...watches].map((w) => w.listener))) {
      const counts = watches.of(listener.conn).flatMap((w) => w.drain() ?? []);
      if (counts.length > 0) emit(listener.conn, 'watch.stats', { node, ms: TICK_MS, watches: counts });
    }
    for (const { listener, id } of watches.expire(clock.mono())) {
      if (space?.sockets.has(listener.conn) === true) emit(listener.conn, 'watch.ended', { id, code: 'EXPIRED' });
    }
    settle();
  }

  function watch(conn: string, pii: boolean, asked: Watch): void {
    const known = listeners.get(conn);
    const listener = known?.pii === pii ? known : listenerOf(conn, pii);
    listeners.set(conn, listener);
    watches.add(listener, asked, clock.mono());
    settle();
  }

  function unwatch(conn: string, id?: string): void {
    watches.remove(conn, id);
    if (id === undefined) listeners.delete(conn);
    settle();
  }

  const elsewhere = (send: (others: InspectSpace) => void): void => {
    if (d.clustered && space !== undefined) send(space);
  };

  function bye(socket: InspectSocket, code: Bye['code']): void {
    socket.emit('bye', { code, retry: RETRY[code] });
    socket.disconnect(true);
  }

  function armExpiry(socket: InspectSocket): void {
    if (socket.data.expiry !== undefined) clock.clearTimer(socket.data.expiry);
    const exp = socket.data.caller.session?.exp;
    if (exp === undefined) return;
    const over = (): void => {
      socket.data.expiry = clock.setTimer(Math.max(0, exp - clock.wall() + EXPIRY_GRACE_MS), () => bye(socket, 'TOKEN_EXPIRED'));
    };
    const notice = exp - clock.wall() - EXPIRY_NOTICE_MS;
    if (notice <= 0) return over();
    socket.data.expiry = clock.setTimer(notice, () => {
      socket.emit('auth.expiring', { exp });
      over();
    });
  }

  function parse<S extends z.ZodType>(schema: S, payload: unknown): z.output<S> {
    const result = schema.safeParse(payload);
    if (result.success) return result.data;
    throw invalid(result.error.issues.map((i) => ({ path: i.path.map(String).join('.'), message: i.message })));
  }

  const handlers: { readonly [event: string]: (socket: InspectSocket, payload: unknown) => object | Promise<object> } = {
    watch(socket, payload) {
      const asked = parse(Watch, payload);
      const others = new Set(
        watches
          .of(socket.id)
          .map((w) => w.id)
          .concat(asked.id),
      );
      if (others.size > MOST_WATCHES) throw new Problem('LIMIT_EXCEEDED', `more than ${MOST_WATCHES} watches`);
      const pii = mayInspect(socket.data.caller.principal, 'inspect:pii');
      watch(socket.id, pii, asked);
      elsewhere((others) => others.serverSideEmit('watch', { conn: socket.id, pii }, asked));
      return { ok: true, id: asked.id, until: clock.wall() + WATCH_MS };
    },
    unwatch(socket, payload) {
      const { id } = parse(Unwatch, payload);
      unwatch(socket.id, id);
      elsewhere((others) => others.serverSideEmit('unwatch', socket.id, id));
      return { ok: true };
    },
    async auth(socket, payload) {
      const session = await d.identity.verify(parse(Auth, payload).token);
      const before = socket.data.caller.session;
      if (before !== undefined && session.userId !== before.userId) {
        bye(socket, 'IDENTITY_CHANGED');
        throw new Problem('UNAUTHENTICATED', 'the token belongs to somebody else');
      }
      const caller = callerOf(session, 'bearer');
      if (!mayInspect(caller.principal, 'inspect:read')) {
        bye(socket, 'REVOKED');
        throw new Problem('FORBIDDEN');
      }
      socket.data.caller = caller;
      armExpiry(socket);
      return { ok: true, exp: session.exp };
    },
  };

  async function answer(socket: InspectSocket, door: FeedDoor, event: string, payload: unknown, ack: unknown): Promise<void> {
    const send = (value: object): void => {
      if (typeof ack === 'function') (ack as (value: object) => void)(value);
    };
    try {
      const verdict = socket.data.bucket.take(clock.mono());
      if (!verdict.ok) throw new Problem('RATE_LIMITED', undefined, undefined, verdict);
      const handler = Object.hasOwn(handlers, event) ? handlers[event] : undefined;
      if (handler === undefined) throw invalid([{ path: '', message: `there is no message ${event.slice(0, 40)}` }]);
      send(await handler(socket, payload));
    } catch (error) {
      send({ ok: false, error: door.problem(error) });
    }
  }

  async function admit(socket: InspectSocket, door: FeedDoor, next: (error?: Error) => void): Promise<void> {
    try {
      const caller = await door.identify(socket);
      if (caller.session === undefined) throw new Problem('UNAUTHENTICATED');
      if (!mayInspect(caller.principal, 'inspect:read')) throw new Problem('FORBIDDEN');
      Object.assign(socket.data, { caller, bucket: new Bucket(MESSAGES, clock.mono()), expiry: undefined });
      next();
    } catch (error) {
      const problem = door.problem(error);
      next(Object.assign(new Error(problem.code), { data: problem }));
    }
  }

  function connected(socket: InspectSocket, door: FeedDoor): void {
    const { session, principal } = socket.data.caller;
    socket.emit('hello', {
      proto: 1,
      conn: socket.id,
      node,
      user: principal.id,
      exp: session?.exp ?? null,
      now: clock.wall(),
      pii: mayInspect(principal, 'inspect:pii'),
      limits: { watches: MOST_WATCHES, keys: MOST_KEYS, rate: MOST_PER_SECOND, ms: WATCH_MS },
    });
    armExpiry(socket);
    socket.onAny((event: unknown, ...args: unknown[]) => {
      const payload = typeof args[0] === 'function' ? {} : args[0];
      void answer(socket, door, String(event), payload, args.at(-1));
    });
    socket.on('disconnect', () => {
      if (socket.data.expiry !== undefined) clock.clearTimer(socket.data.expiry);
      unwatch(socket.id);
      elsewhere((others) => others.serverSideEmit('unwatch', socket.id));
    });
  }

  return {
    open(opened, door) {
      space = opened;
      opened.use((socket, next) => void admit(socket, door, next));
      opened.on('connection', (socket) => connected(socket, door));
      opened.on('watch', ({ conn, pii }, asked) => watch(conn, pii, asked));
      opened.on('unwatch', (conn, id) => unwatch(conn, id));
      d.identity.sessions.onRevoked((sid) => {
        for (const socket of opened.sockets.values()) if (socket.data.caller.session?.sid === sid) bye(socket, 'REVOKED');
      });
    },
    drain() {
      for (const socket of space?.sockets.values() ?? []) bye(socket, 'DRAINING');
    },
    stop() {
      d.actors.observe(undefined);
      if (timer !== undefined) clock.clearTimer(timer);
      timer = undefined;
    },
  };
}
