/**
 * The Socket.IO gateway (realtime R1 to R9). It keeps room membership and limits per connection; the position of a client in its topics
 * lives in the client. Views, numbers and deltas are the kernel's.
 */
import type { Duplex } from 'node:stream';
import { Server } from 'socket.io';
import type { z } from 'zod';
import { pause } from '../../actors/within.ts';
import { clientAddress } from '../http/address.ts';
import { check } from '../http/input.ts';
import { ANONYMOUS } from '../identity/caller.ts';
import type { Caller } from '../identity/caller.ts';
import { accessCookie, readCookie } from '../identity/cookies.ts';
import { callerOf } from '../identity/identity.ts';
import type { InspectSpace } from '../inspector/feed.ts';
import { liveMetrics, topicsGauge } from '../observe/metrics.ts';
import { isProblem, Problem, toProblem } from '../problems.ts';
import { createAdmission } from './admission.ts';
import { watchCongestion } from './congestion.ts';
import { RETRY, sessionRoom, topicRoom, userRoom } from './connection.ts';
import type { LiveServer, LiveSocket } from './connection.ts';
import type { GatewayDeps, LiveContext } from './context.ts';
import { ConnectionLimits, ratesOf } from './limits.ts';
import { armExpiry, listen, signedIn } from './messages.ts';
import { Handshake } from './protocol.ts';
import type { Bye, Head } from './outgoing.ts';
import { createProbes } from './probes.ts';
import { watchRights } from './rights.ts';
import { watchRooms } from './rooms.ts';
import { coalescedSlices } from './slices.ts';
import { forget } from './subscribe.ts';

export interface Gateway {
  /** Asks again whether the user may read what his sockets have joined; what he lost ends with `unsub`. */
  recheck(userId: string): Promise<void>;
  readonly connections: number;
  /** Sockets of this node that follow the topic. */
  followers(topic: string): number;
  /** Refuses new sockets and tells the open ones to leave, spread over `ms`; each is closed half a second later. */
  drain(ms: number): Promise<void>;
  close(): Promise<void>;
}

const BATCHES = 20;
const LEAVE_MS = 500;
const REJOIN_MS = 2_000;
const RESYNC_MS = 5_000;
const SAMPLE = 16;
/** handshakes that one connection may try; who was refused may come with a better token */
const HANDSHAKES = 5;

