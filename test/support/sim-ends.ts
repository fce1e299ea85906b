/** Actors of the simulation that do not last: one whose newest events a crash of the database may take, and one that ends and is gone after a day. */
import { assign, setup } from 'xstate';
import { z } from 'zod';
import { command, defineActor, kernel } from '../../actors/define.ts';
import type { ActorKind } from '../../actors/define.ts';
import { bare, none, peek } from './sim-kinds.ts';

export interface GaugeContext {
  n: number;
  sum: number;
}

type GaugeEvent = { type: 'gauge.add'; by: number };

const gaugeMachine = setup({
  types: { context: {} as GaugeContext, events: {} as GaugeEvent, input: {} as { id: string } },
  actions: { ...kernel.actions },
}).createMachine({
  id: 'gauge',
  context: () => ({ n: 0, sum: 0 }),
  on: {
    'gauge.add': {
      actions: [
        assign({ n: ({ context }) => context.n + 1, sum: ({ context, event }) => context.sum + event.by }),
        { type: 'reply', params: ({ context }: { context: GaugeContext }) => ({ n: context.n }) },
      ],
    },
  },
});

/** Relaxed durability (kernel specification 7.7). */
export const gauge: ActorKind = defineActor<GaugeContext>({
  kind: 'gauge',
  version: 1,
  machine: gaugeMachine,
  durability: 'relaxed',
  context: z.strictObject({ n: z.number(), sum: z.number() }),
  commands: { 'gauge.add': command({ input: z.strictObject({ by: z.number() }), reply: z.object({ n: z.number() }) }) },
  queries: peek,
  passivateAfter: 2_000,
  snapshot: { every: 6, bytes: 1 },
  retention: { journal: '24h' },
});

export interface VisitContext {
  notes: number;
}

type VisitEvent = { type: 'visit.begin' } | { type: 'visit.note' } | { type: 'visit.end' };

const visitMachine = setup({
  types: { context: {} as VisitContext, events: {} as VisitEvent, input: {} as { id: string } },
  actions: { ...kernel.actions },
}).createMachine({
  id: 'visit',
  context: () => ({ notes: 0 }),
  initial: 'here',
  states: {
    here: {
      on: {
        'visit.begin': { actions: { type: 'reply' } },
        'visit.note': { actions: [assign({ notes: ({ context }) => context.notes + 1 }), { type: 'reply' }] },
        'visit.end': { target: 'left', actions: { type: 'reply' } },
      },
    },
    left: { type: 'final' },
  },
});

/** It is born, ends, and is gone after a time: its history is blank then, and nobody brings it back (kernel specification 4.5). */
export const visit: ActorKind = defineActor<VisitContext>({
  kind: 'visit',
  version: 1,
  machine: visitMachine,
  context: z.strictObject({ notes: z.number() }),
  commands: { 'visit.begin': command(bare), 'visit.note': command({ ...bare, reply: none }), 'visit.end': command(bare) },
  create: ['visit.begin'],
  queries: peek,
  doneTtl: '24h',
  passivateAfter: 1_500,
  snapshot: { every: 6, bytes: 1 },
  retention: { journal: '24h' },
});
