import { assign, enqueueActions, setup } from 'xstate';
import { z } from 'zod';
import { command, companion, defineActor, kernel, platformOnly } from '../../actors/define.ts';
import type { ActorKind } from '../../actors/define.ts';
import { from, self } from '../../actors/scope.ts';

export interface PeerContext {
  /** what arrived, in order, with its sender */
  heard: string[];
  sent: number;
}

type PeerEvent =
  | { type: 'peer.ask'; to: string }
  | { type: 'peer.question' }
  | { type: 'peer.answer' }
  | { type: 'peer.serve'; to: string; left: number }
  | { type: 'peer.ball'; left: number }
  | { type: 'peer.write'; to: string; times: number }
  | { type: 'peer.note'; i: number }
  | { type: 'peer.plain'; to: string }
  | { type: 'peer.letter'; i: number }
  | { type: 'peer.claim'; place: string; to: string }
  | { type: 'peer.order'; place: string; to: string }
  | { type: 'peer.take'; place: string }
  | { type: 'peer.close' }
  | { type: 'peer.reopen' }
  | { type: 'thrum.undelivered'; to: string; code: string };

const hear = (context: PeerContext, text: string): { heard: string[] } => ({ heard: [...context.heard, text] });

const machine = setup({
  types: { context: {} as PeerContext, events: {} as PeerEvent, input: {} as { id: string } },
  actions: {
    ...kernel.actions,
    write: enqueueActions(({ context, event, enqueue }) => {
      if (event.type !== 'peer.write') return;
      for (let i = 0; i < event.times; i += 1)
        enqueue({ type: 'tell', params: { to: event.to, type: 'peer.note', payload: { i: context.sent + i } } });
      enqueue.assign({ sent: context.sent + event.times });
    }),
    return: enqueueActions(({ event, enqueue }) => {
      if (event.type === 'peer.ball' && event.left > 0)
        enqueue({ type: 'tell', params: { to: from().id, type: 'peer.ball', payload: { left: event.left - 1 } } });
    }),
  },
}).createMachine({
  id: 'peer',
  context: () => ({ heard: [], sent: 0 }),
  initial: 'open',
  on: {
    'peer.answer': { actions: assign(({ context }) => hear(context, `answer of ${from().id}`)) },
    'thrum.undelivered': { actions: assign(({ context, event }) => hear(context, `undelivered ${event.to} ${event.code}`)) },
  },
  states: {
    open: {
      on: {
        'peer.ask': {
          actions: [{ type: 'tell', params: ({ event }) => ({ to: event.to, type: 'peer.question', payload: {} }) }, { type: 'reply' }],
        },
        'peer.question': {
          actions: [
            assign(({ context }) => hear(context, `question of ${from().id}`)),
            { type: 'tell', params: () => ({ to: from().id, type: 'peer.answer', payload: {} }) },
          ],
        },
        'peer.serve': {
          actions: [
            { type: 'tell', params: ({ event }) => ({ to: event.to, type: 'peer.ball', payload: { left: event.left - 1 } }) },
            { type: 'reply' },
          ],
        },
        'peer.ball': { actions: [assign(({ context, event }) => hear(context, `ball ${event.left}`)), 'return'] },
        'peer.write': { actions: ['write', { type: 'reply' }] },
        'peer.note': { actions: assign(({ context, event }) => hear(context, `${from().id}#${event.i}`)) },
        'peer.plain': {
          actions: [
            {
              type: 'tell',
              params: ({ context, event }) => ({ to: event.to, type: 'peer.letter', payload: { i: context.sent } }),
            },
            assign({ sent: ({ context }) => context.sent + 1 }),
            { type: 'reply' },
          ],
        },
        'peer.letter': { actions: assign(({ context, event }) => hear(context, `${from().id}#${event.i}`)) },
        'peer.claim': {
          actions: [
            {
              type: 'row',
              params: ({ event }) => ({
                into: 'places',
                op: 'insert' as const,
                row: { claim: `${self()} ${event.place}`, place: event.place, state: 'held' },
              }),
            },
            { type: 'tell', params: ({ event }) => ({ to: event.to, type: 'peer.note', payload: { i: 0 } }) },
            { type: 'reply' },
          ],
        },
        'peer.order': {
          actions: [
            { type: 'tell', params: ({ event }) => ({ to: event.to, type: 'peer.take', payload: { place: event.place } }) },
            { type: 'reply' },
          ],
        },
        'peer.take': {
          actions: [
            assign(({ context, event }) => hear(context, `took ${event.place}`)),
            {
              type: 'row',
              params: ({ event }) => ({
                into: 'places',
                op: 'insert' as const,
                row: { claim: `${self()} ${event.place}`, place: event.place, state: 'held' },
              }),
            },
          ],
        },
        'peer.close': { target: 'closed', actions: { type: 'reply' } },
      },
    },
    closed: {
      on: {
        'peer.question': { actions: { type: 'reject', params: { code: 'PEER_CLOSED' } } },
        'peer.reopen': { target: 'open', actions: { type: 'reply' } },
      },
    },
  },
});

const nothing = z.strictObject({});
const bare = { input: nothing, reply: z.null() } as const;
const to = z.string();
const internal = { reply: z.null(), allow: platformOnly, fuse: true } as const;

/** Actors that talk to each other. All their messages may be fused but `peer.letter`. */
export const peer: ActorKind = defineActor<PeerContext>({
  kind: 'peer',
  version: 1,
  machine,
  context: z.strictObject({ heard: z.array(z.string()), sent: z.number() }),
  commands: {
    'peer.ask': command({ input: z.strictObject({ to }), reply: z.null() }),
    'peer.question': command({ input: nothing, ...internal, rejects: ['PEER_CLOSED'] }),
    'peer.answer': command({ input: nothing, ...internal }),
    'peer.serve': command({ input: z.strictObject({ to, left: z.number() }), reply: z.null() }),
    'peer.ball': command({ input: z.strictObject({ left: z.number() }), ...internal }),
    'peer.write': command({ input: z.strictObject({ to, times: z.number() }), reply: z.null() }),
    'peer.note': command({ input: z.strictObject({ i: z.number() }), ...internal }),
    'peer.plain': command({ input: z.strictObject({ to }), reply: z.null() }),
    'peer.letter': command({ input: z.strictObject({ i: z.number() }), reply: z.null(), allow: platformOnly }),
    'peer.claim': command({ input: z.strictObject({ place: z.string(), to }), reply: z.null(), rejects: ['PLACE_TAKEN'] }),
    'peer.order': command({ input: z.strictObject({ place: z.string(), to }), reply: z.null() }),
    'peer.take': command({ input: z.strictObject({ place: z.string() }), ...internal, rejects: ['PLACE_TAKEN'] }),
    'peer.close': command(bare),
    'peer.reopen': command(bare),
  },
  companions: {
    places: companion({
      table: 'test_places',
      key: ['claim'],
      mode: 'guarded',
      columns: { claim: 'text', place: 'text', state: 'text' },
      frozen: ['place'],
      refuse: { code: 'PLACE_TAKEN', alarm: true },
    }),
  },
});
