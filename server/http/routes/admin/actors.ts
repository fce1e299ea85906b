/** The list of actors, and one actor as it is now. */
import { z } from 'zod';
import type { DeadLetter, OutboxEntry } from '../../../../actors/store/admin.ts';
import type { DirectoryPlace, DirectorySort } from '../../../../actors/store/directory.ts';
import type { DirectoryRow } from '../../../../actors/store/store.ts';
import type { Redactor } from '../../../inspector/redact.ts';
import { invalid } from '../../../problems.ts';
import { CursorText, CursorTime, readCursor, writeCursor } from '../../cursor.ts';
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
const Waiting = z.strictObject({
  seq: z.int().describe('of the event that asked for it'),
  n: z.int(),
  op: z.string().describe('tell or effect'),
  target: z.string().describe('actor, or name of the invocation'),
  what: z.string().describe('type of the message, or name of the effect'),
  state: z.string(),
  attempts: z.int(),
  nextAt: z.iso.datetime(),
});
const Failure = z.strictObject({
  id: z.int().describe('of the dead letter'),
  source: z.string(),
  type: z.string().nullable().describe('of the event'),
  error: z.unknown(),
  at: z.iso.datetime(),
  resolution: z.string().nullable(),
});
const Detail = z.strictObject({
  ref: z.string(),
  kind: z.string(),
  id: z.string(),
  actorId: z.string(),
  status: z.string(),
  state: z.string().describe('state path'),
  seq: z.int(),
  mver: z.int(),
  lastAt: z.iso.datetime(),
  slot: z.int(),
  node: z.string().nullable().describe('that serves the actor; null: nobody was ever given its slot'),
  epoch: z.int().describe('of the ownership of the slot'),
  temperature: z
    .enum(['hot', 'warm', 'cold', 'unknown'])
    .describe('hot: can run, warm: kept in memory as text, cold: only in the store, unknown: its node does not answer'),
  mailbox: z.int().describe('events that wait'),
  uncommitted: z.int(),
  faults: z.int().describe('of the last minute'),
  closed: z.string().nullable().describe('code with which commands are refused now'),
  memory: z.strictObject({
    bytes: z.int().describe('estimated; of a hot actor'),
    idleMs: z.int().nullable().describe('since its last event; null when it is not hot'),
    keys: z.int().describe('commands that it would recognise at once'),
    tail: z.int().describe('journal rows since its last snapshot'),
    hotTopics: z.array(z.string()).describe('views that are kept ready for readers'),
  }),
  outbox: z.array(Waiting).describe('messages and effects that are not finished, at most 100'),
  errors: z.array(Failure).describe('the newest dead letters, at most 10'),
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

const Asked = z.object({ type: z.string().optional(), src: z.string().optional() });

function waiting({ seq, n, op, target, payload, state, attempts, nextAt }: OutboxEntry): z.output<typeof Waiting> {
  const { type, src } = Asked.parse(JSON.parse(payload));
  return { seq, n, op, target, what: type ?? src ?? '', state, attempts, nextAt: iso(nextAt) };
}

function failure(eyes: Redactor, letter: DeadLetter): z.output<typeof Failure> {
  const type = Asked.safeParse(letter.event).data?.type ?? null;
  const { error } = eyes.letter(letter.kind, letter);
  return { id: letter.n, source: letter.source, type, error, at: iso(letter.at), resolution: letter.resolution };
}

const Place = z.tuple([z.enum(['recent', 'oldest', 'events', 'name']), z.union([CursorTime, CursorText]), CursorText]);

function afterCursor(cursor: string, sort: DirectorySort): DirectoryPlace {
  const read = readCursor(Place, cursor);
  const fits = read[0] === sort && (sort === 'name' ? typeof read[1] === 'string' : typeof read[1] === 'number' && UUID.test(read[2]));
  if (!fits) throw invalid([{ path: 'query.cursor', message: 'is not a cursor of this list' }]);
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
          .describe('mailbox and faults list actors in the memory of all nodes, the greatest first, without further pages'),
        limit: z.coerce.number().int().min(1).max(200).default(50),
        cursor: z.string().max(400).optional(),
      }),
      reply: {
        200: z.strictObject({
          items: z.array(Entry),
          nextCursor: z.string().optional(),
          silent: z.array(z.string()).optional().describe('nodes that did not answer in time; only of mailbox and faults'),
        }),
      },
      run: async (c) => {
        const { cursor, sort, ...filter } = c.query;
        if (sort === 'mailbox' || sort === 'faults') {
          const { found, silent } = await d.inspect.busiest(sort, filter);
          return answer({ items: found.map(entry), silent });
        }
        const after = cursor === undefined ? undefined : afterCursor(cursor, sort);
        const { items, next } = await d.inspect.list({ ...filter, sort, after });
        return answer({ items: items.map(entry), ...(next === undefined ? {} : { nextCursor: writeCursor([sort, ...next]) }) });
      },
    }),
    route({
      method: 'GET',
      path: '/v1/admin/actors/:kind/:id',
      auth: 'inspect:read',
      summary: 'One actor: where it is served, state, timers, what waits, what failed',
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
        const { ref, actorId, status, stateText: state, seq, mver, slot, standing } = a;
        const { temperature = 'unknown', mailbox = 0, uncommitted = 0, faults = 0, closed = null, epoch = 0 } = standing ?? {};
        const { bytes = 0, idleMs = null, keys = 0, tail = 0, hotTopics = [] } = standing ?? {};
        const place = { slot, node: standing?.node ?? a.owner, epoch, temperature, mailbox, uncommitted, faults, closed };
        return answer({
          ...place,
          ref,
          ...c.params,
          actorId,
          status,
          state,
          seq,
          mver,
          lastAt: iso(a.lastAt),
          memory: { bytes: Math.round(bytes), idleMs, keys, tail, hotTopics: [...hotTopics] },
          value,
          context,
          timers,
          calls,
          logs,
          outbox: a.outbox.map(waiting),
          errors: a.letters.map((letter) => failure(eyesOf(d, c), letter)),
        });
      },
    }),
  ];
}
