import { setup } from 'xstate';
import { z } from 'zod';
import { defineActor, defineTopic, command, kernel, platformOnly } from '../../actors/define.ts';
import type { AlertFact } from '../../machines/anomaly/schema.ts';
import { AlertItem, alertFacts } from '../../machines/anomaly/schema.ts';

const publish = {
  actions: { type: 'publish', params: ({ event }: { event: AlertFact }) => ({ view: 'alerts', item: event.item }) },
} as const;

const machine = setup({
  types: { events: {} as AlertFact | { type: 'user.register' } },
  actions: { ...kernel.actions },
}).createMachine({
  id: 'owner',
  context: {},
  on: { 'user.register': {}, 'alert.opened': publish as never, 'alert.updated': publish as never, 'alert.closed': publish as never },
});

/** The least that the owner of a monitor does: it publishes what its monitors tell it. Stands for the user where only monitors are tested. */
export const owner = defineActor({
  kind: 'user',
  version: 1,
  context: z.strictObject({}),
  machine,
  commands: {
    ...alertFacts,
    'user.register': command({ input: z.object({ displayName: z.string(), timeZone: z.string() }), reply: z.null(), allow: platformOnly }),
  },
  topics: [
    defineTopic({
      subject: 'user',
      view: 'alerts',
      kind: 'log',
      version: 1,
      item: AlertItem,
      authorize: () => true,
      retainDays: 90,
      retainItems: 1_000,
    }),
  ],
});
