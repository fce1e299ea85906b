/** Actors of the simulation whose rows the database guards: rooms that should never be refused, and names that are expected to be. */
import { assign, enqueueActions, setup } from 'xstate';
import { z } from 'zod';
import { command, companion, defineActor, kernel, query } from '../../actors/define.ts';
import type { ActorKind, Snap } from '../../actors/define.ts';
import { selfId } from '../../actors/scope.ts';
import type { MemRow, MemTable } from '../../actors/store/mem-tables.ts';

const nothing = z.strictObject({});
const none = z.null();
const text = z.string();
const peek = { peek: query({ input: nothing, output: z.unknown(), run: (s: Snap) => s.context }) };

function without(map: Record<string, string>, key: string): Record<string, string> {
  const { [key]: _gone, ...kept } = map;
  return kept;
}

export interface RoomContext {
  /** held claims and their places */
  held: Record<string, string>;
  /** claims that are over, whose rows stand */
  past: Record<string, string>;
}

type RoomEvent =
  | { type: 'room.claim'; claim: string; place: string }
  | { type: 'room.release'; claim: string }
  | { type: 'room.drop'; claim: string }
  | { type: 'room.move'; claim: string; to: string; place: string };

const rowOf = (claim: string, place: string, state: string) => ({ claim: `${selfId()}/${claim}`, place: `${selfId()}/${place}`, state });
const keyOf = (claim: string) => ({ claim: `${selfId()}/${claim}` });

const roomMachine = setup({
  types: { context: {} as RoomContext, events: {} as RoomEvent, input: {} as { id: string } },
  actions: {
    ...kernel.actions,
    claim: enqueueActions(({ context, event, enqueue }) => {
      if (event.type !== 'room.claim') return;
      enqueue.assign({ held: { ...context.held, [event.claim]: event.place } });
      enqueue({ type: 'row', params: { into: 'claims', op: 'insert', row: rowOf(event.claim, event.place, 'held') } });
      enqueue({ type: 'reply' });
    }),
    release: enqueueActions(({ context, event, enqueue }) => {
      if (event.type !== 'room.release') return;
      enqueue.assign({
        held: without(context.held, event.claim),
        past: { ...context.past, [event.claim]: context.held[event.claim] ?? '' },
      });
      enqueue({ type: 'row', params: { into: 'claims', op: 'update', row: { ...keyOf(event.claim), state: 'released' } } });
      enqueue({ type: 'reply' });
    }),
    drop: enqueueActions(({ context, event, enqueue }) => {
      if (event.type !== 'room.drop') return;
      enqueue.assign({ held: without(context.held, event.claim), past: without(context.past, event.claim) });
      enqueue({ type: 'row', params: { into: 'claims', op: 'delete', row: keyOf(event.claim) } });
      enqueue({ type: 'reply' });
    }),
    move: enqueueActions(({ context, event, enqueue }) => {
      if (event.type !== 'room.move') return;
      enqueue.assign({
        held: { ...without(context.held, event.claim), [event.to]: event.place },
        past: { ...context.past, [event.claim]: context.held[event.claim] ?? '' },
      });
      enqueue({ type: 'row', params: { into: 'claims', op: 'update', row: { ...keyOf(event.claim), state: 'released' } } });
      enqueue({ type: 'row', params: { into: 'claims', op: 'insert', row: rowOf(event.to, event.place, 'held') } });
      enqueue({ type: 'reply' });
    }),
  },
  guards: {
    free: ({ context, event }) =>
      event.type === 'room.claim' &&
      context.held[event.claim] === undefined &&
      context.past[event.claim] === undefined &&
      !Object.values(context.held).includes(event.place),
    held: ({ context, event }) => event.type === 'room.release' && context.held[event.claim] !== undefined,
    known: ({ context, event }) =>
      event.type === 'room.drop' && (context.held[event.claim] !== undefined || context.past[event.claim] !== undefined),
    movable: ({ context, event }) =>
      event.type === 'room.move' &&
      context.held[event.claim] !== undefined &&
      context.held[event.to] === undefined &&
      context.past[event.to] === undefined &&
      (context.held[event.claim] === event.place || !Object.values(context.held).includes(event.place)),
  },
}).createMachine({
  id: 'room',
  context: () => ({ held: {}, past: {} }),
  on: {
    'room.claim': [{ guard: 'free', actions: 'claim' }, { actions: { type: 'reject', params: { code: 'SIM_TAKEN' } } }],
    'room.release': [{ guard: 'held', actions: 'release' }, { actions: { type: 'reject', params: { code: 'SIM_TAKEN' } } }],
    'room.drop': [{ guard: 'known', actions: 'drop' }, { actions: { type: 'reject', params: { code: 'SIM_TAKEN' } } }],
    'room.move': [{ guard: 'movable', actions: 'move' }, { actions: { type: 'reject', params: { code: 'SIM_TAKEN' } } }],
  },
});

