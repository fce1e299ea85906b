/** The history of one actor. */
import { z } from 'zod';
import type { Patch } from '../../../../actors/patch.ts';
import { answer, route } from '../../route.ts';
import type { Route } from '../../route.ts';
import { auditRead, eyesOf } from './deps.ts';
import type { AdminDeps } from './deps.ts';
import { ActorPath, iso, refOf, Seq } from './schemas.ts';

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

const Past = z.strictObject({
  ref: z.string(),
  seq: z.int(),
  at: z.iso.datetime(),
  mver: z.int(),
  stateText: z.string().describe('state path'),
  state: z.unknown(),
  diff: z.unknown().optional().describe('patch that leads to the state after the other event'),
});

export function journalRoutes(d: AdminDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/admin/actors/:kind/:id/journal',
      auth: 'inspect:read',
      summary: 'Journal of an actor, newest first',
      params: ActorPath,
      query: z.object({ before: Seq.optional(), after: Seq.optional(), limit: z.coerce.number().int().min(1).max(500).default(200) }),
      reply: { 200: z.strictObject({ items: z.array(Row) }) },
      problems: ['NOT_FOUND', 'UNKNOWN_KIND'],
      run: async (c) => {
        const ref = refOf(c.params);
        const a = await d.inspect.one(ref);
        const rows = await d.inspect.journal(ref, c.query);
        await auditRead(d, c, 'journal.read', a.actorId, a.seq);
        const eyes = eyesOf(d, c);
        const { kind } = c.params;
        return answer({
          items: rows.map((r) => ({
            ...r,
            at: iso(r.at),
            event: eyes.event(kind, r.type, r.event),
            patch: eyes.patch(kind, r.patch as Patch),
            reply: eyes.reply(kind, r.type, r.reply),
          })),
        });
      },
    }),
    route({
      method: 'GET',
      path: '/v1/admin/actors/:kind/:id/at/:seq',
      auth: 'inspect:read',
      summary: 'The state of an actor after an event of the past, with the difference to that after another',
      params: ActorPath.extend({ seq: Seq }),
      query: z.object({ diff: Seq.optional().describe('seq of the other state') }),
      reply: { 200: Past },
      problems: ['NOT_FOUND', 'NOT_RETAINED', 'UNKNOWN_KIND', 'ACTOR_ERASED'],
      run: async (c) => {
        const ref = refOf(c.params);
        const { actorId, ...past } = await d.inspect.at(ref, c.params.seq);
        const patch = c.query.diff === undefined ? undefined : await d.inspect.between(ref, past.seq, c.query.diff);
        await auditRead(d, c, 'past.read', actorId, past.seq);
        const eyes = eyesOf(d, c);
        const { kind } = c.params;
        const state = eyes.state(kind, past.state);
        return answer({ ref, ...past, at: iso(past.at), state, ...(patch === undefined ? {} : { diff: eyes.patch(kind, patch) }) });
      },
    }),
  ];
}
