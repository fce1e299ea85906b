/** An actor that asks the outside world and waits for the result, which must be that of the call it waits for. */
import { assign, setup } from 'xstate';
import { z } from 'zod';
import { command, defineActor, effect, effectRef, kernel, projection } from '../../actors/define.ts';
import type { ActorKind } from '../../actors/define.ts';
import type { EffectFunctions } from '../../actors/effects.ts';
import { NonRetryable } from '../../actors/errors.ts';
import type { ActorRef } from '../../actors/types.ts';
import { bare, none, peek } from './sim-kinds.ts';
import type { Chance, SimProcess } from './sim-loop.ts';

export interface HoldContext {
  token: number;
  done: number;
  failed: number;
  wrong: number;
}

type HoldEvent = { type: 'hold.request'; token: number } | { type: 'hold.cancel' } | { type: 'hold.reset' };

const holdMachine = setup({
  types: { context: {} as HoldContext, events: {} as HoldEvent, input: {} as { id: string } },
  actions: { ...kernel.actions },
  actors: { capture: effectRef<{ token: number }, { token: number }>('capture') },
}).createMachine({
  id: 'hold',
  context: () => ({ token: 0, done: 0, failed: 0, wrong: 0 }),
  initial: 'idle',
  states: {
    idle: {
      on: { 'hold.request': { target: 'capturing', actions: [assign({ token: ({ event }) => event.token }), { type: 'reply' }] } },
    },
    capturing: {
      invoke: {
        src: 'capture',
        id: 'capture',
        input: ({ context }) => ({ token: context.token }),
        onDone: {
          target: 'captured',
          actions: assign({
            done: ({ context }) => context.done + 1,
            wrong: ({ context, event }) => context.wrong + (event.output.token === context.token ? 0 : 1),
          }),
        },
        onError: { target: 'failed', actions: assign({ failed: ({ context }) => context.failed + 1 }) },
      },
      after: { 40_000: 'idle' },
      on: {
        'hold.cancel': { target: 'idle', actions: { type: 'reply' } },
        'hold.request': {
          target: 'capturing',
          reenter: true,
          actions: [assign({ token: ({ event }) => event.token }), { type: 'reply' }],
        },
      },
    },
    captured: { on: { 'hold.reset': { target: 'idle', actions: { type: 'reply' } } } },
    failed: { on: { 'hold.reset': { target: 'idle', actions: { type: 'reply' } } } },
  },
});

export const hold: ActorKind = defineActor<HoldContext>({
  kind: 'hold',
  version: 1,
  machine: holdMachine,
  context: z.strictObject({ token: z.number(), done: z.number(), failed: z.number(), wrong: z.number() }),
  commands: {
    'hold.request': command({ input: z.strictObject({ token: z.number() }), reply: none }),
    'hold.cancel': command(bare),
    'hold.reset': command(bare),
  },
  queries: peek,
  projections: {
    busy: projection<HoldContext>({
      table: 'sim_busy',
      columns: { id: 'text', state: 'text', token: 'int', at: 'bigint' },
      row: (s, { id, at }) => (s.matches('idle') ? null : { id, state: s.value, token: s.context.token, at }),
    }),
  },
  effects: {
    capture: effect({
      input: z.object({ token: z.number() }),
      output: z.object({ token: z.number() }),
      timeout: 2_000,
      retry: { attempts: 4, base: 50, factor: 2, max: 500 },
      concurrency: 3,
    }),
  },
  passivateAfter: 2_000,
  snapshot: { every: 12, bytes: 1 },
  retention: { journal: '24h' },
});

export interface Outside {
  readonly chance: Chance;
  readonly witness: { tail(ref: ActorRef): number };
  fail(error: unknown): void;
}

/** The outside world: slow now and then, and failing, for a while or for good. */
export function holdEffects(w: Outside, process: SimProcess): EffectFunctions {
  const world = w.chance.stream('outside');
  const waits = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      process.later(ms, resolve);
    });
  return {
    hold: {
      capture: async ({ key, ref, input }) => {
        const seq = Number(key.split('/')[1]);
        const { token } = input as { token: number };
        if (w.witness.tail(ref) < seq) w.fail(new Error(`I5: the effect ${key} of ${ref} starts before row ${seq} is committed`));
        const fate = world();
        await waits(world() * 80);
        if (fate < 0.15) throw new Error('try again');
        if (fate < 0.22) throw new NonRetryable('never');
        if (fate < 0.3) await waits(2_500);
        else if (fate < 0.4) await waits(world() * 1_500);
        return { token };
      },
    },
  };
}