export function createGateway(d: GatewayDeps): Gateway {
  const { config, clock } = d;
  const metrics = liveMetrics(d.registry);
  const admission = createAdmission({
    config,
    clock,
    random: d.random,
    newId: d.newId,
    loop: d.loop,
    newLimiter: d.newLimiter,
    metrics,
  });
  const io: LiveServer = new Server(d.http, {
    transports: config.polling === 'on' ? ['websocket', 'polling'] : ['websocket'],
    pingInterval: 25_000,
    pingTimeout: 20_000,
    connectTimeout: 10_000,
    maxHttpBufferSize: config.messageBytes,
    perMessageDeflate: false,
    httpCompression: false,
    serveClient: false,
    cookie: false,
    allowEIO3: false,
    allowRequest: admission.allowRequest,
    ...(d.nodes === undefined ? {} : { adapter: d.nodes.adapter }),
  });
  const space = io.of('/');
  const rooms = watchRooms(io);
  topicsGauge(d.registry, () => rooms.count());
  const congestion = watchCongestion({ clock, metrics, bye });
  const rights = watchRights(d, rooms, (socket, topic) => forget({ metrics, congestion }, socket, topic));
  const context: LiveContext = {
    ...d,
    metrics,
    congestion,
    rights,
    rates: ratesOf(config),
    turns: new Map(),
    slices: coalescedSlices(d.topics),
    perUser: d.newLimiter('commands', { perSecond: config.commandsPerUser, burst: config.commandsPerUser * 2 }),
    problem(error) {
      const requestId = d.newId();
      if (!isProblem(error)) d.log.error({ err: error, requestId }, 'message failed');
      return toProblem(error, requestId);
    },
    bye,
    makeRoom(userId) {
      if ((space.adapter.rooms.get(userRoom(userId))?.size ?? 0) <= config.connectionsPerUser) return;
      const sockets = rooms.sockets(userRoom(userId)).sort((a, b) => a.data.connection.lastUsedAt - b.data.connection.lastUsedAt);
      const [idle] = sockets;
      if (idle !== undefined) bye(idle, { code: 'TOO_MANY_CONNECTIONS' });
    },
  };

  function bye(socket: LiveSocket, b: Omit<Bye, 'retry'>): void {
    if (socket.data.connection.ended) return;
    socket.data.connection.ended = true;
    metrics.byes.inc({ code: b.code });
    socket.emit('bye', { ...b, retry: RETRY[b.code] });
    socket.disconnect(true);
  }

  async function identify(
    { handshake: { headers } }: Pick<LiveSocket, 'handshake'>,
    handshake: z.output<typeof Handshake>,
  ): Promise<Caller> {
    if (handshake.proto !== 1) throw new Problem('UNSUPPORTED_VERSION', 'this server speaks protocol 1');
    if (handshake.token !== undefined) return callerOf(await d.identity.verify(handshake.token), 'bearer');
    const cookie = readCookie(headers.cookie, accessCookie(config.publicUrl));
    const trusted = headers.origin !== undefined && config.allowedOrigins.includes(headers.origin);
    if (cookie === undefined || !trusted) return ANONYMOUS;
    return callerOf(await d.identity.verify(cookie), 'cookie');
  }

  d.inspector.open(io.of('/inspect') as unknown as InspectSpace, {
    identify: (socket) => identify(socket, check(Handshake, socket.handshake.auth, 'auth') as z.output<typeof Handshake>),
    problem: (error) => context.problem(error),
  });

  io.use((socket, next) => {
    void admit(socket, next);
  });

  /** by connection: it has one socket, for its limits would begin anew with each */
  const handshakes = new WeakMap<object, number>();

  async function admit(socket: LiveSocket, next: (error?: Error) => void): Promise<void> {
    const { conn } = socket;
    const tried = handshakes.get(conn) ?? 0;
    if (tried >= HANDSHAKES) {
      conn.close();
      next(new Error('one socket per connection'));
      return;
    }
    handshakes.set(conn, HANDSHAKES);
    try {
      const handshake = check(Handshake, socket.handshake.auth, 'auth') as z.output<typeof Handshake>;
      socket.data.connection = {
        caller: await identify(socket, handshake),
        address: clientAddress(socket.request, config.trustedProxies),
        client: handshake.device === undefined ? 'web' : 'mobile',
        lastUsedAt: clock.mono(),
        limits: new ConnectionLimits(context.rates),
        topics: new Set(),
        inFlight: 0,
        visible: undefined,
        expiry: undefined,
        ended: false,
      };
    } catch (error) {
      const problem = context.problem(error);
      metrics.handshakes.inc({ result: problem.code });
      handshakes.set(conn, tried + 1);
      next(Object.assign(new Error(problem.code), { data: problem }));
      return;
    }
    metrics.handshakes.inc({ result: 'ok' });
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
      limits: { topics: config.topicsPerConnection, cmdPerSec: config.commandsPerSecond, bytes: config.messageBytes },
    });
    // the request and its headers are not needed any more: about 1 kB of every connection
    socket.handshake.headers = {};
    (socket.conn as { request: unknown }).request = null;
    metrics.connections.inc();
    admission.opened(c.address);
    void signedIn(context, socket);
    armExpiry(context, socket);
    congestion.watch(socket);
    socket.conn.on('packet', (packet: { data?: unknown }) => {
      const { data } = packet;
      const size = typeof data === 'string' || Buffer.isBuffer(data) ? data.length : 0;
      const verdict = c.limits.take('bytes', clock.mono(), size);
      if (!verdict.ok) bye(socket, { code: 'RATE_LIMITED', retryAfterMs: verdict.retryAfterMs });
    });
    listen(context, socket);
    socket.on('disconnect', (reason) => {
      // what is left of the connection would count nowhere
      if (reason === 'client namespace disconnect') socket.conn.close();
      metrics.connections.dec();
      metrics.subscriptions.dec(c.topics.size);
      admission.closed(c.address);
      congestion.forget(socket);
      c.ended = true;
      c.topics.clear();
      if (c.expiry !== undefined) clock.clearTimer(c.expiry);
      if (c.caller.session !== undefined) d.presence.disconnected(c.caller.session.userId, socket.id);
    });
  });

  /** a peer that does not read would hold up an orderly end */
  const upgraded = new Set<Duplex>();
  d.http.on('upgrade', (_req, socket: Duplex) => {
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
  });

  let published = 0;
  const emitHead = (head: Head): void => void io.to(topicRoom(head.t)).emit('head', head);
  const probes = d.nodes === undefined ? undefined : createProbes(clock, emitHead);
  const stopPublishing = d.topics.onPublish((p, here) => {
    metrics.publications.inc({ kind: p.k });
    if ((published += 1) % SAMPLE === 0) metrics.commitToEmit.observe(Math.max(0, clock.wall() - p.at) / 1_000);
    const size = rooms.size(p.t);
    metrics.deliveries.inc(size);
    if (here || probes === undefined) {
      if (size > 0) io.local.to(topicRoom(p.t)).emit('pub', p);
      return;
    }
    io.to(topicRoom(p.t)).emit('pub', p);
    probes.published(p);
  });

  async function announce(topics: readonly string[]): Promise<void> {
    for (const topic of topics) {
      try {
        const slice = await d.topics.slice(topic, { n: 1 });
        if (slice.kind !== 'signal') emitHead({ t: slice.t, e: slice.e, s: slice.s });
      } catch (error) {
        d.log.debug({ err: error, topic }, 'where a topic stands could not be said');
      }
    }
  }
  const began = d.topics.follow({
    of: (ref) => rooms.of(ref),
    changed(ref) {
      rights.changed(ref);
      d.presence.changed(ref);
      d.settler.changed(ref);
    },
    *topics() {
      yield* rooms.topics();
      yield* d.presence.followed();
    },
    announce: (topics) => void announce(topics),
  });

  d.presence.start({ size: (topic) => rooms.size(topic), began });

  async function recheck(userId: string): Promise<void> {
    for (const socket of rooms.sockets(userRoom(userId))) await rights.recheck(socket);
  }
  d.identity.sessions.onRevoked((sid, here) => {
    for (const socket of rooms.sockets(sessionRoom(sid))) bye(socket, { code: 'REVOKED' });
    if (here && d.nodes !== undefined) io.serverSideEmit('revoked', sid);
  });
  io.on('revoked', (sid) => d.identity.sessions.endedElsewhere(sid));
  io.on('recheck', (userId) => void recheck(userId));
  d.nodes?.onReturn(() => io.local.emit('resync', { t: '*', r: 'bus', jitterMs: RESYNC_MS }));

  async function dismiss(sockets: readonly LiveSocket[], ms: number): Promise<void> {
    for (const socket of sockets) {
      metrics.byes.inc({ code: 'DRAINING' });
      socket.emit('bye', { code: 'DRAINING', retry: RETRY.DRAINING, retryAfterMs: Math.floor(d.random() * REJOIN_MS) });
    }
    await pause(clock, ms);
    for (const socket of sockets) socket.disconnect(true);
  }

  return {
    get connections() {
      return space.sockets.size;
    },
    followers: (topic) => rooms.size(topic),
    async recheck(userId) {
      if (d.nodes !== undefined) io.serverSideEmit('recheck', userId);
      await recheck(userId);
    },
    async drain(ms) {
      admission.drain();
      d.inspector.drain();
      const sockets = [...space.sockets.values()];
      const size = Math.ceil(sockets.length / BATCHES);
      const leaving: Promise<void>[] = [];
      for (let i = 0; i < sockets.length; i += size) {
        leaving.push(dismiss(sockets.slice(i, i + size), Math.min(LEAVE_MS, ms)));
        await pause(clock, ms / BATCHES);
      }
      await Promise.all(leaving);
      io.local.disconnectSockets(true);
    },
    async close() {
      admission.drain();
      stopPublishing();
      probes?.stop();
      rights.stop();
      congestion.stop();
      d.inspector.stop();
      const closed = io.close();
      for (const socket of upgraded) socket.destroy();
      await closed;
    },
  };
}
