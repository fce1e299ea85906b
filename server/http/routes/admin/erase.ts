/** The end of an actor on request of the person that it belongs to (kernel 13.5). */
import { z } from 'zod';
import type { Erasures } from '../../../lifecycle/erasures.ts';
import { answer, route } from '../../route.ts';
import type { Route } from '../../route.ts';
import { ActorPath, Reason, refOf } from './schemas.ts';

export function eraseRoutes({ erasures }: { readonly erasures: Erasures }): Route[] {
  return [
    route({
      method: 'POST',
      path: '/v1/admin/actors/:kind/:id/erase',
      auth: 'inspect:admin',
      summary: 'Erase an actor for good: history, state, items, and the rows that go with it',
      params: ActorPath,
      body: z.strictObject({ reason: Reason }),
      reply: {
        200: z.strictObject({ seq: z.int().describe('of the last row'), fresh: z.boolean().describe('false: it had been erased before') }),
      },
      problems: ['NOT_FOUND', 'UNKNOWN_KIND', 'UNAVAILABLE'],
      run: async (c) => answer(await erasures.erase(refOf(c.params), { by: c.caller.id, reason: c.body.reason })),
    }),
  ];
}
