/**
 * The Socket.IO gateway (realtime R1 to R9). It keeps room membership and limits per connection; the position of a client in its topics
 * lives in the client. Views, numbers and deltas are the kernel's.
 */
import { Server } from 'socket.io';
import type { z } from 'zod';
import type { Clock } from '../../actors/types.ts';
import { clientAddress } from '../http/address.ts';
import { check } from '../http/input.ts';
import { ANONYMOUS } from '../identity/caller.ts';
import type { Caller } from '../identity/caller.ts';
import { accessCookie, readCookie } from '../identity/cookies.ts';
import { callerOf } from '../identity/identity.ts';
import { memoryLimiter } from '../limits/limiter.ts';
import { liveMetrics } from '../observe/metrics.ts';
import { isProblem, Problem, toProblem } from '../problems.ts';
import { createAdmission } from './admission.ts';
import { watchCongestion } from './congestion.ts';
import { RETRY, sessionRoom, topicRoom, userRoom } from './connection.ts';
import type { Connection, LiveSocket } from './connection.ts';
import type { GatewayDeps, LiveContext } from './context.ts';
import { connectionLimits } from './limits.ts';
import { armExpiry, listen, recheck } from './messages.ts';
import { Handshake } from './protocol.ts';
import type { Bye, ClientEvents, ServerEvents } from './protocol.ts';
import { coalescedSlices } from './slices.ts';

export interface Gateway {
  /** Asks again whether the user may read what his sockets have joined; what he lost ends with `unsub`. */
  recheck(userId: string): Promise<void>;
  readonly connections: number;
  /** Refuses new sockets and tells the open ones to leave, spread over `ms`. */
  drain(ms: number): Promise<void>;
  close(): Promise<void>;
}

const MESSAGE_BYTES = 65_536;

