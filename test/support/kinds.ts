import { assign, enqueueActions, setup } from 'xstate';
import { z } from 'zod';
import { command, companion, defineActor, defineTopic, effect, effectRef, kernel, platformOnly, query } from '../../actors/define.ts';
import type { ActorKind } from '../../actors/define.ts';
import { from, last, now, rnd, self } from '../../actors/scope.ts';

const nothing = z.strictObject({});
const none = z.null();

/**
 * A counter with everything a test of the kernel needs: replies, refusals, faults, timers, effects, messages, items, companion rows.
 * Companions: `notes` (append), `totals` (upsert, adds), `places` (guarded, exclusive by place while active).
 */
export interface CounterContext {
  n: number;
  sent: number;
  got: Record<string, number>;
  heard: string[];
  late: number;
  drawn: number;
  blob: string;
  days: Record<string, Record<string, number>>;
}

const counterContext = z.strictObject({
  n: z.number(),
  sent: z.number(),
  got: z.record(z.string(), z.number()),
  heard: z.array(z.string()),
  late: z.number(),
  drawn: z.number(),
  blob: z.string(),
  days: z.record(z.string(), z.record(z.string(), z.number())),
});

type Stamped = { $: { late?: number; at: number } };

export type CounterEvent = (
  | { type: 'counter.add'; by: number }
  | { type: 'counter.guarded' }
  | { type: 'counter.refuse' }
  | { type: 'counter.both' }
  | { type: 'counter.throw' }
  | { type: 'counter.loop' }
  | { type: 'counter.grow'; size: number }
  | { type: 'counter.send'; to: string; times: number; command?: string }
  | { type: 'counter.take'; i: number }
  | { type: 'counter.arm'; ms: number }
  | { type: 'counter.disarm' }
  | { type: 'counter.note'; text: string }
  | { type: 'counter.claim'; claim: string; place: string; fail?: boolean }
  | { type: 'counter.release'; claim: string }
  | { type: 'counter.day'; day: string; key: string; v: number }
  | { type: 'counter.emit'; items: number }
  | { type: 'counter.start' }
  | { type: 'counter.stop' }
  | { type: 'counter.draw' }
  | { type: 'counter.sleep' }
  | { type: 'counter.back' }
  | { type: 'counter.deep' }
  | { type: 'counter.end' }
  | { type: 'thrum.undelivered'; to: string; code: string }
  | { type: 'fired' }
  | { type: 'again' }
) &
  Stamped;

