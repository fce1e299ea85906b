/** The tables that follow the actors: whether they are built, and building them again. */
import { z } from 'zod';
import { answer, route } from '../../route.ts';
import type { Route } from '../../route.ts';
import { operator } from './deps.ts';
import type { AdminDeps } from './deps.ts';
import { iso, Kind, Reason } from './schemas.ts';

const Projection = z.strictObject({
  projection: z.string().describe('`kind/name`'),
  table: z.string(),
  version: z.int().describe('of the declaration'),
  state: z.enum(['built', 'building', 'older']).describe('older: the rows are of another version, or were never built'),
  builtAt: z.iso.datetime().optional(),
  failed: z.int().describe('actors whose row this node could not write'),
});
const Path = z.object({ kind: Kind, name: z.string().regex(/^[a-z][A-Za-z0-9]{0,39}$/) });

export function projectionRoutes({ operate }: AdminDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/admin/projections',
      auth: 'inspect:read',
      summary: 'Tables that follow the actors, and whether they are built',
      reply: { 200: z.strictObject({ items: z.array(Projection) }) },
      run: async () => {
        const items = (await operate.projections()).map(({ built, ...p }) => {
          const state = built?.version !== p.version ? 'older' : built.doneAt === null ? 'building' : 'built';
          return { ...p, state, ...(typeof built?.doneAt === 'number' ? { builtAt: iso(built.doneAt) } : {}) };
        });
        return answer({ items });
      },
    }),
    route({
      method: 'POST',
      path: '/v1/admin/projections/:kind/:name/rebuild',
      auth: 'inspect:admin',
      summary: 'Builds a table again from all actors, while they go on',
      params: Path,
      body: z.strictObject({ reason: Reason }),
      reply: { 204: null },
      problems: ['NOT_FOUND'],
      run: async (c) => answer(await operate.rebuild(`${c.params.kind}/${c.params.name}`, operator(c))),
    }),
  ];
}
