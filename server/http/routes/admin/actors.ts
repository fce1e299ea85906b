/** The list of actors, and one actor as it is now. */
import { z } from 'zod';
import type { DirectoryPlace, DirectorySort } from '../../../../actors/store/directory.ts';
import type { DirectoryRow } from '../../../../actors/store/store.ts';
import { invalid } from '../../../problems.ts';
import { answer, route } from '../../route.ts';
import type { Route } from '../../route.ts';
import { auditRead, eyesOf } from './deps.ts';
import type { AdminDeps } from './deps.ts';
import { ActorPath, iso, Kind, refOf } from './schemas.ts';

const Entry = z.strictObject({
  ref: z.string(),
  kind: z.string(),
  id: z.string(),
  slot: z.int(),
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
  temperature: z.enum(['hot', 'warm', 'cold']).describe('hot: can run, warm: kept in memory as text, cold: only in the store'),
  mailbox: z.int().describe('commands that wait'),
  uncommitted: z.int(),
  value: z.unknown().describe('active states'),
  context: z.record(z.string(), z.unknown()),
  timers: z.record(z.string(), z.strictObject({ type: z.string(), due: z.iso.datetime(), seq: z.int() })),
  calls: z.record(z.string(), z.int()).describe('effects under way, with the seq that started each'),
  logs: z.record(z.string(), z.int()).describe('log topics, with the number of the last item'),
});

const entry = (a: DirectoryRow): z.output<typeof Entry> => ({
  ref: `${a.kind}:${a.id}`,
  kind: a.kind,
  id: a.id,
  slot: a.slot,
  status: a.status,
  state: a.state,
  mver: a.mver,
  lastSeq: a.lastSeq,
  lastAt: a.lastAt === null ? null : iso(a.lastAt),
  createdAt: iso(a.createdAt),
});

const Place = z.tuple([z.enum(['recent', 'oldest', 'events', 'name']), z.union([z.number(), z.string()]), z.string()]);

const cursorOf = (sort: DirectorySort, place: DirectoryPlace): string =>
  Buffer.from(JSON.stringify([sort, ...place])).toString('base64url');

function afterCursor(cursor: string, sort: DirectorySort): DirectoryPlace {
  let read: z.output<typeof Place> | undefined;
  try {
    read = Place.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()));
  } catch {
    read = undefined;
  }
  const fits = read?.[0] === sort && (sort === 'name' ? typeof read[1] === 'string' : typeof read[1] === 'number' && UUID.test(read[2]));
  if (read === undefined || !fits) throw invalid([{ path: 'query.cursor', message: 'is not a cursor of this list' }]);
  return [read[1], read[2]];
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function actorListRoutes(d: AdminDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/admin/actors',
      auth: 'inspect:read',
      summary: 'Actors by kind, state, status, slot or part of the id',
      query: z.object({
        kind: Kind.optional(),
        state: z.string().max(200).optional().describe('prefix of the state path'),
        status: z.enum(['active', 'done', 'paused', 'quarantined', 'erased', 'gone']).optional(),
        node: z.string().max(64).optional().describe('the node that owns the slot'),
        slot: z.coerce.number().int().min(0).max(1_023).optional(),
        q: z.string().max(120).optional().describe('part of the id'),
        sort: z
          .enum(['recent', 'oldest', 'events', 'name', 'mailbox', 'faults'])
          .default('recent')
          .describe('mailbox and faults list actors in memory, the greatest first, without further pages'),
        limit: z.coerce.number().int().min(1).max(200).default(50),
        cursor: z.string().max(400).optional(),
      }),
      reply: { 200: z.strictObject({ items: z.array(Entry), nextCursor: z.string().optional() }) },
      run: async (c) => {
        const { cursor, sort, ...filter } = c.query;
        if (sort === 'mailbox' || sort === 'faults') return answer({ items: (await d.inspect.busiest(sort, filter)).map(entry) });
        const after = cursor === undefined ? undefined : afterCursor(cursor, sort);
        const { items, next } = await d.inspect.list({ ...filter, sort, after });
        return answer({ items: items.map(entry), ...(next === undefined ? {} : { nextCursor: cursorOf(sort, next) }) });
      },
    }),
    route({
      method: 'GET',
      path: '/v1/admin/actors/:kind/:id',
      auth: 'inspect:read',
      summary: 'One actor: state, context, timers, what waits',
      params: ActorPath,
      reply: { 200: Detail },
      problems: ['NOT_FOUND', 'UNKNOWN_KIND'],
      run: async (c) => {
        const a = await d.inspect.one(refOf(c.params));
        await auditRead(d, c, 'actor.read', a.actorId, a.seq);
        const { value, context, calls, logs } = eyesOf(d, c).state(c.params.kind, a.state);
        const timers = Object.fromEntries(
          Object.entries(a.state.timers).map(([id, t]) => [id, { type: t.type, due: iso(t.due), seq: t.seq }]),
        );
        const { ref, actorId, status, stateText: state, seq, mver, slot, temperature, mailbox, uncommitted } = a;
        const head = { ref, actorId, status, state, seq, mver, lastAt: iso(a.lastAt), slot, temperature, mailbox, uncommitted };
        return answer({ ...head, value, context, timers, calls, logs });
      },
    }),
  ];
}
