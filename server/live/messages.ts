/** What a client may send, beside commands and subscriptions: `unsub`, `seen`, `pos`, `auth`, `vis`, `ping1` (realtime R4). */
import { callerOf } from '../identity/identity.ts';
import { mayFollow } from '../identity/scope.ts';
import { invalid, Problem } from '../problems.ts';
import { handleCommand } from './cmd.ts';
import { resolveMe } from './commands.ts';
import { sessionRoom, userRoom } from './connection.ts';
import type { LiveSocket } from './connection.ts';
import { countMalformed, limited, parse } from './context.ts';
import type { LiveContext } from './context.ts';
import { Auth, Pos, Seen, Unsub, Vis } from './protocol.ts';
import { forget, handleSub, inTurn, seenUpTo } from './subscribe.ts';

const EXPIRY_GRACE_MS = 30_000;
const EXPIRY_NOTICE_MS = 60_000;

type Handler = (x: LiveContext, socket: LiveSocket, payload: unknown) => unknown;

const handlers = new Map<string, Handler>(
  Object.entries({
    sub: handleSub,
    cmd: handleCommand,
    async unsub(x, socket, payload) {
      const { principal } = socket.data.connection.caller;
      const topics = parse(x, socket, Unsub, payload).l.map((topic) => resolveMe(topic, principal));
      await Promise.all(topics.map((topic) => inTurn(x, socket, topic, () => forget(x, socket, topic))));
      return { ok: true };
    },
    async pos(x, socket, payload) {
      const c = socket.data.connection;
      const { l } = parse(x, socket, Pos, payload);
      limited(c.limits.take('pos', x.clock.mono()));
      return { ok: true, behind: await x.topics.behind(l.filter(({ t }) => c.topics.has(t))) };
    },
    seen: handleSeen,
    auth: handleAuth,
    vis(x, socket, payload) {
      const { visible, input } = parse(x, socket, Vis, payload);
      const c = socket.data.connection;
      const { limits, caller } = c;
      limited(limits.take('vis', x.clock.mono()));
      c.visible = visible;
      if (caller.session !== undefined) x.presence.visible(caller.session.userId, socket.id, { visible, input });
      return { ok: true };
    },
    ping1: (x) => ({ now: x.clock.wall() }),
  } satisfies { [event: string]: Handler }),
);

export function listen(x: LiveContext, socket: LiveSocket): void {
  // the parser lets events without a name through
  socket.onAny((event: unknown, ...args: unknown[]) => {
    socket.data.connection.lastUsedAt = x.clock.mono();
    const ack = args.at(-1);
    const payload = typeof args[0] === 'function' ? {} : args[0];
    void answer(x, socket, String(event), payload, typeof ack === 'function' ? (ack as (a: unknown) => void) : undefined);
  });
}

/** Runs the handler; what it throws goes into the acknowledgement. */
async function answer(
  x: LiveContext,
  socket: LiveSocket,
  event: string,
  payload: unknown,
  ack: ((a: unknown) => void) | undefined,
): Promise<void> {
  try {
    const handler = handlers.get(event);
    if (handler === undefined) {
      countMalformed(x, socket);
      throw invalid([{ path: '', message: `there is no message ${event.slice(0, 40)}` }]);
    }
    const result = await handler(x, socket, payload);
    ack?.(result);
  } catch (error) {
    const problem = x.problem(error);
    ack?.({ ok: false, error: problem });
  }
}

/** The reader's own actor keeps how far he has seen his logs. */
async function handleSeen(x: LiveContext, socket: LiveSocket, payload: unknown): Promise<{ ok: true; s: number }> {
  const { t, s, how } = parse(x, socket, Seen, payload);
  const { limits, caller, visible } = socket.data.connection;
  limited(limits.take('seen', x.clock.mono()));
  const { principal } = caller;
  if (caller.session === undefined) throw new Problem('UNAUTHENTICATED');
  const name = resolveMe(t, principal);
  if (!mayFollow(caller.session.scope, name)) throw new Problem('FORBIDDEN', 'the token does not name this topic');
  const topic = await x.topics.authorize(name, principal);
  const slice = await x.topics.slice(topic, { n: 1 });
  if (slice.kind !== 'log') throw invalid([{ path: 't', message: 'is not a log' }]);
  const before = await seenUpTo(x, principal, topic);
  // what a hidden page renders, nobody has seen
  if (how === 'rendered' && visible === false) return { ok: true, s: before };
  const upTo = Math.min(s, slice.s);
  if (upTo <= before) return { ok: true, s: before };
  const command = { type: 'notification.seen', topic, s: upTo, how };
  const reply = await x.actors.ask(`user:${principal.id}`, command, { key: x.newId(), from: principal });
  if (!reply.ok) throw Problem.from(reply.error);
  return { ok: true, s: (reply.reply as { s: number }).s };
}

async function handleAuth(x: LiveContext, socket: LiveSocket, payload: unknown): Promise<{ ok: true; exp: number }> {
  const c = socket.data.connection;
  const { token, c: counters } = parse(x, socket, Auth, payload);
  limited(c.limits.take('auth', x.clock.mono()));
  for (const [counter, n] of Object.entries(counters ?? {})) if (n !== undefined) x.metrics.clientReports.inc({ counter }, n);
  const session = await x.identity.verify(token);
  // it has left meanwhile, and nobody would hear of that again
  if (c.ended) throw new Problem('UNAVAILABLE', 'the connection has ended');
  const before = c.caller.session;
  if (before !== undefined && (session.userId !== before.userId || session.sid !== before.sid)) {
    x.bye(socket, { code: 'IDENTITY_CHANGED' });
    throw new Problem('UNAUTHENTICATED', 'the token belongs to another session');
  }
  c.caller = callerOf(session, 'bearer');
  armExpiry(x, socket);
  if (before === undefined) await signedIn(x, socket);
  else if (session.org !== before.org) x.presence.connected(session.userId, socket.id, { type: c.client, org: session.org });
  for (const topic of c.topics) {
    if (!mayFollow(session.scope, topic) && (await forget(x, socket, topic))) socket.emit('unsub', { t: topic, code: 'FORBIDDEN' });
  }
  await x.rights.recheck(socket);
  return { ok: true, exp: session.exp };
}

/** The socket belongs to somebody from now on. */
export async function signedIn(x: LiveContext, socket: LiveSocket): Promise<void> {
  const { caller, client } = socket.data.connection;
  if (caller.session === undefined) return;
  const { userId, sid } = caller.session;
  await socket.join([userRoom(userId), sessionRoom(sid)]);
  x.presence.connected(userId, socket.id, { type: client, org: caller.session.org });
  if (x.identity.sessions.isRevoked(sid)) x.bye(socket, { code: 'REVOKED' });
  x.makeRoom(userId);
}

/** Announces the end of the token a minute before, and ends the connection half a minute after it. */
export function armExpiry(x: LiveContext, socket: LiveSocket): void {
  const c = socket.data.connection;
  if (c.expiry !== undefined) x.clock.clearTimer(c.expiry);
  const exp = c.caller.session?.exp;
  if (exp === undefined) return;
  const over = (): void => {
    c.expiry = x.clock.setTimer(Math.max(0, exp - x.clock.wall() + EXPIRY_GRACE_MS), () => x.bye(socket, { code: 'TOKEN_EXPIRED' }));
  };
  const notice = exp - x.clock.wall() - EXPIRY_NOTICE_MS;
  if (notice <= 0) return over();
  c.expiry = x.clock.setTimer(notice, () => {
    socket.emit('auth.expiring', { exp });
    over();
  });
}
