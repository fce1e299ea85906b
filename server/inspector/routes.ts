/** The first inspector: list, one actor, its journal, the definition of a machine (kernel 13.1). Reads of an actor are audited. */
import type { Knex } from 'knex';
import { z } from 'zod';
import { invalid } from '../problems.ts';
import { answer, route } from '../http/route.ts';
import type { Route, RouteContext } from '../http/route.ts';
import type { Inspect } from '../../actors/inspect.ts';
import type { DirectoryRow } from '../../actors/store/store.ts';

const Entry = z.strictObject({
  ref: z.string(),
  kind: z.string(),
  id: z.string(),
  status: z.string(),
  state: z.string().nullable().describe('state path, at most 5 s old'),
  mver: z.int(),
  lastSeq: z.int(),
  lastAt: z.iso.datetime().nullable(),
  createdAt: z.iso.datetime(),
});
const Detail = z.strictObject({
  ref: z.string(),
  actorId: z.string(),
  status: z.string(),
  state: z.string().describe('state path'),
  seq: z.int(),
  mver: z.int(),
  lastAt: z.iso.datetime(),
  slot: z.int(),
  temperature: z.enum(['hot', 'cold']).describe('hot: in memory'),
  mailbox: z.int().describe('commands that wait'),
  uncommitted: z.int(),
  value: z.unknown().describe('active states'),
  context: z.record(z.string(), z.unknown()),
  timers: z.record(z.string(), z.strictObject({ type: z.string(), due: z.iso.datetime(), seq: z.int() })),
  calls: z.record(z.string(), z.int()).describe('effects under way, with the seq that started each'),
  logs: z.record(z.string(), z.int()).describe('log topics, with the number of the last item'),
});
const Row = z.strictObject({
  seq: z.int(),
  at: z.iso.datetime(),
  type: z.string(),
  event: z.unknown(),
  patch: z.unknown(),
  reply: z.unknown(),
  mver: z.int(),
  meta: z.unknown(),
});
const Machine = z.strictObject({
  kind: z.string(),
  version: z.int(),
  hash: z.string(),
  commands: z.array(z.string()),
  definition: z.unknown(),
});

const Summary = Machine.omit({ definition: true });

const Params = z.object({
  kind: z.string().regex(/^[a-z]{1,20}$/),
  id: z.string().regex(/^[A-Za-z0-9_.:-]{1,120}$/),
});
const seq = z.coerce.number().int().min(0);

const iso = (at: number): string => new Date(at).toISOString();
const entry = (a: DirectoryRow): z.output<typeof Entry> => ({
  ref: `${a.kind}:${a.id}`,
  kind: a.kind,
  id: a.id,
  status: a.status,
  state: a.state,
  mver: a.mver,
  lastSeq: a.lastSeq,
  lastAt: a.lastAt === null ? null : iso(a.lastAt),
  createdAt: iso(a.createdAt),
});

const cursorOf = (a: DirectoryRow): string => Buffer.from(`${a.lastAt ?? 0}.${a.actorId}`).toString('base64url');

function afterCursor(cursor: string): { lastAt: number; actorId: string } {
  const [, lastAt, actorId] = /^(\d{1,15})\.([0-9a-f-]{36})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (lastAt === undefined || actorId === undefined) throw invalid([{ path: 'query.cursor', message: 'is not a cursor of this list' }]);
  return { lastAt: Number(lastAt), actorId };
}

export interface InspectorDeps {
  readonly inspect: Inspect;
  readonly knex: Knex;
}

