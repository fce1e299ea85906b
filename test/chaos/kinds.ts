/** The actors that live through the chaos beside those of the product. Each notices by itself when a promise is broken (`wrong` counts). */
import { enqueueActions, setup } from 'xstate';
import { z } from 'zod';
import { registryOf } from '../../actors/companion.ts';
import { command, defineActor, defineTopic, kernel, query } from '../../actors/define.ts';
import type { ActorKind, Companion, Snap } from '../../actors/define.ts';
import { now } from '../../actors/scope.ts';
import { kinds as product } from '../../machines/kinds.ts';
import { hold } from '../support/sim-hold.ts';
import { account, list } from '../support/sim-kinds.ts';

/** Errands: up to four timers that are set and cancelled; each that ends is an alert of the log `errand:<id>/done` and a job. */
export interface ErrandContext {
  /** place of the timer -> whose it is and when it is due, epoch ms */
  armed: Record<string, { name: string; due: number }>;
  done: number;
  wrong: number;
}

type ErrandEvent = { type: 'errand.start'; name: string; ms: number } | { type: 'errand.drop'; name: string } | { type: `ended.${number}` };

const PLACES = 4;
const freePlace = (c: ErrandContext): number | undefined =>
  Array.from({ length: PLACES }, (_, i) => i).find((i) => c.armed[i] === undefined);
const placeOf = (c: ErrandContext, name: string): string | undefined => Object.entries(c.armed).find(([, t]) => t.name === name)?.[0];

function without<T>(map: Record<string, T>, key: string): Record<string, T> {
  const { [key]: _gone, ...kept } = map;
  return kept;
}

const errandMachine = setup({
  types: { context: {} as ErrandContext, events: {} as ErrandEvent, input: {} as { id: string } },
  actions: {
    ...kernel.actions,
    start: enqueueActions(({ context, event, enqueue }) => {
      const place = freePlace(context);
      if (event.type !== 'errand.start' || place === undefined) return;
      enqueue.raise({ type: `ended.${place}` }, { id: `place${place}`, delay: event.ms });
      enqueue.assign({ armed: { ...context.armed, [place]: { name: event.name, due: now() + event.ms } } });
      enqueue({ type: 'reply' });
    }),
    drop: enqueueActions(({ context, event, enqueue }) => {
      const place = event.type === 'errand.drop' ? placeOf(context, event.name) : undefined;
      if (place === undefined) return;
      enqueue.cancel(`place${place}`);
      enqueue.assign({ armed: without(context.armed, place) });
      enqueue({ type: 'reply' });
    }),
    end: enqueueActions(({ context, event, enqueue }) => {
      const place = event.type.slice('ended.'.length);
      const timer = context.armed[place];
      const fine = timer !== undefined && now() >= timer.due;
      enqueue({ type: 'publish', params: { view: 'done', item: { name: timer?.name ?? '', due: timer?.due ?? 0, at: now() } } });
      enqueue({ type: 'job', params: { queue: 'chaos', name: 'chaos.errand', data: { name: timer?.name ?? '' } } });
      enqueue.assign({ armed: without(context.armed, place), done: context.done + 1, wrong: context.wrong + (fine ? 0 : 1) });
    }),
  },
  guards: {
    free: ({ context }) => freePlace(context) !== undefined,
    armed: ({ context, event }) => event.type === 'errand.drop' && placeOf(context, event.name) !== undefined,
  },
}).createMachine({
  id: 'errand',
  context: () => ({ armed: {}, done: 0, wrong: 0 }),
  on: {
    'errand.start': [{ guard: 'free', actions: 'start' }, { actions: { type: 'reject', params: { code: 'NOT_ALLOWED' } } }],
    'errand.drop': [{ guard: 'armed', actions: 'drop' }, { actions: { type: 'reject', params: { code: 'NOT_ALLOWED' } } }],
    'ended.0': { actions: 'end' },
    'ended.1': { actions: 'end' },
    'ended.2': { actions: 'end' },
    'ended.3': { actions: 'end' },
  },
});

const name = z.string().min(1).max(40);
const none = z.null();

export const errand: ActorKind = defineActor<ErrandContext>({
  kind: 'errand',
  version: 1,
  machine: errandMachine,
  context: z.strictObject({
    armed: z.record(z.string(), z.strictObject({ name: z.string(), due: z.number() })),
    done: z.number(),
    wrong: z.number(),
  }),
  maps: { armed: 1 },
  commands: {
    'errand.start': command({
      input: z.strictObject({ name, ms: z.number().int().min(1).max(60_000) }),
      reply: none,
      rejects: ['NOT_ALLOWED'],
    }),
    'errand.drop': command({ input: z.strictObject({ name }), reply: none, rejects: ['NOT_ALLOWED'] }),
  },
  queries: { peek: query({ input: z.strictObject({}), output: z.unknown(), run: (s: Snap) => s.context }) },
  topics: [
    defineTopic({
      subject: 'errand',
      view: 'done',
      kind: 'log',
      version: 1,
      item: z.object({ name: z.string(), due: z.number(), at: z.number() }),
      authorize: () => true,
      retainDays: 30,
      retainItems: 100_000,
    }),
  ],
  passivateAfter: 2_000,
  snapshot: { every: 16, bytes: 1 },
});

export const chaosKinds: readonly ActorKind[] = [...product, account, errand, hold, list];

/** The table of a companion or projection, as it is declared. */
function tableOf({ table, key, columns, stamp }: Companion): string {
  const types = new Map<string, string>([
    ...Object.entries(columns).map(([column, type]): [string, string] => [
      column,
      type.endsWith('?') ? type.slice(0, -1) : `${type} not null`,
    ]),
    ...(stamp.actor === undefined ? [] : [[stamp.actor, 'uuid not null'] as const]),
    ...(stamp.seq === undefined ? [] : [[stamp.seq, 'bigint not null'] as const]),
  ]);
  const list = [...types].map(([column, type]) => `"${column}" ${type}`);
  return `create table ${table} (${list.join(', ')}, primary key (${key.map((k) => `"${k}"`).join(', ')}));`;
}

/** Tables of the actors that no migration knows, and where the effect and the job note that they ran. */
export const CHAOS_TABLES = [
  ...[...registryOf([account, errand, hold, list]).values()].filter((c) => c.table.startsWith('sim_')).map(tableOf),
  'create table chaos_jobs (job_id uuid not null, name text not null, node text not null, at timestamptz not null default now());',
  'create table chaos_effects (key text not null, token int not null, node text not null, at timestamptz not null default now());',
].join('\n');
