/** The kind of the soak: each command writes something to every table that the kernel clears again, and to two of its own. */
import { assign, setup } from 'xstate';
import { z } from 'zod';
import { command, companion, defineActor, effect, effectRef, kernel, platformOnly } from '../actors/define.ts';
import { selfId } from '../actors/scope.ts';

const Chore = z.strictObject({ done: z.number(), noted: z.number() });
type Chore = z.output<typeof Chore>;
type ChoreEvent = { type: 'chore.do'; to: string } | { type: 'chore.note' };

export const CHORES = `
  create table soak_claims (claim text primary key, actor_id uuid not null, seq bigint not null) with (fillfactor = 70);
  create table soak_counts (what text not null, n bigint not null, actor_id uuid not null, seq bigint not null, primary key (actor_id, what))
    with (fillfactor = 70)`;

const claim = (n: number): { claim: string } => ({ claim: `${selfId()}/${n}` });

const machine = setup({
  types: { context: {} as Chore, events: {} as ChoreEvent },
  actions: {
    ...kernel.actions,
    count: assign({ done: ({ context }) => context.done + 1 }),
    note: assign({ noted: ({ context }) => context.noted + 1 }),
  },
  actors: { ring: effectRef<{ n: number }, { n: number }>('ring') },
}).createMachine({
  id: 'chore',
  context: { done: 0, noted: 0 },
  initial: 'idle',
  on: {
    'chore.do': {
      target: '.busy',
      reenter: true,
      actions: [
        'count',
        { type: 'row', params: ({ context }) => ({ into: 'claims', op: 'insert' as const, row: claim(context.done) }) },
        { type: 'row', params: () => ({ into: 'counts', op: 'put' as const, row: { what: 'done', n: 1 } }) },
        { type: 'tell', params: ({ event }) => ({ to: event.to, type: 'chore.note', payload: {} }) },
        { type: 'reply' },
      ],
    },
    'chore.note': { actions: 'note' },
  },
  states: {
    idle: {},
    // an effect, and a deadline that the next state takes back
    busy: {
      invoke: { id: 'ring', src: 'ring', input: ({ context }) => ({ n: context.done }), onDone: 'resting', onError: 'resting' },
      after: { 30_000: 'idle' },
      exit: { type: 'row', params: ({ context }) => ({ into: 'claims', op: 'delete' as const, row: claim(context.done) }) },
    },
    resting: { after: { 200: 'idle' } },
  },
});

export const choreKind = defineActor<Chore>({
  kind: 'chore',
  version: 1,
  machine,
  context: Chore,
  commands: {
    'chore.do': command<Chore>({ input: z.strictObject({ to: z.string() }), reply: z.null() }),
    'chore.note': command<Chore>({ input: z.strictObject({}), reply: z.null(), allow: platformOnly }),
  },
  effects: {
    ring: effect({
      input: z.object({ n: z.number() }),
      output: z.object({ n: z.number() }),
      timeout: 10_000,
      retry: { attempts: 1, base: 100, factor: 2, max: 100 },
      concurrency: 64,
    }),
  },
  companions: {
    claims: companion({ table: 'soak_claims', key: ['claim'], mode: 'guarded', columns: { claim: 'text' } }),
    counts: companion({
      table: 'soak_counts',
      key: ['actor_id', 'what'],
      mode: 'upsert',
      columns: { what: 'text', n: 'bigint' },
      add: ['n'],
    }),
  },
});

export const choreEffects = { chore: { ring: async ({ input }: { input: unknown }) => input as { n: number } } };