export function createGateway(d: GatewayDeps): Gateway {
  const { config, clock } = d;
  const metrics = liveMetrics(d.registry);
  const admission = createAdmission({ config, clock, newId: d.newId });
  const io = new Server<ClientEvents, ServerEvents, Record<string, never>, { connection: Connection }>(d.http, {
    transports: ['websocket'],
    pingInterval: 25_000,
    pingTimeout: 20_000,
    connectTimeout: 10_000,
    maxHttpBufferSize: MESSAGE_BYTES,
    perMessageDeflate: false,
    httpCompression: false,
    serveClient: false,
    cookie: false,
    allowEIO3: false,
    allowRequest: admission.allowRequest,
  });
  const context: LiveContext = {
    ...d,
    metrics,
    slices: coalescedSlices(d.topics),
    perUser: memoryLimiter({ perSecond: config.commandsPerUser, burst: config.commandsPerUser * 2 }, () => clock.mono()),
    problem(error) {
      const requestId = d.newId();
      if (!isProblem(error)) d.log.error({ err: error, requestId }, 'message failed');
      return toProblem(error, requestId);
    },
    bye,
  };
  const congestion = watchCongestion(context);

  function bye(socket: LiveSocket, b: Omit<Bye, 'retry'>): void {
    if (socket.data.connection.ended) return;
    socket.data.connection.ended = true;
    metrics.byes.inc({ code: b.code });
    socket.emit('bye', { ...b, retry: RETRY[b.code] });
    socket.disconnect(true);
  }

  async function identify(socket: LiveSocket): Promise<Caller> {
    const { headers, auth } = socket.handshake;
    const handshake = check(Handshake, auth, 'auth') as z.output<typeof Handshake>;
    if (handshake.proto !== 1) throw new Problem('UNSUPPORTED_VERSION', 'this server speaks protocol 1');
    if (handshake.token !== undefined) return callerOf(await d.identity.verify(handshake.token), 'bearer');
    const cookie = readCookie(headers.cookie, accessCookie(config.publicUrl));
    const trusted = headers.origin !== undefined && config.allowedOrigins.includes(headers.origin);
    if (cookie === undefined || !trusted) return ANONYMOUS;
    return callerOf(await d.identity.verify(cookie), 'cookie');
  }

  io.use((socket, next) => {
    void admit(socket, next);
  });

  async function admit(socket: LiveSocket, next: (error?: Error) => void): Promise<void> {
    try {
      const now = clock.mono();
      socket.data.connection = {
        caller: await identify(socket),
        address: clientAddress(socket.request, config.trustedProxies),
        openedAt: now,
        lastUsedAt: now,
        limits: connectionLimits(config, now),
        topics: new Set(),
        inFlight: 0,
        timers: new Set(),
        ended: false,
      };
    } catch (error) {
      const problem = context.problem(error);
      next(Object.assign(new Error(problem.code), { data: problem }));
      return;
    }
    next();
  }

  io.on('connection', (socket: LiveSocket) => {
    const c = socket.data.connection;
    const { session } = c.caller;
    socket.emit('hello', {
      proto: 1,
      conn: socket.id,
      node: d.node,
      user: session?.userId ?? null,
      exp: session?.exp ?? null,
      now: clock.wall(),
      limits: { topics: config.topicsPerConnection, cmdPerSec: config.commandsPerSecond, bytes: MESSAGE_BYTES },
    });
    // the request and its headers are not needed any more: about 1 kB of every connection
    socket.handshake.headers = {};
    (socket.conn as { request: unknown }).request = null;
    metrics.connections.inc();
    admission.opened(c.address);
    if (session !== undefined) {
      void socket.join([userRoom(session.userId), sessionRoom(session.sid)]);
      if (d.identity.sessions.isRevoked(session.sid)) bye(socket, { code: 'REVOKED' });
      makeRoom(session.userId);
    }
    armExpiry(context, socket);
    congestion.watch(socket);
    socket.conn.on('packet', (packet: { data?: unknown }) => {
      const size = typeof packet.data === 'string' ? packet.data.length : 0;
      const verdict = c.limits.bytes.take(clock.mono(), size);
      if (!verdict.ok) bye(socket, { code: 'RATE_LIMITED', retryAfterMs: verdict.retryAfterMs });
    });
    listen(context, socket, congestion);
    socket.on('disconnect', () => {
      metrics.connections.dec();
      metrics.subscriptions.dec(c.topics.size);
      admission.closed(c.address);
      congestion.forget(socket);
      c.ended = true;
      c.topics.clear();
      for (const timer of c.timers) clock.clearTimer(timer);
    });
  });

  /** Over the limit of sockets of one user the one that was idle longest goes. */
  function makeRoom(userId: string): void {
    const ids = io.of('/').adapter.rooms.get(userRoom(userId));
    if (ids === undefined || ids.size <= config.connectionsPerUser) return;
    const sockets = socketsOf(userRoom(userId)).sort((a, b) => a.data.connection.lastUsedAt - b.data.connection.lastUsedAt);
    const [idle] = sockets;
    if (idle !== undefined) bye(idle, { code: 'TOO_MANY_CONNECTIONS' });
  }

  function socketsOf(room: string): LiveSocket[] {
    const space = io.of('/');
    return [...(space.adapter.rooms.get(room) ?? [])].flatMap((id) => {
      const socket = space.sockets.get(id);
      return socket === undefined ? [] : [socket];
    });
  }

  const stopPublishing = d.topics.onPublish((p) => {
    metrics.publications.inc({ kind: p.k });
    io.to(topicRoom(p.t)).emit('pub', p);
  });
  d.identity.sessions.onRevoked((sid) => {
    for (const socket of socketsOf(sessionRoom(sid))) bye(socket, { code: 'REVOKED' });
  });

  return {
    get connections() {
      return io.of('/').sockets.size;
    },
    async recheck(userId) {
      for (const socket of socketsOf(userRoom(userId))) await recheck(context, socket, congestion);
    },
    async drain(ms) {
      admission.drain();
      const sockets = [...io.of('/').sockets.values()];
      const batches = 20;
      const size = Math.ceil(sockets.length / batches);
      for (let i = 0; i < sockets.length; i += size) {
        for (const socket of sockets.slice(i, i + size)) {
          metrics.byes.inc({ code: 'DRAINING' });
          socket.emit('bye', { code: 'DRAINING', retry: true, retryAfterMs: Math.floor(d.random() * 2_000) });
        }
        await pause(clock, ms / batches);
      }
      if (sockets.length > 0) await pause(clock, Math.min(500, ms));
      io.disconnectSockets(true);
    },
    async close() {
      stopPublishing();
      congestion.stop();
      await io.close();
    },
  };
}

const pause = (clock: Clock, ms: number): Promise<void> => new Promise((resolve) => void clock.setTimer(ms, resolve));
