/** Dead letters: events, messages and effects that were given up. */
import { z } from 'zod';
import { answer, route } from '../../route.ts';
import type { Route } from '../../route.ts';
import { accepted, eyesOf, operator, unreached } from './deps.ts';
import type { AdminDeps } from './deps.ts';
import { iso, Kind, Reason } from './schemas.ts';

const Letter = z.strictObject({
  id: z.int(),
  ref: z.string(),
  source: z
    .string()
    .describe('command, tell, timer, result, undelivered: an event that failed; message: one that its receiver refused; effect'),
  event: z.unknown(),
  error: z.unknown(),
  attempts: z.int(),
  at: z.iso.datetime(),
  resolvedAt: z.iso.datetime().nullable(),
  resolvedBy: z.string().nullable(),
  resolution: z.string().nullable(),
});
const LetterPath = z.object({ id: z.coerce.number().int().min(1) });
const Because = z.strictObject({ reason: Reason });

export function deadRoutes(d: AdminDeps): Route[] {
  const { inspect, operate } = d;
  return [
    route({
      method: 'GET',
      path: '/v1/admin/dead',
      auth: 'inspect:read',
      summary: 'Dead letters, newest first',
      query: z.object({
        kind: Kind.optional(),
        actor: z.string().max(141).optional().describe('kind:id'),
        all: z.enum(['true', 'false']).default('false').describe('those that are resolved too'),
        before: z.coerce.number().int().min(1).optional().describe('id of the last letter of the page before'),
        limit: z.coerce.number().int().min(1).max(200).default(50),
      }),
      reply: { 200: z.strictObject({ items: z.array(Letter) }) },
      problems: ['UNKNOWN_KIND'],
      run: async (c) => {
        const { all, ...q } = c.query;
        const letters = await inspect.dead({ ...q, open: all === 'false' });
        const eyes = eyesOf(d, c);
        const items = letters.map((letter) => ({
          id: letter.n,
          ref: `${letter.kind}:${letter.id}`,
          source: letter.source,
          ...eyes.letter(letter.kind, letter),
          attempts: letter.attempts,
          at: iso(letter.at),
          resolvedAt: letter.resolvedAt === null ? null : iso(letter.resolvedAt),
          resolvedBy: letter.resolvedBy,
          resolution: letter.resolution,
        }));
        return answer({ items });
      },
    }),
    route({
      method: 'POST',
      path: '/v1/admin/dead/:id/retry',
      auth: 'inspect:poke',
      summary: 'Delivers again exactly what failed',
      idempotent: true,
      params: LetterPath,
      body: Because,
      reply: { 200: z.strictObject({ seq: z.int(), repeated: z.boolean().describe('it had been applied before') }) },
      problems: ['NOT_FOUND', 'NOT_ALLOWED', 'ACTOR_PAUSED', 'ACTOR_QUARANTINED', 'ACTOR_ERASED', 'ACTOR_FAULT', ...unreached],
      run: async (c) => {
        const { seq, dup = false } = accepted(await operate.retryDead(c.params.id, operator(c)), eyesOf(d, c));
        return answer({ seq, repeated: dup });
      },
    }),
    route({
      method: 'POST',
      path: '/v1/admin/dead/:id/discard',
      auth: 'inspect:poke',
      summary: 'Gives a dead letter up for good',
      idempotent: true,
      params: LetterPath,
      body: Because,
      reply: { 204: null },
      problems: ['NOT_FOUND', 'NOT_ALLOWED'],
      run: async (c) => answer(await operate.discardDead(c.params.id, operator(c))),
    }),
  ];
}
