/** Why an event did what it did. */
import { z } from 'zod';
import { refusal } from '../../../../actors/errors.ts';
import type { Patch } from '../../../../actors/patch.ts';
import { answer, route } from '../../route.ts';
import type { Route } from '../../route.ts';
import { auditRead, eyesOf } from './deps.ts';
import type { AdminDeps } from './deps.ts';
import { ActorPath, iso, refOf, Seq } from './schemas.ts';

export const Microstep = z.strictObject({
  event: z.string(),
  taken: z.array(
    z.strictObject({
      event: z.string().describe('descriptor of the transition, empty where it needs no event'),
      source: z.string(),
      targets: z.array(z.string()),
      guard: z.string().optional(),
    }),
  ),
  guards: z.array(z.strictObject({ guard: z.string(), answer: z.boolean() })).describe('in the order in which they were asked'),
  actions: z.array(z.strictObject({ type: z.string(), params: z.unknown().optional() })).describe('in the order in which they ran'),
});

const Explained = z.strictObject({
  ref: z.string(),
  seq: z.int(),
  type: z.string(),
  at: z.iso.datetime(),
  mver: z.int(),
  microsteps: z.array(Microstep),
  patch: z.unknown().describe('what the event changes when it is handled once more; null when the machine throws'),
  agrees: z.boolean().describe('whether that is what the journal has'),
  fault: z.string().optional(),
});

export function microstepRoutes(d: AdminDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/admin/actors/:kind/:id/microsteps/:seq',
      auth: 'inspect:read',
      summary: 'Transitions, guards and actions of an event of the past, which is handled once more',
      params: ActorPath.extend({ seq: Seq }),
      reply: { 200: Explained },
      problems: ['NOT_FOUND', 'NOT_RETAINED', 'UNKNOWN_KIND', 'ACTOR_ERASED', 'NOT_ALLOWED'],
      run: async (c) => {
        const { actorId, at, fault, ...explained } = await d.inspect.microsteps(refOf(c.params), c.params.seq);
        await auditRead(d, c, 'microsteps.read', actorId, c.params.seq);
        const eyes = eyesOf(d, c);
        const { kind } = c.params;
        const microsteps = eyes.microsteps(kind, explained.type, explained.microsteps);
        const patch = explained.patch === null ? null : eyes.patch(kind, explained.patch as Patch);
        const threw = fault === undefined ? {} : { fault: eyes.refusal(refusal('ACTOR_FAULT', fault)).detail };
        return answer({ ...explained, ...threw, microsteps, patch, at: iso(at) });
      },
    }),
  ];
}