export function inspectorRoutes({ inspect, knex }: InspectorDeps): Route[] {
  const audit = async (c: Pick<RouteContext, 'caller' | 'requestId'>, action: string, actorId: string, atSeq: number): Promise<void> => {
    const detail = JSON.stringify({ requestId: c.requestId });
    await knex('thrum_admin_audit').insert({ admin: c.caller.id, action, actor_id: actorId, before_seq: atSeq, after_seq: atSeq, detail });
  };
  return [
    route({
      method: 'GET',
      path: '/v1/admin/actors',
      auth: 'admin',
      summary: 'Actors, the most recently changed first',
      query: z.object({
        kind: z
          .string()
          .regex(/^[a-z]{1,20}$/)
          .optional(),
        state: z.string().max(200).optional().describe('prefix of the state path'),
        status: z.enum(['active', 'done', 'paused', 'quarantined', 'erased']).optional(),
        q: z.string().max(120).optional().describe('part of the id'),
        limit: z.coerce.number().int().min(1).max(200).default(50),
        cursor: z.string().max(200).optional(),
      }),
      reply: { 200: z.strictObject({ items: z.array(Entry), nextCursor: z.string().optional() }) },
      run: async (c) => {
        const { cursor, limit, ...filter } = c.query;
        const found = await inspect.list({ ...filter, limit: limit + 1, ...(cursor === undefined ? {} : { after: afterCursor(cursor) }) });
        const page = found.slice(0, limit);
        const last = page.at(-1);
        const nextCursor = found.length > limit && last !== undefined ? { nextCursor: cursorOf(last) } : {};
        return answer({ items: page.map(entry), ...nextCursor });
      },
    }),
    route({
      method: 'GET',
      path: '/v1/admin/actors/:kind/:id',
      auth: 'admin',
      summary: 'One actor: state, context, timers, what waits',
      params: Params,
      reply: { 200: Detail },
      problems: ['NOT_FOUND', 'UNKNOWN_KIND'],
      run: async (c) => {
        const a = await inspect.one(`${c.params.kind}:${c.params.id}`);
        await audit(c, 'actor.read', a.actorId, a.seq);
        const { value, context, calls, logs } = a.state;
        const timers = Object.fromEntries(
          Object.entries(a.state.timers).map(([id, t]) => [id, { type: t.type, due: iso(t.due), seq: t.seq }]),
        );
        const { ref, actorId, status, stateText: state, seq, mver, slot, temperature, mailbox, uncommitted } = a;
        const head = { ref, actorId, status, state, seq, mver, lastAt: iso(a.lastAt), slot, temperature, mailbox, uncommitted };
        return answer({ ...head, value, context, timers, calls, logs });
      },
    }),
    route({
      method: 'GET',
      path: '/v1/admin/actors/:kind/:id/journal',
      auth: 'admin',
      summary: 'Journal of an actor, newest first',
      params: Params,
      query: z.object({ before: seq.optional(), after: seq.optional(), limit: z.coerce.number().int().min(1).max(500).default(200) }),
      reply: { 200: z.strictObject({ items: z.array(Row) }) },
      problems: ['NOT_FOUND', 'UNKNOWN_KIND'],
      run: async (c) => {
        const ref = `${c.params.kind}:${c.params.id}`;
        const a = await inspect.one(ref);
        const rows = await inspect.journal(ref, c.query);
        await audit(c, 'journal.read', a.actorId, a.seq);
        return answer({ items: rows.map((r) => ({ ...r, at: iso(r.at) })) });
      },
    }),
    route({
      method: 'GET',
      path: '/v1/admin/machines',
      auth: 'admin',
      summary: 'Every kind of actor',
      reply: { 200: z.strictObject({ items: z.array(Summary) }) },
      run: () => {
        const summary = (kind: string): z.output<typeof Summary> => {
          const { definition: _, ...rest } = inspect.machine(kind);
          return rest;
        };
        return answer({ items: inspect.kinds().map(summary) });
      },
    }),
    route({
      method: 'GET',
      path: '/v1/admin/machines/:kind',
      auth: 'admin',
      summary: 'Definition of the statechart of a kind',
      params: Params.pick({ kind: true }),
      reply: { 200: Machine },
      problems: ['UNKNOWN_KIND'],
      run: (c) => answer(inspect.machine(c.params.kind)),
    }),
  ];
}
