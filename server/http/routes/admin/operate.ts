/** Acts on one actor: send it a command, stop it, let it go on, drop it from memory, write a snapshot. */
import { z } from 'zod';
import type { Operate } from '../../../../actors/operate.ts';
import type { ProblemCode } from '../../../problems.ts';
import { answer, route } from '../../route.ts';
import type { Route } from '../../route.ts';
import { accepted, eyesOf, operator, unreached } from './deps.ts';
import type { AdminDeps } from './deps.ts';
import { ActorPath, Reason, refOf } from './schemas.ts';

const Poke = z.strictObject({
  type: z.string().max(120).describe('a command of the kind'),
  payload: z.record(z.string(), z.unknown()).default({}),
  reason: Reason,
});
const Because = z.strictObject({ reason: Reason });
const known = ['NOT_FOUND', 'UNKNOWN_KIND', 'ACTOR_ERASED', ...unreached] as const satisfies readonly ProblemCode[];

export function operateRoutes(d: AdminDeps): Route[] {
  const { operate } = d;
  const act = (verb: 'pause' | 'resume' | 'passivate', summary: string): Route =>
    route({
      method: 'POST',
      path: `/v1/admin/actors/:kind/:id/${verb}`,
      auth: 'inspect:admin',
      summary,
      idempotent: true,
      params: ActorPath,
      body: Because,
      reply: { 204: null },
      problems: [...known, 'NOT_ALLOWED'],
      run: async (c) => {
        await (operate[verb] satisfies Operate['pause'])(refOf(c.params), operator(c));
        return answer(undefined);
      },
    });
  return [
    route({
      method: 'POST',
      path: '/v1/admin/actors/:kind/:id/poke',
      auth: 'inspect:poke',
      summary: 'Sends a command as this operator',
      idempotent: true,
      params: ActorPath,
      body: Poke,
      reply: { 200: z.strictObject({ seq: z.int(), reply: z.unknown(), repeated: z.boolean() }) },
      problems: [...known, 'UNKNOWN_COMMAND', 'NOT_ALLOWED', 'ACTOR_PAUSED', 'ACTOR_QUARANTINED', 'ACTOR_FAULT', 'IDEMPOTENCY_MISMATCH'],
      run: async (c) => {
        const { type, payload } = c.body;
        const eyes = eyesOf(d, c);
        const { seq, reply, dup = false } = accepted(await operate.poke(refOf(c.params), { ...payload, type }, operator(c), c.key), eyes);
        return answer({ seq, reply: eyes.reply(c.params.kind, type, reply), repeated: dup });
      },
    }),
    act('pause', 'Stops an actor: commands are refused, timers and results are held, reads work'),
    act('resume', 'Lets a paused or quarantined actor go on; what was held comes first'),
    act('passivate', 'Drops an actor from memory'),
    route({
      method: 'POST',
      path: '/v1/admin/actors/:kind/:id/resnapshot',
      auth: 'inspect:admin',
      summary: 'Writes a snapshot of an actor',
      idempotent: true,
      params: ActorPath,
      body: Because,
      reply: { 200: z.strictObject({ seq: z.int().describe('of the snapshot') }) },
      problems: [...known, 'ACTOR_QUARANTINED'],
      run: async (c) => answer(await operate.resnapshot(refOf(c.params), operator(c))),
    }),
  ];
}
