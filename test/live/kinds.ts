import { setup } from 'xstate';
import { z } from 'zod';
import { assign } from 'xstate';
import { command, defineActor, defineTopic, kernel, platformOnly, query } from '../../actors/define.ts';
import { Reads, Seen } from '../../machines/user/schema.ts';

interface PersonContext {
  name: string;
  mood: string;
  hidden?: true | undefined;
  reads: { [topic: string]: number };
}

/** The least that identity asks of a user's actor, and a view that only its owner may read. */
export const person = defineActor<PersonContext>({
  kind: 'user',
  version: 1,
  machine: setup({
    types: {
      context: {} as PersonContext,
      events: {} as
        | { type: 'user.register'; displayName: string }
        | { type: 'user.feel'; mood: string }
        | { type: 'user.update'; hidden: boolean }
        | { type: 'notification.seen'; topic: string; s: number },
    },
    actions: kernel.actions,
  }).createMachine({
    id: 'user',
    context: { name: '', mood: 'fine', reads: {} },
    initial: 'active',
    states: {
      active: {
        on: {
          'user.register': { actions: [assign({ name: ({ event }) => event.displayName }), { type: 'reply' }] },
          'notification.seen': {
            actions: [
              assign({ reads: ({ context, event }) => ({ ...context.reads, [event.topic]: event.s }) }),
              { type: 'reply', params: ({ event }: { event: { s: number } }) => ({ s: event.s }) },
            ],
          },
          'user.update': { actions: [assign({ hidden: ({ event }) => (event.hidden ? (true as const) : undefined) }), { type: 'reply' }] },
          'user.feel': { actions: [assign({ mood: ({ event }) => event.mood }), { type: 'reply' }] },
        },
      },
    },
  }),
  context: z.strictObject({ name: z.string(), mood: z.string(), hidden: z.literal(true).optional(), reads: Reads }),
  visible: (p, ref) => ref === `user:${p.id}` || p.roles.includes('staff'),
  owner: (ref) => ref.slice('user:'.length),
  create: ['user.register'],
  commands: {
    'user.register': command({
      input: z.strictObject({ displayName: z.string(), timeZone: z.string() }),
      reply: z.null(),
      allow: platformOnly,
    }),
    'notification.seen': command({ input: Seen, reply: z.strictObject({ s: z.number() }) }),
    'user.update': command({ input: z.strictObject({ hidden: z.boolean() }), reply: z.null() }),
    'user.feel': command({ input: z.strictObject({ mood: z.string() }), reply: z.null() }),
  },
  queries: {
    profile: query<PersonContext>({
      input: z.strictObject({}),
      output: z.strictObject({ hidden: z.literal(true).optional() }),
      run: ({ context }) => (context.hidden === true ? { hidden: context.hidden } : {}),
    }),
    reads: query<PersonContext>({ input: z.strictObject({}), output: Reads, run: (s) => s.context.reads }),
  },
  topics: [
    defineTopic({
      subject: 'user',
      view: 'mood',
      kind: 'state',
      version: 1,
      schema: z.strictObject({ mood: z.string() }),
      project: (s) => ({ mood: (s.context as PersonContext).mood }),
      authorize: (p, { id }) => p.id === id,
      conflateMs: 0,
    }),
  ],
});
