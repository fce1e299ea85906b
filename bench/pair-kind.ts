/** Two actors that talk: a request, a question to the other actor, its answer, and a signal when the answer is durable. */
import { assign, setup } from 'xstate';
import { z } from 'zod';
import { command, defineActor, defineTopic, kernel, platformOnly } from '../actors/define.ts';
import { from } from '../actors/scope.ts';

const PairContext = z.strictObject({ asked: z.number(), answered: z.number() });
type PairContext = z.output<typeof PairContext>;

type PairEvent = { type: 'pair.ask'; to: string; i: number } | { type: 'pair.question'; i: number } | { type: 'pair.answer'; i: number };

const machine = setup({
  types: { context: {} as PairContext, events: {} as PairEvent },
  actions: { ...kernel.actions },
}).createMachine({
  id: 'pair',
  context: { asked: 0, answered: 0 },
  on: {
    'pair.ask': {
      actions: [
        assign({ asked: ({ context }) => context.asked + 1 }),
        { type: 'tell', params: ({ event }) => ({ to: event.to, type: 'pair.question', payload: { i: event.i } }) },
        { type: 'reply' },
      ],
    },
    'pair.question': {
      actions: [
        assign({ answered: ({ context }) => context.answered + 1 }),
        { type: 'tell', params: ({ event }) => ({ to: from().id, type: 'pair.answer', payload: { i: event.i } }) },
      ],
    },
    'pair.answer': { actions: { type: 'publish', params: ({ event }) => ({ view: 'answers', item: { i: event.i } }) } },
  },
});

const I = z.strictObject({ i: z.number() });
const told = command<PairContext>({ input: I, reply: z.null(), allow: platformOnly, fuse: true });

export const pairKind = defineActor<PairContext>({
  kind: 'pair',
  version: 1,
  machine,
  context: PairContext,
  commands: {
    'pair.ask': command<PairContext>({ input: I.extend({ to: z.string() }), reply: z.null() }),
    'pair.question': told,
    'pair.answer': told,
  },
  topics: [defineTopic({ subject: 'pair', view: 'answers', kind: 'signal', version: 1, item: I, authorize: () => true })],
});
