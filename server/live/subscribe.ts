import type { z } from 'zod';
import type { Principal } from '../../actors/types.ts';
import { mayFollow } from '../identity/scope.ts';
import { Problem } from '../problems.ts';
import { resolveMe } from './commands.ts';
import { topicRoom } from './connection.ts';
import type { LiveSocket } from './connection.ts';
import { limited, parse } from './context.ts';
import type { LiveContext } from './context.ts';
import { Sub } from './protocol.ts';
import type { SubResult } from './protocol.ts';

type Entry = z.output<typeof Sub>['l'][number];

const LOG_ITEMS = 20;
/** what a client is told to wait for one of its own topics to end */
const FULL_MS = 5_000;

/**
 * `sub`: joins the room of each topic first and reads where it stands then, so that every later publication is delivered or recognised as
 * missing by its numbers (realtime R4).
 */
export async function handleSub(x: LiveContext, socket: LiveSocket, payload: unknown): Promise<{ ok: true; l: SubResult[] }> {
  const { l } = parse(x, socket, Sub, payload);
  limited(socket.data.connection.limits.take('sub', x.clock.mono(), l.length));
  return { ok: true, l: await Promise.all(l.map((entry) => subscribe(x, socket, entry))) };
}

/**
 * Does one thing to a topic of a socket after what came before it: a repeated `sub` must not be undone by the end of the one that was given up,
 * and an `unsub` ends the `sub` that was sent before it.
 */
export async function inTurn<T>(x: Pick<LiveContext, 'turns'>, socket: LiveSocket, topic: string, work: () => Promise<T>): Promise<T> {
  const key = `${socket.id}\n${topic}`;
  const before = x.turns.get(key);
  const done = before === undefined ? work() : Promise.allSettled([before]).then(work);
  x.turns.set(key, done);
  try {
    return await done;
  } finally {
    if (x.turns.get(key) === done) x.turns.delete(key);
  }
}

async function subscribe(x: LiveContext, socket: LiveSocket, entry: Entry): Promise<SubResult> {
  try {
    const name = resolveMe(entry.t, socket.data.connection.caller.principal);
    return await inTurn(x, socket, name, () => follow(x, socket, name, entry));
  } catch (error) {
    return { ok: false, t: entry.t, error: x.problem(error) };
  }
}

async function follow(x: LiveContext, socket: LiveSocket, name: string, { t: asked, e, s, n }: Entry): Promise<SubResult> {
  const { topic, fresh } = await join(x, socket, name);
  try {
    await x.nodes?.fence();
    const slice = await x.slices(topic, e === undefined || s === undefined ? { n: n ?? LOG_ITEMS } : { e, s });
    x.metrics.resumes.inc({ result: slice.kind === 'signal' ? 'signal' : slice.m });
    const seen = slice.kind === 'log' ? { seen: await seenUpTo(x, socket.data.connection.caller.principal, topic) } : {};
    return { ok: true, ...(asked === topic ? {} : { a: asked }), ...seen, ...slice };
  } catch (error) {
    if (fresh) await forget(x, socket, topic);
    throw error;
  }
}

/** Joins the room of a topic that the socket may follow. `fresh`: it did not before. */
async function join(x: LiveContext, socket: LiveSocket, name: string): Promise<{ topic: string; fresh: boolean }> {
  const c = socket.data.connection;
  const asked = x.rights.asking(name);
  try {
    const topic = await mayFollowAs(x, socket, name);
    if (!socket.connected) throw new Problem('UNAVAILABLE', 'the connection has ended');
    const fresh = !c.topics.has(topic);
    if (fresh) {
      if (c.topics.size >= x.config.topicsPerConnection) {
        const detail = `a connection may have ${x.config.topicsPerConnection} topics; leave one first`;
        throw new Problem('TOO_MANY_TOPICS', detail, { limit: x.config.topicsPerConnection }, { retryAfterMs: FULL_MS });
      }
      c.topics.add(topic);
      x.metrics.subscriptions.inc();
    }
    if (!x.congestion.hold(socket, topic)) await socket.join(topicRoom(topic));
    return { topic, fresh };
  } finally {
    asked();
  }
}

/** The canonical name. Asked again when the token was renewed meanwhile. @throws Problem, KernelProblem when the socket may not follow the topic */
async function mayFollowAs(x: LiveContext, socket: LiveSocket, name: string): Promise<string> {
  for (;;) {
    const { caller } = socket.data.connection;
    if (!mayFollow(caller.session?.scope, name)) throw new Problem('FORBIDDEN', 'the token does not name this topic');
    const topic = await x.topics.authorize(name, caller.principal);
    if (socket.data.connection.caller === caller) return topic;
  }
}

/** Ends a subscription at this side; false when there was none. */
export async function forget(x: Pick<LiveContext, 'metrics' | 'congestion'>, socket: LiveSocket, topic: string): Promise<boolean> {
  if (!socket.data.connection.topics.delete(topic)) return false;
  x.metrics.subscriptions.dec();
  x.congestion.leave(socket, topic);
  await socket.leave(topicRoom(topic));
  return true;
}

/** How far the reader has seen a log; his own actor keeps it. */
export async function seenUpTo(x: LiveContext, p: Principal, topic: string): Promise<number> {
  if (p.kind !== 'user') return 0;
  const { value } = await x.actors.read(`user:${p.id}`, 'reads', {}, { from: p, level: 'eventual' });
  return (value as { readonly [topic: string]: number })[topic] ?? 0;
}