/** A refusal by the table means that machine and table disagree: the simulation counts it as a failure. */
export const CLAIM_CONFLICT = 'SIM_CLAIM_CONFLICT';
const refusals = { reply: none, rejects: ['SIM_TAKEN', CLAIM_CONFLICT] };

export const room: ActorKind = defineActor<RoomContext>({
  kind: 'room',
  version: 1,
  machine: roomMachine,
  context: z.strictObject({ held: z.record(text, text), past: z.record(text, text) }),
  maps: { held: 1, past: 1 },
  commands: {
    'room.claim': command({ input: z.strictObject({ claim: text, place: text }), ...refusals }),
    'room.release': command({ input: z.strictObject({ claim: text }), ...refusals }),
    'room.drop': command({ input: z.strictObject({ claim: text }), ...refusals }),
    'room.move': command({ input: z.strictObject({ claim: text, to: text, place: text }), ...refusals }),
  },
  queries: peek,
  companions: {
    claims: companion({
      table: 'sim_claims',
      key: ['claim'],
      mode: 'guarded',
      columns: { claim: 'text', place: 'text', state: 'text' },
      frozen: ['place'],
      refuse: { code: CLAIM_CONFLICT, alarm: true },
    }),
  },
  passivateAfter: 2_000,
  snapshot: { every: 12, bytes: 1 },
  retention: { journal: '24h' },
});

export interface HolderContext {
  names: Record<string, boolean>;
}

type HolderEvent = { type: 'holder.take'; name: string } | { type: 'holder.give'; name: string };

const holderMachine = setup({
  types: { context: {} as HolderContext, events: {} as HolderEvent, input: {} as { id: string } },
  actions: { ...kernel.actions },
  guards: { has: ({ context, event }) => context.names[event.name] === true },
}).createMachine({
  id: 'holder',
  context: () => ({ names: {} }),
  on: {
    'holder.take': [
      { guard: 'has', actions: { type: 'reject', params: { code: 'SIM_NAME_TAKEN' } } },
      {
        actions: [
          assign({ names: ({ context, event }) => ({ ...context.names, [event.name]: true }) }),
          { type: 'row', params: ({ event }) => ({ into: 'names', op: 'insert' as const, row: { name: event.name } }) },
          { type: 'reply' },
        ],
      },
    ],
    'holder.give': [
      {
        guard: 'has',
        actions: [
          assign({
            names: ({ context, event }) => {
              const { [event.name]: _gone, ...kept } = context.names;
              return kept;
            },
          }),
          { type: 'row', params: ({ event }) => ({ into: 'names', op: 'delete' as const, row: { name: event.name } }) },
          { type: 'reply' },
        ],
      },
      { actions: { type: 'reject', params: { code: 'SIM_NAME_TAKEN' } } },
    ],
  },
});

const naming = { input: z.strictObject({ name: text }), reply: none, rejects: ['SIM_NAME_TAKEN'] };

export const holder: ActorKind = defineActor<HolderContext>({
  kind: 'holder',
  version: 1,
  machine: holderMachine,
  context: z.strictObject({ names: z.record(text, z.boolean()) }),
  maps: { names: 1 },
  commands: { 'holder.take': command(naming), 'holder.give': command(naming) },
  queries: peek,
  companions: {
    names: companion({
      table: 'sim_names',
      key: ['name'],
      mode: 'guarded',
      columns: { name: 'text' },
      refuse: { code: 'SIM_NAME_TAKEN', alarm: false },
    }),
  },
  passivateAfter: 2_000,
  snapshot: { every: 12, bytes: 1 },
  retention: { journal: '24h' },
});

/** One held claim per place. */
export const claimTables: { readonly [table: string]: MemTable } = {
  sim_claims: {
    conflicts: (stored: MemRow, wanted: MemRow) =>
      stored['state'] === 'held' && wanted['state'] === 'held' && stored['place'] === wanted['place'],
  },
};
