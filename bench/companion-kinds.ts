/** The kinds of P15 to P17: one that publishes an item with each command, one that claims a place under an exclusion constraint. */
import { assign, setup } from 'xstate';
import { z } from 'zod';
import { command, companion, defineActor, defineTopic, kernel } from '../actors/define.ts';
import { last } from '../actors/scope.ts';

const Count = z.strictObject({ n: z.number() });
type Count = z.output<typeof Count>;

const Say = z.strictObject({ text: z.string().max(100) });

/** An item of a log topic for each command. */
export const sayingKind = defineActor<Count>({
  kind: 'saying',
  version: 1,
  machine: setup({
    types: { context: {} as Count, events: {} as { type: 'bench.say' } & z.output<typeof Say> },
    actions: { ...kernel.actions, count: assign({ n: ({ context }) => context.n + 1 }) },
  }).createMachine({
    id: 'saying',
    context: { n: 0 },
    on: {
      'bench.say': {
        actions: [
          'count',
          { type: 'publish', params: ({ event }) => ({ view: 'said', item: { no: last('said') + 1, text: event.text } }) },
          { type: 'reply' },
        ],
      },
    },
  }),
  context: Count,
  commands: { 'bench.say': command<Count>({ input: Say, reply: z.null() }) },
  topics: [
    defineTopic({
      subject: 'saying',
      view: 'said',
      kind: 'log',
      version: 1,
      item: z.object({ no: z.number(), text: z.string() }),
      authorize: () => true,
      retainDays: 1,
      retainItems: 100_000,
    }),
  ],
});

const Claim = z.strictObject({ claim: z.string(), room: z.string(), at: z.int() });

/** The table of {@link claimingKind}: no two claims of a room overlap. */
export const PLACES = `create extension if not exists btree_gist;
  create table bench_places (claim text primary key, room text not null, starts bigint not null, ends bigint not null, actor_id uuid not null,
    seq bigint not null, exclude using gist (room with =, int8range(starts, ends) with &&))`;

/** A row under an exclusion constraint for each command. */
export const claimingKind = defineActor<Count>({
  kind: 'claiming',
  version: 1,
  machine: setup({
    types: { context: {} as Count, events: {} as { type: 'bench.claim' } & z.output<typeof Claim> },
    actions: { ...kernel.actions, count: assign({ n: ({ context }) => context.n + 1 }) },
  }).createMachine({
    id: 'claiming',
    context: { n: 0 },
    on: {
      'bench.claim': {
        actions: [
          'count',
          {
            type: 'row',
            params: ({ event }) => ({
              into: 'places',
              op: 'insert' as const,
              row: { claim: event.claim, room: event.room, starts: event.at * 10, ends: event.at * 10 + 10 },
            }),
          },
          { type: 'reply' },
        ],
      },
    },
  }),
  context: Count,
  commands: { 'bench.claim': command<Count>({ input: Claim, reply: z.null(), rejects: ['BENCH_TAKEN'] }) },
  companions: {
    places: companion({
      table: 'bench_places',
      key: ['claim'],
      mode: 'guarded',
      columns: { claim: 'text', room: 'text', starts: 'bigint', ends: 'bigint' },
      frozen: ['room', 'starts', 'ends'],
      refuse: { code: 'BENCH_TAKEN', alarm: true },
    }),
  },
});
