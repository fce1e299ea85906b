/** What a client may send, beside commands and subscriptions: `unsub`, `pos`, `auth`, `ping1` (realtime R4). */
import { callerOf } from '../identity/identity.ts';
import { invalid, isProblem, Problem } from '../problems.ts';
import { handleCommand } from './cmd.ts';
import { resolveMe } from './commands.ts';
import type { CongestionWatch } from './congestion.ts';
import { sessionRoom, topicRoom, userRoom } from './connection.ts';
import type { LiveSocket } from './connection.ts';
import { countMalformed, limited, parse } from './context.ts';
import type { LiveContext } from './context.ts';
import { Auth, Pos, Unsub } from './protocol.ts';
import { handleSub } from './subscribe.ts';

const EXPIRY_GRACE_MS = 30_000;
const EXPIRY_NOTICE_MS = 60_000;

type Handler = (payload: unknown) => unknown;

export function listen(x: LiveContext, socket: LiveSocket, congestion: CongestionWatch): void {
  const c = socket.data.connection;

  const handlers: { readonly [event: string]: Handler } = {
    sub: (payload) => handleSub(x, socket, payload),
    cmd: (payload) => handleCommand(x, socket, payload),
    async unsub(payload) {
      for (const topic of parse(x, socket, Unsub, payload).l) await forget(x, socket, congestion, resolveMe(topic, c.caller.principal));
      return { ok: true };
    },
    async pos(payload) {
      const { l } = parse(x, socket, Pos, payload);
      limited(c.limits.pos.take(x.clock.mono()));
      return { ok: true, behind: await x.topics.behind(l.filter(({ t }) => c.topics.has(t))) };
    },
    async auth(payload) {
      const { token, c: counters } = parse(x, socket, Auth, payload);
      limited(c.limits.auth.take(x.clock.mono()));
      for (const [counter, n] of Object.entries(counters ?? {})) if (n !== undefined) x.metrics.clientReports.inc({ counter }, n);
      const session = await x.identity.verify(token);
      const before = c.caller.session;
      if (before !== undefined && (session.userId !== before.userId || session.sid !== before.sid)) {
        x.bye(socket, { code: 'IDENTITY_CHANGED' });
        throw new Problem('UNAUTHENTICATED', 'the token belongs to another session');
      }
      if (before === undefined) await socket.join([userRoom(session.userId), sessionRoom(session.sid)]);
      c.caller = callerOf(session, 'bearer');
      armExpiry(x, socket);
      await recheck(x, socket, congestion);
      return { ok: true, exp: session.exp };
    },
    ping1: () => ({ now: x.clock.wall() }),
  };

  socket.onAny((event: string, ...args: unknown[]) => {
    c.lastUsedAt = x.clock.mono();
    const ack = args.at(-1);
    const payload = typeof args[0] === 'function' ? {} : args[0];
    const handler = Object.hasOwn(handlers, event) ? handlers[event] : undefined;
    void answer(x, socket, event, handler, payload, typeof ack === 'function' ? (ack as (a: unknown) => void) : undefined);
  });
}

/** Runs a handler; what it throws goes into the acknowledgement. */
async function answer(
  x: LiveContext,
  socket: LiveSocket,
  event: string,
  handler: Handler | undefined,
  payload: unknown,
  ack: ((a: unknown) => void) | undefined,
): Promise<void> {
  try {
    if (handler === undefined) {
      countMalformed(x, socket);
      throw invalid([{ path: '', message: `there is no message ${event.slice(0, 40)}` }]);
    }
    const result = await handler(payload);
    ack?.(result);
  } catch (error) {
    const problem = x.problem(error);
    ack?.({ ok: false, error: problem });
  }
}

async function forget(x: LiveContext, socket: LiveSocket, congestion: CongestionWatch, topic: string): Promise<boolean> {
  if (!socket.data.connection.topics.delete(topic)) return false;
  x.metrics.subscriptions.dec();
  congestion.leave(socket, topic);
  await socket.leave(topicRoom(topic));
  return true;
}

/** Asks again for every joined topic whether its reader may read it; what he lost ends with `unsub`. */
export async function recheck(x: LiveContext, socket: LiveSocket, congestion: CongestionWatch): Promise<void> {
  const c = socket.data.connection;
  for (const topic of c.topics) {
    try {
      await x.topics.authorize(topic, c.caller.principal);
    } catch (error) {
      if (!isProblem(error)) throw error;
      if (await forget(x, socket, congestion, topic))
        socket.emit('unsub', { t: topic, code: error.code === 'NOT_FOUND' ? 'NOT_FOUND' : 'FORBIDDEN' });
    }
  }
}

/** Announces the end of the token a minute before, and ends the connection half a minute after it. */
export function armExpiry(x: LiveContext, socket: LiveSocket): void {
  const c = socket.data.connection;
  for (const timer of c.timers) x.clock.clearTimer(timer);
  c.timers.clear();
  const exp = c.caller.session?.exp;
  if (exp === undefined) return;
  const left = exp - x.clock.wall();
  const notice = left - EXPIRY_NOTICE_MS;
  if (notice > 0) c.timers.add(x.clock.setTimer(notice, () => socket.emit('auth.expiring', { exp })));
  c.timers.add(x.clock.setTimer(Math.max(0, left + EXPIRY_GRACE_MS), () => x.bye(socket, { code: 'TOKEN_EXPIRED' })));
}
