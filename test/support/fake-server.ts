import { createServer } from 'node:http';
import type { RequestListener, Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import type { Socket } from 'socket.io';
import { FakeBackend } from '#sdk/testing';
import type { Handler, Peer, Received } from '#sdk/testing';
import type { Problem } from '#sdk/protocol';

export interface FakeServer {
  readonly url: string;
  readonly http: HttpServer;
  /** payloads of every `cmd`, in order */
  readonly commands: readonly Received[];
  /** shows a new full view of a state topic */
  show(topic: string, view: object): void;
  /** appends to a log topic */
  append(topic: string, item: object): void;
  onCommand(type: string, handler: Handler<never>): void;
  /** swallow this many acknowledgements of commands, cutting the connection instead */
  loseAcks: number;
  /** cuts every connection, as a failing network does */
  cut(): void;
  /** refuse handshakes with this problem */
  refuse: Problem | undefined;
  close(): Promise<void>;
}

const REQUESTS = ['sub', 'unsub', 'ping1', 'pos', 'cmd', 'seen', 'auth'];

/** The SDK's server for tests behind real sockets: the other end for tests of the SDK and the pages. */
export async function startFakeServer(
  o: { handler?: RequestListener; user?: (token: string | undefined) => string | null } = {},
): Promise<FakeServer> {
  const http = createServer(o.handler);
  const io = new Server(http, { transports: ['websocket'], serveClient: false });
  const backend = new FakeBackend(() => Date.now());

  io.use((_socket, next) => {
    if (backend.refuse === undefined) return next();
    next(Object.assign(new Error('refused'), { data: backend.refuse }));
  });
  io.on('connection', (socket: Socket) => {
    const peer: Peer = {
      user: (o.user ?? (() => 'u1'))(socket.handshake.auth['token'] as string | undefined),
      emit: (event, message) => void socket.emit(event, message),
      cut: () => socket.conn.close(),
    };
    backend.join(peer, socket.id);
    socket.on('disconnect', () => backend.leave(peer));
    for (const event of REQUESTS) {
      socket.on(event, (payload: unknown, ack?: (v: unknown) => void) => {
        const answer = backend.request(peer, event, payload);
        if (answer !== undefined) ack?.(answer);
      });
    }
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    http,
    commands: backend.commands,
    show: (t, view) => backend.show(t, view),
    append: (t, item) => backend.append(t, item),
    onCommand: (type, handler) => backend.onCommand(type, handler as Handler),
    get loseAcks() {
      return backend.loseAcks;
    },
    set loseAcks(n) {
      backend.loseAcks = n;
    },
    cut: () => backend.cut(),
    get refuse() {
      return backend.refuse;
    },
    set refuse(problem) {
      backend.refuse = problem;
    },
    close: () => new Promise<void>((resolve) => void io.close(() => resolve())),
  };
}
