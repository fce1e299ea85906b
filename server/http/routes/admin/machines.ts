/** The statecharts that this build runs. */
import { z } from 'zod';
import { answer, route } from '../../route.ts';
import type { Route } from '../../route.ts';
import type { AdminDeps } from './deps.ts';
import { ActorPath } from './schemas.ts';

const Machine = z.strictObject({
  kind: z.string(),
  version: z.int(),
  hash: z.string(),
  commands: z.array(z.string()),
  definition: z.unknown(),
});
const Summary = Machine.omit({ definition: true });

export function machineRoutes({ inspect }: AdminDeps): Route[] {
  const summary = (kind: string): z.output<typeof Summary> => {
    const { definition: _, ...rest } = inspect.machine(kind);
    return rest;
  };
  return [
    route({
      method: 'GET',
      path: '/v1/admin/machines',
      auth: 'inspect:read',
      summary: 'Every kind of actor',
      reply: { 200: z.strictObject({ items: z.array(Summary) }) },
      run: () => answer({ items: inspect.kinds().map(summary) }),
    }),
    route({
      method: 'GET',
      path: '/v1/admin/machines/:kind',
      auth: 'inspect:read',
      summary: 'Definition of the statechart of a kind',
      params: ActorPath.pick({ kind: true }),
      reply: { 200: Machine },
      problems: ['UNKNOWN_KIND'],
      run: (c) => answer(inspect.machine(c.params.kind)),
    }),
  ];
}