const machine = setup({
  types: { context: {} as CounterContext, events: {} as CounterEvent, input: {} as { id: string } },
  actions: {
    ...kernel.actions,
    send: enqueueActions(({ context, event, enqueue }) => {
      if (event.type !== 'counter.send') return;
      for (let i = 0; i < event.times; i += 1) {
        enqueue({ type: 'tell', params: { to: event.to, type: event.command ?? 'counter.take', payload: { i: context.sent + i } } });
      }
      enqueue.assign({ sent: context.sent + event.times });
    }),
    emit: enqueueActions(({ event, enqueue }) => {
      if (event.type !== 'counter.emit') return;
      for (let i = 0; i < event.items; i += 1) enqueue({ type: 'publish', params: { view: 'feed', item: { no: last('feed') + 1 + i } } });
    }),
    poison: enqueueActions(({ context, enqueue }) => {
      if (context.blob === 'poison')
        enqueue({ type: 'row', params: { into: 'places', op: 'insert', row: { claim: 'poison', place: 'taken', state: 'held' } } });
    }),
    countLate: assign({ late: ({ event }) => event.$.late ?? -1, n: ({ context }) => context.n + 1_000 }),
  },
  actors: { work: effectRef<{ n: number }, { done: number }>('work') },
  guards: {
    positive: ({ context }) => context.n > 0,
    explode: () => {
      throw new Error('the guard exploded');
    },
  },
}).createMachine({
  id: 'counter',
  context: () => ({ n: 0, sent: 0, got: {}, heard: [], late: 0, drawn: 0, blob: '', days: {} }),
  initial: 'open',
  on: { 'counter.deep': { target: '#counter.nest.second', actions: { type: 'reply' } } },
  states: {
    open: {
      on: {
        'counter.add': {
          actions: [
            assign({ n: ({ context, event }) => context.n + event.by }),
            { type: 'reply', params: ({ context }: { context: CounterContext }) => ({ n: context.n }) },
          ],
        },
        'counter.guarded': { guard: 'positive', actions: { type: 'reply' } },
        'counter.refuse': {
          actions: {
            type: 'reject',
            params: ({ context }: { context: CounterContext }) => ({ code: 'COUNTER_SAYS_NO', details: { n: context.n } }),
          },
        },
        'counter.both': {
          actions: [assign({ n: ({ context }) => context.n + 1 }), { type: 'reject', params: { code: 'COUNTER_SAYS_NO' } }],
        },
        'counter.throw': { guard: 'explode' },
        'counter.loop': 'looping',
        'counter.grow': {
          actions: [assign({ blob: ({ event }) => (event.size === 0 ? 'poison' : 'x'.repeat(event.size)) }), { type: 'reply' }],
        },
        'counter.send': { actions: ['send', { type: 'reply' }] },
        'counter.take': {
          actions: assign({
            n: ({ context }) => context.n + 1,
            got: ({ context, event }) => ({ ...context.got, [from().id]: Math.max(context.got[from().id] ?? -1, event.i) }),
            heard: ({ context, event }) => [...context.heard, `${from().id}#${event.i}`].slice(-200),
          }),
        },
        'thrum.undelivered': {
          actions: assign({ heard: ({ context, event }) => [...context.heard, `undelivered ${event.to} ${event.code}`] }),
        },
        'counter.arm': {
          actions: [
            { type: 'reply' },
            enqueueActions(({ event, enqueue }) => {
              enqueue.cancel('alarm');
              enqueue.raise({ type: 'fired' } as CounterEvent, { id: 'alarm', delay: event.ms });
            }),
          ],
        },
        'counter.disarm': { actions: [{ type: 'reply' }, enqueueActions(({ enqueue }) => enqueue.cancel('alarm'))] },
        fired: { actions: ['countLate', 'poison'] },
        'counter.note': {
          actions: [
            { type: 'row', params: ({ event }) => ({ into: 'notes', op: 'insert' as const, row: { text: event.text, at: now() } }) },
            { type: 'row', params: { into: 'totals', op: 'put', row: { name: 'notes', count: 1 } } },
            { type: 'reply' },
          ],
        },
        'counter.claim': {
          actions: [
            assign({ n: ({ context }) => context.n + 1 }),
            {
              type: 'row',
              params: ({ event }) => ({
                into: 'places',
                op: 'insert' as const,
                row: { claim: event.claim, place: event.place, state: 'held' },
              }),
            },
            { type: 'reply' },
          ],
        },
        'counter.release': {
          actions: [
            {
              type: 'row',
              params: ({ event }) => ({ into: 'places', op: 'update' as const, row: { claim: event.claim, state: 'released' } }),
            },
            { type: 'reply' },
          ],
        },
        'counter.day': {
          actions: [
            assign({
              days: ({ context, event }) => ({ ...context.days, [event.day]: { ...context.days[event.day], [event.key]: event.v } }),
            }),
            { type: 'reply' },
          ],
        },
        'counter.emit': { actions: ['emit', { type: 'reply' }] },
        'counter.start': { target: 'working', actions: { type: 'reply' } },
        'counter.draw': {
          actions: [
            assign({ drawn: () => rnd() }),
            { type: 'reply', params: ({ context }: { context: CounterContext }) => ({ drawn: context.drawn, by: self() }) },
          ],
        },
        'counter.sleep': { target: 'asleep', actions: { type: 'reply' } },
        'counter.end': { target: 'ended', actions: { type: 'reply' } },
      },
    },
    looping: { always: 'looping2' },
    looping2: { always: 'looping' },
    working: {
      invoke: {
        src: 'work',
        id: 'work',
        input: ({ context }) => ({ n: context.n }),
        onDone: { target: 'open', actions: assign({ n: ({ event }) => event.output.done }) },
      },
      on: {
        'counter.stop': { target: 'open', actions: { type: 'reply' } },
        'counter.start': { target: 'working', reenter: true, actions: { type: 'reply' } },
      },
    },
    asleep: {
      after: { 600_000: { target: 'open', actions: 'countLate' } },
      on: { 'counter.back': { target: 'open', actions: { type: 'reply' } } },
    },
    nest: {
      initial: 'first',
      states: { first: {}, second: {}, memory: { type: 'history', history: 'deep' } },
      on: { 'counter.sleep': { target: 'away', actions: { type: 'reply' } } },
    },
    away: { on: { 'counter.back': { target: 'nest.memory', actions: { type: 'reply' } } } },
    ended: { type: 'final' },
  },
});

