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

async function subscribe(x: LiveContext, socket: LiveSocket, { t: asked, e, s, n }: Entry): Promise<SubResult> {
  const c = socket.data.connection;
  let joined: string | undefined;
  try {
    const { principal } = c.caller;
    const name = resolveMe(asked, principal);
    if (!mayFollow(c.caller.session?.scope, name)) throw new Problem('FORBIDDEN', 'the token does not name this topic');
    const topic = await x.topics.authorize(name, principal);
    if (!socket.connected) throw new Problem('UNAVAILABLE', 'the connection has ended');
    if (!c.topics.has(topic)) {
      if (c.topics.size >= x.config.topicsPerConnection) {
        const detail = `a connection may have ${x.config.topicsPerConnection} topics; leave one first`;
        throw new Problem('TOO_MANY_TOPICS', detail, { limit: x.config.topicsPerConnection }, { retryAfterMs: FULL_MS });
      }
      c.topics.add(topic);
      x.metrics.subscriptions.inc();
      joined = topic;
    }
    if (!x.congestion.hold(socket, topic)) await socket.join(topicRoom(topic));
    await x.nodes?.fence();
    const slice = await x.slices(topic, e === undefined || s === undefined ? { n: n ?? LOG_ITEMS } : { e, s });
    x.metrics.resumes.inc({ result: slice.kind === 'signal' ? 'signal' : slice.m });
    const seen = slice.kind === 'log' ? { seen: await seenUpTo(x, principal, topic) } : {};
    return { ok: true, ...(asked === topic ? {} : { a: asked }), ...seen, ...slice };
  } catch (error) {
    if (joined !== undefined && c.topics.delete(joined)) {
      x.metrics.subscriptions.dec();
      await socket.leave(topicRoom(joined));
    }
    return { ok: false, t: asked, error: x.problem(error) };
  }
}

/** How far the reader has seen a log; his own actor keeps it. */
export async function seenUpTo(x: LiveContext, p: Principal, topic: string): Promise<number> {
  if (p.kind !== 'user') return 0;
  const { value } = await x.actors.read(`user:${p.id}`, 'reads', {}, { from: p, level: 'eventual' });
  return (value as { readonly [topic: string]: number })[topic] ?? 0;
}
