/** The circuits of the systems that the server calls, and what operators do with them (readings 4.3). */
import { z } from 'zod';
import type { ActorSystem } from '../../../../actors/system.ts';
import { Standing, states } from '../../../../machines/breaker/schema.ts';
import { ruleSetNames } from '../../../../machines/breaker/rules.ts';
import type { Circuits, Known } from '../../../outgoing/circuits.ts';
import { answer, route } from '../../route.ts';
import type { Route } from '../../route.ts';
import { accepted, eyesOf, operator } from './deps.ts';
import type { AdminDeps } from './deps.ts';
import { iso, Reason } from './schemas.ts';

const State = z.enum(states);
const Breaker = z.strictObject({
  id: z.string().describe('of the actor breaker:{id}'),
  name: z.string(),
  rules: z.enum(ruleSetNames),
  state: State.nullable().describe('of all nodes together; null: nothing has been reported yet'),
  until: z.iso.datetime().nullable().describe('end of the wait'),
  openings: z.int().describe('in a row'),
  here: z
    .strictObject({ state: State, calls: z.int(), failures: z.int(), slow: z.int() })
    .describe('at the node that answers, with the calls of its window'),
});
const Acted = Standing.omit({ until: true }).extend({ until: z.iso.datetime().nullable() });

const verbs = {
  isolate: 'Refuses every call to the system until somebody decides otherwise',
  reset: 'Closes the circuit: calls pass and are counted anew',
  force: 'Lets every call pass for an hour, whatever becomes of it',
} as const;

export function breakerRoutes(d: AdminDeps & { readonly circuits: Circuits; readonly actors: Pick<ActorSystem, 'read'> }): Route[] {
  async function standing({ id }: Known): Promise<Standing | undefined> {
    try {
      const { value } = await d.actors.read(`breaker:${id}`, 'standing', {}, { from: { kind: 'system', id: 'circuits', roles: [] } });
      return Standing.parse(value);
    } catch {
      // not reported yet, or out of reach: the node's own view is shown all the same
      return undefined;
    }
  }
  const ends = (until: number | undefined): string | null => (until === undefined ? null : iso(until));

  return [
    route({
      method: 'GET',
      path: '/v1/admin/breakers',
      auth: 'inspect:read',
      summary: 'Circuits of the systems that this node calls',
      reply: { 200: z.strictObject({ items: z.array(Breaker) }) },
      run: async () => {
        const list = d.circuits.list().toSorted((a, b) => (a.name < b.name ? -1 : 1));
        const items = await Promise.all(
          list.map(async (known) => {
            const { id, name, rules, circuit } = known;
            const all = await standing(known);
            return {
              id,
              name,
              rules,
              state: all?.state ?? null,
              until: ends(all?.until),
              openings: all?.openings ?? 0,
              here: { state: circuit.state, ...circuit.counts },
            };
          }),
        );
        return answer({ items });
      },
    }),
    ...(['isolate', 'reset', 'force'] as const).map((verb) =>
      route({
        method: 'POST',
        path: `/v1/admin/breakers/:id/${verb}`,
        auth: 'inspect:admin',
        summary: verbs[verb],
        idempotent: true,
        params: z.object({ id: z.string().regex(/^[0-9a-f]{20}$/) }),
        body: z.strictObject({ reason: Reason }),
        reply: { 200: Acted },
        problems: ['NOT_FOUND', 'NOT_ALLOWED', 'ACTOR_PAUSED', 'ACTOR_QUARANTINED'],
        run: async (c) => {
          const command = { type: `breaker.${verb}` };
          const { reply } = accepted(await d.operate.poke(`breaker:${c.params.id}`, command, operator(c), c.key), eyesOf(d, c));
          const { until, ...rest } = Standing.parse(reply);
          return answer({ ...rest, until: ends(until) });
        },
      }),
    ),
  ];
}
