/** Armed timers of one actor: let one fire before its time, or take it away. */
import { z } from 'zod';
import { answer, route } from '../../route.ts';
import type { Route } from '../../route.ts';
import { accepted, eyesOf, operator, unreached } from './deps.ts';
import type { AdminDeps } from './deps.ts';
import { ActorPath, Reason, refOf } from './schemas.ts';

const TimerPath = ActorPath.extend({ timerId: z.string().regex(/^[\w.:# -]{1,300}$/) });

export function timerRoutes(d: AdminDeps): Route[] {
  const act = (verb: 'fire' | 'cancel', summary: string): Route =>
    route({
      method: 'POST',
      path: `/v1/admin/actors/:kind/:id/timers/:timerId/${verb}`,
      auth: 'inspect:poke',
      summary,
      idempotent: true,
      params: TimerPath,
      body: z.strictObject({ reason: Reason }),
      reply: { 200: z.strictObject({ seq: z.int() }) },
      problems: ['NOT_FOUND', 'UNKNOWN_KIND', 'ACTOR_ERASED', 'ACTOR_PAUSED', 'ACTOR_QUARANTINED', 'ACTOR_FAULT', 'RETRY', ...unreached],
      run: async (c) => {
        const { seq } = accepted(await d.operate.timer(refOf(c.params), c.params.timerId, verb, operator(c)), eyesOf(d, c));
        return answer({ seq });
      },
    });
  return [act('fire', 'Lets a timer fire now'), act('cancel', 'Takes a timer away; the machine does not see it')];
}
