import { assign, setup } from 'xstate';
import { z } from 'zod';
import { command, defineActor, defineTopic, kernel } from '../actors/define.ts';

interface TapeContext {
  count: number;
}

/** An actor with a log: every command is one item, whose `n` is its number. Whoever follows it can tell what is missing and what came twice. */
export const tape = defineActor<TapeContext>({
  kind: 'tape',
  version: 1,
  machine: setup({
    types: { context: {} as TapeContext, events: {} as { type: 'tape.add' } },
    actions: kernel.actions,
  }).createMachine({
    id: 'tape',
    context: { count: 0 },
    initial: 'on',
    states: {
      on: {
        on: {
          'tape.add': {
            actions: [
              assign({ count: ({ context }) => context.count + 1 }),
              { type: 'publish', params: ({ context }) => ({ view: 'items', item: { n: context.count } }) },
              { type: 'reply', params: null },
            ],
          },
        },
      },
    },
  }),
  context: z.strictObject({ count: z.number() }),
  commands: { 'tape.add': command({ input: z.strictObject({}), reply: z.null() }) },
  topics: [
    defineTopic({
      subject: 'tape',
      view: 'items',
      kind: 'log',
      version: 1,
      item: z.object({ n: z.number() }),
      authorize: () => true,
      retainDays: 30,
      retainItems: 100_000,
    }),
  ],
});
