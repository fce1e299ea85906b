/** Who did what at the inspector. */
import { z } from 'zod';
import { answer, route } from '../../route.ts';
import type { Route } from '../../route.ts';
import type { AdminDeps } from './deps.ts';
import { iso } from './schemas.ts';

const Entry = z.strictObject({
  id: z.int(),
  at: z.iso.datetime(),
  admin: z.string().describe('id of the user'),
  action: z.string(),
  actorId: z.string().nullable(),
  beforeSeq: z.int().nullable(),
  afterSeq: z.int().nullable(),
  reason: z.string().nullable(),
  detail: z.record(z.string(), z.unknown()),
});

export function auditRoutes({ inspect }: AdminDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/admin/audit',
      auth: 'inspect:admin',
      summary: 'Acts of operators, newest first',
      query: z.object({
        admin: z.string().max(120).optional(),
        action: z.string().max(60).optional(),
        actor: z.string().max(141).optional().describe('kind:id'),
        before: z.coerce.number().int().min(1).optional().describe('id of the last entry of the page before'),
        limit: z.coerce.number().int().min(1).max(200).default(50),
      }),
      reply: { 200: z.strictObject({ items: z.array(Entry) }) },
      run: async (c) => {
        const entries = await inspect.audits(c.query);
        return answer({ items: entries.map(({ n: id, at, ...rest }) => ({ id, at: iso(at), ...rest })) });
      },
    }),
  ];
}
