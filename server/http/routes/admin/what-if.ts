/** What a command would do, without doing it. */
import { z } from 'zod';
import { kindOf } from '../../../../actors/ids.ts';
import { answer, route } from '../../route.ts';
import type { Route } from '../../route.ts';
import { auditRead, eyesOf } from './deps.ts';
import type { AdminDeps } from './deps.ts';
import { Microstep } from './microsteps.ts';
import { ActorPath, iso, refOf } from './schemas.ts';

const Question = z.strictObject({
  event: z
    .looseObject({ type: z.string().max(120).describe('a command of the kind') })
    .describe('the command, with its payload beside the type'),
  at: z.iso.datetime({ offset: true }).optional().describe('time that the machine is told; default now, never before its last event'),
  seq: z.int().min(1).optional().describe('on the state after this event; default the present one'),
});

const Timer = z.strictObject({ type: z.string(), due: z.iso.datetime(), seq: z.int() });

const Outlook = z.strictObject({
  ref: z.string(),
  seq: z.int().describe('number of the state on which it was decided; 0: there is no actor yet'),
  at: z.iso.datetime(),
  accepted: z.boolean(),
  reply: z.unknown().optional(),
  refusal: z
    .strictObject({
      code: z.string(),
      detail: z.string().optional(),
      details: z.record(z.string(), z.unknown()).optional(),
      retryAfterMs: z.number().optional(),
    })
    .optional(),
  stateText: z.string().describe('state path'),
  state: z.unknown(),
  patch: z.unknown(),
  microsteps: z.array(Microstep),
  messages: z.array(z.strictObject({ to: z.string(), type: z.string(), payload: z.unknown() })),
  effects: z.array(z.strictObject({ src: z.string(), invoke: z.string(), input: z.unknown() })),
  stopped: z.array(z.string()).describe('effects that would be given up'),
  armed: z.record(z.string(), Timer),
  cancelled: z.array(z.string()).describe('timers'),
  rows: z
    .array(z.strictObject({ into: z.string(), op: z.string(), row: z.unknown() }))
    .describe('of companion tables, items of log topics, and jobs; whether the database would take them is not tried'),
  signals: z.array(z.strictObject({ view: z.string(), item: z.unknown() })),
});

export function whatIfRoutes(d: AdminDeps): Route[] {
  return [
    route({
      method: 'POST',
      path: '/v1/admin/actors/:kind/:id/what-if',
      auth: 'inspect:read',
      summary: 'What a command of this operator would do to an actor, now or in the past; nothing is committed',
      params: ActorPath,
      body: Question,
      reply: { 200: Outlook },
      problems: ['NOT_FOUND', 'NOT_RETAINED', 'UNKNOWN_KIND', 'UNKNOWN_COMMAND', 'ACTOR_ERASED', 'PAYLOAD_TOO_LARGE'],
      run: async (c) => {
        const ref = refOf(c.params);
        const { event, at, seq } = c.body;
        const from = { kind: 'operator', id: c.caller.id, roles: c.caller.roles } as const;
        const when = at === undefined ? undefined : Date.parse(at);
        const { actorId, ...found } = await d.inspect.whatIf(ref, event, { from, at: when, seq });
        const { reply, armed, ...outlook } = found;
        await auditRead(d, c, 'what-if', actorId, outlook.seq);
        const timers = Object.fromEntries(Object.entries(armed).map(([id, t]) => [id, { ...t, due: iso(t.due) }]));
        const eyes = eyesOf(d, c);
        const { kind } = c.params;
        const outcome = reply.ok
          ? { accepted: true, reply: eyes.reply(kind, event.type, reply.reply) }
          : { accepted: false, refusal: eyes.refusal(reply.error) };
        return answer({
          ref,
          ...outlook,
          ...outcome,
          at: iso(outlook.at),
          armed: timers,
          state: eyes.state(kind, outlook.state),
          patch: eyes.patch(kind, outlook.patch),
          microsteps: eyes.microsteps(kind, event.type, outlook.microsteps),
          messages: outlook.messages.map((m) => ({ ...m, payload: eyes.event(kindOf(m.to), m.type, m.payload) })),
          effects: outlook.effects.map((e) => ({ ...e, input: eyes.effect(kind, e.src, e.input) })),
          rows: outlook.rows.map((row) => eyes.row(kind, row)),
          signals: outlook.signals.map((s) => ({ ...s, item: eyes.item(kind, s.view, s.item) })),
        });
      },
    }),
  ];
}