export const notes = companion({
  table: 'test_notes',
  key: ['actor_id', 'text'],
  mode: 'append',
  columns: { text: 'text', at: 'bigint' },
  erase: 'delete',
});
export const totals = companion({
  table: 'test_totals',
  key: ['actor_id', 'name'],
  mode: 'upsert',
  columns: { name: 'text', count: 'int' },
  add: ['count'],
});
export const places = companion({
  table: 'test_places',
  key: ['claim'],
  mode: 'guarded',
  columns: { claim: 'text', place: 'text', state: 'text' },
  frozen: ['place'],
  refuse: { code: 'PLACE_TAKEN', alarm: true },
});

const anyone = { input: nothing, reply: none } as const;

export const counterFeed = defineTopic({
  subject: 'counter',
  view: 'feed',
  kind: 'log',
  version: 1,
  item: z.object({ no: z.number() }),
  authorize: () => true,
  retainDays: 1,
  retainItems: 1_000,
});
export const counterValue = defineTopic({
  subject: 'counter',
  view: 'value',
  kind: 'state',
  version: 1,
  schema: z.object({ n: z.number(), label: z.string() }),
  project: (s: { context: CounterContext }) => ({ n: s.context.n, label: 'the value of this counter is a number that grows' }),
  authorize: (p) => !p.roles.includes('banned'),
  conflateMs: 100,
});

export const counter: ActorKind = defineActor<CounterContext>({
  kind: 'counter',
  version: 1,
  machine,
  context: counterContext,
  maps: { got: 1, days: 2 },
  visible: (p) => p.id !== 'stranger',
  commands: {
    'counter.add': command({ input: z.strictObject({ by: z.number().int() }), reply: z.object({ n: z.number() }) }),
    'counter.guarded': command(anyone),
    'counter.refuse': command({ ...anyone, rejects: ['COUNTER_SAYS_NO'], fuse: true }),
    'counter.both': command({ ...anyone, rejects: ['COUNTER_SAYS_NO'] }),
    'counter.throw': command(anyone),
    'counter.loop': command(anyone),
    'counter.grow': command({ input: z.strictObject({ size: z.number() }), reply: none }),
    'counter.send': command({ input: z.strictObject({ to: z.string(), times: z.number(), command: z.string().optional() }), reply: none }),
    'counter.take': command({ input: z.strictObject({ i: z.number() }), reply: none, allow: platformOnly, fuse: true }),
    'counter.arm': command({ input: z.strictObject({ ms: z.number() }), reply: none }),
    'counter.disarm': command(anyone),
    'counter.note': command({ input: z.strictObject({ text: z.string() }), reply: none }),
    'counter.claim': command({
      input: z.strictObject({ claim: z.string(), place: z.string(), i: z.number().optional() }),
      reply: none,
      rejects: ['PLACE_TAKEN'],
      fuse: true,
    }),
    'counter.release': command({ input: z.strictObject({ claim: z.string() }), reply: none, rejects: ['PLACE_TAKEN'] }),
    'counter.day': command({ input: z.strictObject({ day: z.string(), key: z.string(), v: z.number() }), reply: none }),
    'counter.emit': command({ input: z.strictObject({ items: z.number() }), reply: none }),
    'counter.start': command(anyone),
    'counter.stop': command(anyone),
    'counter.draw': command({ input: nothing, reply: z.object({ drawn: z.number(), by: z.string() }) }),
    'counter.sleep': command(anyone),
    'counter.back': command(anyone),
    'counter.deep': command(anyone),
    'counter.end': command(anyone),
  },
  queries: { n: query({ input: nothing, output: z.number(), run: (s: { context: CounterContext }) => s.context.n }) },
  effects: {
    work: effect({
      input: z.object({ n: z.number() }),
      output: z.object({ done: z.number() }),
      timeout: 1_000,
      retry: { attempts: 3, base: 10, factor: 2, max: 50 },
    }),
  },
  topics: [counterFeed, counterValue],
  companions: { notes, totals, places },
  limits: { mailbox: 100, timers: 4 },
});
