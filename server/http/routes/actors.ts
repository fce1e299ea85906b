/** Every actor and every topic over plain HTTP: the same pipeline as `cmd` and `sub` on the socket. */
import { z } from 'zod';
import type { Cursor } from '../../../actors/system.ts';
import type { TopicSource } from '../../live/computed.ts';
import type { Config } from '../../config.ts';
import { resolveMe, runCommand } from '../../live/commands.ts';
import { Problem } from '../../problems.ts';
import { answer, route } from '../route.ts';
import type { Route } from '../route.ts';

const Params = z.object({
  kind: z.string().regex(/^[a-z]{1,20}$/),
  id: z.string().regex(/^[A-Za-z0-9_.:-]{1,120}$/),
});
const Json = z.unknown();
const Done = z.strictObject({ seq: z.int(), reply: Json.optional(), dup: z.literal(true).optional(), ch: z.array(z.string()).optional() });

const State = z.strictObject({
  t: z.string(),
  kind: z.enum(['state', 'log', 'signal']),
  e: z.string().optional(),
  s: z.int().optional(),
  m: z.enum(['snap', 'delta', 'same', 'items']).optional(),
  d: Json.optional(),
  floor: z.int().optional(),
  more: z.boolean().optional(),
  gap: z.strictObject({ from: z.int(), to: z.int() }).optional(),
});
const Items = z.strictObject({
  items: z.array(Json),
  e: z.string(),
  /** number of the last item given; ask on with `after` */
  s: z.int(),
  floor: z.int(),
  more: z.boolean(),
  gap: z.strictObject({ from: z.int(), to: z.int() }).optional(),
});

const topicOf = (subject: string, view: string, query: object): string => {
  const search = new URLSearchParams(Object.entries(query as Record<string, string>).sort(([a], [b]) => (a < b ? -1 : 1))).toString();
  return `${subject}/${view}${search === '' ? '' : `?${search}`}`;
};

export const actorRoutes = (topics: TopicSource, limits: Pick<Config, 'commandBytes'>): Route[] => [
  route({
    method: 'POST',
    path: '/v1/actors/:kind/:id/commands/:type',
    auth: 'none',
    summary: 'Sends any declared command to an actor and answers after its commit; `user:me` is the caller',
    params: Params.extend({ type: z.string().regex(/^[a-z][A-Za-z0-9._-]{0,79}$/) }),
    body: z.record(z.string(), z.unknown()),
    idempotent: true,
    ifMatch: true,
    reply: { 200: Done },
    problems: ['NOT_FOUND', 'UNKNOWN_KIND', 'UNKNOWN_COMMAND', 'NOT_ALLOWED', 'FORBIDDEN', 'UNAUTHENTICATED', 'MAILBOX_FULL', 'TIMEOUT'],
    run: async (c) => {
      const { kind, id, type } = c.params;
      const reply = await runCommand(c.actors, limits, {
        key: c.key,
        to: `${kind}:${id}`,
        type,
        payload: c.body,
        seq: c.ifMatch,
        deadline: undefined,
        from: c.caller,
        trace: c.requestId,
        traceparent: c.traceparent,
      });
      if (!reply.ok) throw Problem.from(reply.error, reply.error.code === 'SEQ_MISMATCH' ? { status: 412 } : {});
      const { ok: _, ...done } = reply;
      return answer(done, { dup: reply.dup === true });
    },
  }),
  route({
    method: 'GET',
    path: '/v1/actors/:kind/:id/can',
    auth: 'none',
    summary: 'Commands that the caller could send to the actor now',
    params: Params,
    reply: { 200: z.strictObject({ seq: z.int(), commands: z.array(z.string()) }) },
    problems: ['NOT_FOUND', 'UNKNOWN_KIND', 'UNAUTHENTICATED'],
    run: async (c) => {
      const { kind, id } = c.params;
      return answer(await c.actors.allowed(resolveMe(`${kind}:${id}`, c.caller), c.caller));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/topics/:subject/:view',
    auth: 'none',
    summary: 'Where a topic stands: the published view, or the newest items of a log',
    query: z.record(z.string(), z.string()),
    reply: { 200: State },
    problems: ['NOT_FOUND', 'UNKNOWN_TOPIC', 'FORBIDDEN', 'UNAUTHENTICATED'],
    run: async (c) => {
      const name = resolveMe(topicOf(c.params.subject, c.params.view, c.query), c.caller);
      return answer(await topics.slice(await topics.authorize(name, c.caller), { n: 20 }));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/topics/:subject/:view/items',
    auth: 'none',
    summary: 'Items of a log topic after a number, at most 500 a call',
    query: z.object({
      after: z.coerce.number().int().min(0).optional().describe('number of the last item known; absent: the newest'),
      e: z.string().max(64).optional().describe('epoch of that number, as given before'),
      limit: z.coerce.number().int().min(1).max(100).default(50).describe('items wanted when `after` is absent'),
    }),
    reply: { 200: Items },
    problems: ['NOT_FOUND', 'UNKNOWN_TOPIC', 'FORBIDDEN', 'UNAUTHENTICATED'],
    run: async (c) => {
      const { after, e, limit } = c.query;
      const topic = await topics.authorize(resolveMe(topicOf(c.params.subject, c.params.view, {}), c.caller), c.caller);
      let cursor: Cursor = { n: limit };
      if (after !== undefined) cursor = { e: e ?? (await epochOf(topics, topic)), s: after };
      const slice = await topics.slice(topic, cursor);
      if (slice.kind !== 'log') throw new Problem('UNKNOWN_TOPIC', 'the topic is not a log');
      const { d, e: epoch, s, floor, more, gap } = slice;
      return answer({ items: d, e: epoch, s, floor, more, ...(gap === undefined ? {} : { gap }) });
    },
  }),
];

/** The present epoch, for callers who only remember a number. */
async function epochOf(topics: TopicSource, topic: string): Promise<string> {
  const slice = await topics.slice(topic, { n: 1 });
  return slice.kind === 'signal' ? '' : slice.e;
}
