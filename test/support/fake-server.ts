import { createServer } from 'node:http';
import type { RequestListener, Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import type { Socket } from 'socket.io';

type Result =
  | { readonly ok: true; readonly seq: number; readonly reply?: unknown; readonly ch?: readonly string[] }
  | { readonly ok: false; readonly error: object };

interface State {
  s: number;
  view: object;
}

export interface FakeServer {
  readonly url: string;
  readonly http: HttpServer;
  /** payloads of every `cmd`, in order */
  readonly commands: { readonly id: string; readonly to: string; readonly type: string; readonly d: unknown }[];
  /** shows a new full view of a state topic */
  show(topic: string, view: object): void;
  /** appends to a log topic */
  append(topic: string, item: object): void;
  onCommand(type: string, fn: (to: string, d: never, user: string | null) => Result): void;
  /** swallow this many acknowledgements of commands, cutting the connection instead */
  loseAcks: number;
  /** cuts every connection, as a failing network does */
  cut(): void;
  /** refuse handshakes with this problem */
  refuse: object | undefined;
  close(): Promise<void>;
}

const EPOCH = 'fakefake';

/** A server with no durability and no rights that speaks the wire protocol (R2, R4, R7): the other end for tests of the SDK and the pages. */
export async function startFakeServer(
  o: { handler?: RequestListener; user?: (token: string | undefined) => string | null } = {},
): Promise<FakeServer> {
  const http = createServer(o.handler);
  const io = new Server(http, { transports: ['websocket'], serveClient: false });
  const states = new Map<string, State>();
  const logs = new Map<string, object[]>();
  const answers = new Map<string, Result>();
  const handlers = new Map<string, (to: string, d: never, user: string | null) => Result>();
  const fake = { commands: [], loseAcks: 0, refuse: undefined, http } as unknown as FakeServer & { loseAcks: number };

  function answer({ t, e, s, n }: { t: string; e?: string; s?: number; n?: number }): object {
    const log = logs.get(t);
    if (log !== undefined) {
      const first = e === EPOCH && s !== undefined ? s + 1 : Math.max(1, log.length - (n ?? 20) + 1);
      const d = log.slice(first - 1, first + 499);
      const last = first + d.length - 1;
      return { ok: true, t, kind: 'log', e: EPOCH, s: last, m: 'items', d, floor: 1, more: last < log.length };
    }
    const state = states.get(t);
    if (state === undefined) return { ok: false, t, error: { code: 'NOT_FOUND', status: 404, title: 'Nothing is found under this name' } };
    if (e === EPOCH && s === state.s) return { ok: true, t, kind: 'state', e: EPOCH, s, m: 'same' };
    return { ok: true, t, kind: 'state', e: EPOCH, s: state.s, m: 'snap', d: state.view };
  }

  io.use((_socket, next) => {
    if (fake.refuse === undefined) return next();
    next(Object.assign(new Error('refused'), { data: fake.refuse }));
  });
  io.on('connection', (socket: Socket) => {
    const user = (o.user ?? (() => 'u1'))(socket.handshake.auth['token'] as string | undefined);
    const name = (t: string): string => t.replace(/^user:me\//, `user:${user}/`);
    socket.emit('hello', {
      proto: 1,
      conn: socket.id,
      node: 'fake',
      user,
      exp: null,
      now: Date.now(),
      limits: { topics: 256, cmdPerSec: 20, bytes: 65_536 },
    });
    socket.on('sub', async ({ l }: { l: { t: string }[] }, ack: (v: object) => void) => {
      const named = l.map((entry) => ({ ...entry, t: name(entry.t) }));
      for (const { t } of named) await socket.join(t);
      ack({ ok: true, l: named.map(answer) });
    });
    socket.on('unsub', async ({ l }: { l: string[] }, ack: (v: object) => void) => {
      for (const t of l) await socket.leave(name(t));
      ack({ ok: true });
    });
    socket.on('ping1', (_: object, ack: (v: object) => void) => ack({ now: Date.now() }));
    socket.on('pos', ({ l }: { l: { t: string; s: number }[] }, ack: (v: object) => void) =>
      ack({ ok: true, behind: l.filter(({ t, s }) => (states.get(t)?.s ?? s) > s).map(({ t }) => t) }),
    );
    socket.on('cmd', (c: { id: string; to: string; type: string; d: never }, ack: (v: object) => void) => {
      fake.commands.push(c);
      const done = answers.get(c.id);
      const result = done ??
        handlers.get(c.type)?.(name(`${c.to}/`).slice(0, -1), c.d, user) ?? { ok: false, error: { code: 'UNKNOWN_COMMAND', status: 404 } };
      answers.set(c.id, result);
      if (fake.loseAcks > 0) {
        fake.loseAcks -= 1;
        socket.conn.close();
      } else ack({ id: c.id, ...result, ...(done === undefined ? {} : { dup: true }) });
    });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return Object.assign(fake, {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    show(t: string, view: object) {
      const before = states.get(t);
      const s = (before?.s ?? 0) + 1;
      states.set(t, { s, view });
      io.to(t).emit('pub', { t, e: EPOCH, s, p: before?.s ?? 0, k: 'f', d: view, at: Date.now() });
    },
    append(t: string, item: object) {
      const log = logs.get(t) ?? [];
      logs.set(t, log);
      const s = log.push(item);
      io.to(t).emit('pub', { t, e: EPOCH, s, p: s - 1, k: 'i', d: [item], at: Date.now() });
    },
    onCommand: (type: string, fn: (to: string, d: never, user: string | null) => Result) => void handlers.set(type, fn),
    cut: () => io.disconnectSockets(true),
    close: () => new Promise<void>((resolve) => void io.close(() => resolve())),
  });
}
