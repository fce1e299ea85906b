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
const Transition = z.strictObject({
  index: z.int().describe('number of the transition in document order'),
  source: z.string().describe('id of the state that it leaves'),
  event: z.string().describe('descriptor of the event, empty where it needs none'),
  guard: z.string().nullable(),
  targets: z.array(z.string()).describe('ids of the states that it enters; empty: it stays'),
  taken: z.int(),
});
const Coverage = z.strictObject({
  kind: z.string(),
  version: z.int(),
  hash: z.string(),
  versions: z.array(z.int()).describe('that have counts, the newest first'),
  transitions: z.array(Transition).describe('every transition with how often all nodes have taken it; at most 10 s old'),
  never: z.array(z.int()).describe('indices of the transitions that nobody has taken'),
});
const Detail = Machine.extend({ coverage: Coverage.pick({ transitions: true, never: true }) });

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
      summary: 'Definition of the statechart of a kind, with how often each of its transitions was taken',
      params: ActorPath.pick({ kind: true }),
      reply: { 200: Detail },
      problems: ['UNKNOWN_KIND'],
      run: async (c) => {
        const { transitions, never } = await inspect.coverage(c.params.kind);
        return answer({ ...inspect.machine(c.params.kind), coverage: { transitions, never } });
      },
    }),
    route({
      method: 'GET',
      path: '/v1/admin/machines/:kind/coverage',
      auth: 'inspect:read',
      summary: 'How often each transition of a version of a kind was taken in production',
      params: ActorPath.pick({ kind: true }),
      query: z.object({ version: z.coerce.number().int().min(1).optional().describe('default: the version that runs') }),
      reply: { 200: Coverage },
      problems: ['UNKNOWN_KIND', 'NOT_FOUND'],
      run: async (c) => answer(await inspect.coverage(c.params.kind, c.query.version)),
    }),
  ];
}
