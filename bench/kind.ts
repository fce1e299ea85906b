/** The machine of the kernel bench (kernel.md 15.2): six states, a context of eight keys, one command that every state takes. */
import { assign, setup } from 'xstate';
import { z } from 'zod';
import { command, defineActor, kernel } from '../actors/define.ts';
import { now } from '../actors/scope.ts';

const StepContext = z.strictObject({
  owner: z.string(),
  title: z.string(),
  steps: z.number(),
  amount: z.number(),
  last: z.number(),
  at: z.number(),
  note: z.string(),
  open: z.boolean(),
});
type StepContext = z.output<typeof StepContext>;

const Step = z.strictObject({ amount: z.number().int().min(0).max(1_000_000), note: z.string().max(100) });
type StepEvent = { type: 'bench.step' } & z.output<typeof Step>;

const machineOf = (time: () => number) =>
  setup({
    types: { context: {} as StepContext, events: {} as StepEvent },
    actions: {
      ...kernel.actions,
      step: assign({
        steps: ({ context }) => context.steps + 1,
        amount: ({ context, event }) => (context.amount + event.amount) % 1_000_000_007,
        last: ({ event }) => event.amount,
        at: () => time(),
        note: ({ event }) => event.note,
      }),
    },
  }).createMachine({
    id: 'step',
    initial: 'idle',
    context: { owner: 'nobody', title: 'bench', steps: 0, amount: 0, last: 0, at: 0, note: '', open: true },
    states: {
      idle: { on: { 'bench.step': { target: 'assigned', actions: ['step', { type: 'reply', params: steps }] } } },
      assigned: { on: { 'bench.step': { target: 'active', actions: ['step', { type: 'reply', params: steps }] } } },
      active: { on: { 'bench.step': { target: 'paused', actions: ['step', { type: 'reply', params: steps }] } } },
      paused: { on: { 'bench.step': { target: 'review', actions: ['step', { type: 'reply', params: steps }] } } },
      review: { on: { 'bench.step': { target: 'settled', actions: ['step', { type: 'reply', params: steps }] } } },
      settled: { on: { 'bench.step': { target: 'idle', actions: ['step', { type: 'reply', params: steps }] } } },
    },
  });

function steps({ context }: { context: StepContext }): { steps: number } {
  return { steps: context.steps };
}

/** The same chart for a plain XState actor, whose time is the wall clock. */
export const plainMachine = machineOf(() => Date.now());

export const stepKind = defineActor<StepContext>({
  kind: 'step',
  version: 1,
  machine: machineOf(() => now()),
  context: StepContext,
  commands: { 'bench.step': command<StepContext>({ input: Step, reply: z.strictObject({ steps: z.number() }) }) },
});

export const stepCommand = (i: number) => ({ type: 'bench.step' as const, amount: i % 1_000, note: 'measured' });
