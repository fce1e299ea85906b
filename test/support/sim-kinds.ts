/**
 * What the simulation runs: small actors, each of which notices by itself when a promise of the kernel is broken (`wrong` counts).
 * Sums of accounts are conserved; timers fire armed and due; results belong to the call that waits; rows equal state.
 */
import { assign, enqueueActions, setup } from 'xstate';
import { z } from 'zod';
import { command, companion, defineActor, defineTopic, kernel, platformOnly, projection, query } from '../../actors/define.ts';
import type { ActorKind, Snap } from '../../actors/define.ts';
import { from, last, now } from '../../actors/scope.ts';

const nothing = z.strictObject({});
export const none = z.null();
const text = z.string();
export const peek = { peek: query({ input: nothing, output: z.unknown(), run: (s: Snap) => s.context }) };
const anyone = { authorize: () => true, version: 1 } as const;

function without<T>(map: Record<string, T>, key: string): Record<string, T> {
  const { [key]: _gone, ...kept } = map;
  return kept;
}

// --------------------------------------------------------------------------------------------------------------- account

const SEAL_TAKEN = 'SIM_SEAL_TAKEN';

export interface AccountContext {
  balance: number;
  opened: number;
  wrong: number;
  /** transfers that are not confirmed, by id; `seal` is the one that the receiver has to take with it */
  pending: Record<string, { to: string; amount: number; seal: string }>;
  /** names that no other account has, guarded by the database alone */
  seals: Record<string, boolean>;
  got: Record<string, number>;
  /** highest message number by sender, and by receiver */
  heard: Record<string, number>;
  sent: Record<string, number>;
}

type AccountEvent =
  | { type: 'account.open'; amount: number }
  | { type: 'account.transfer'; to: string; amount: number; id: string; mark?: string; seal?: string }
  | { type: 'account.credit'; id: string; amount: number; no: number; seal: string }
  | { type: 'account.unseal' }
  | { type: 'account.credited'; id: string }
  | { type: 'account.freeze' }
  | { type: 'account.thaw' }
  | { type: 'thrum.undelivered'; to: string; command: string; code: string; details?: { id?: string; key?: { name: string } } };

const takeSeal = (name: string) => ({ type: 'row', params: { into: 'seals', op: 'insert', row: { name } } }) as const;

const accountMachine = setup({
  types: { context: {} as AccountContext, events: {} as AccountEvent, input: {} as { id: string } },
  actions: {
    ...kernel.actions,
    pay: enqueueActions(({ context, event, enqueue }) => {
      if (event.type !== 'account.transfer') return;
      const { to, amount, id, mark = '', seal = '' } = event;
      const no = (context.sent[to] ?? 0) + 1;
      enqueue({ type: 'tell', params: { to, type: 'account.credit', payload: { id, amount, no, seal } } });
      if (mark !== '') enqueue(takeSeal(mark));
      enqueue.assign({
        balance: context.balance - amount,
        sent: { ...context.sent, [to]: no },
        pending: { ...context.pending, [id]: { to, amount, seal } },
        seals: mark === '' ? context.seals : { ...context.seals, [mark]: true },
      });
      enqueue({ type: 'reply', params: { balance: context.balance - amount } });
    }),
    receive: enqueueActions(({ context, event, enqueue }) => {
      if (event.type !== 'account.credit') return;
      const sender = from().id;
      const fine = (context.heard[sender] ?? 0) < event.no && context.got[event.id] === undefined;
      enqueue.assign({
        balance: context.balance + event.amount,
        got: { ...context.got, [event.id]: event.amount },
        heard: { ...context.heard, [sender]: event.no },
        wrong: context.wrong + (fine ? 0 : 1),
        seals: event.seal === '' ? context.seals : { ...context.seals, [event.seal]: true },
      });
      if (event.seal !== '') enqueue(takeSeal(event.seal));
      enqueue({ type: 'tell', params: { to: sender, type: 'account.credited', payload: { id: event.id } } });
    }),
    close: assign({ pending: ({ context, event }) => without(context.pending, (event as { id: string }).id) }),
    unseal: enqueueActions(({ context, enqueue }) => {
      for (const name of Object.keys(context.seals)) enqueue({ type: 'row', params: { into: 'seals', op: 'delete', row: { name } } });
      enqueue.assign({ seals: {} });
    }),
    refund: assign(({ context, event }) => {
      if (event.type !== 'thrum.undelivered') return {};
      const seal = event.details?.key?.name;
      const sealed = Object.entries(context.pending).find(([, t]) => t.seal !== '' && t.seal === seal && t.to === event.to);
      const id = event.details?.id ?? sealed?.[0] ?? '';
      const transfer = context.pending[id];
      if (transfer === undefined) return { wrong: context.wrong + 1 };
      return { balance: context.balance + transfer.amount, pending: without(context.pending, id) };
    }),
  },
  guards: {
    fresh: ({ context }) => context.opened === 0,
    affordable: ({ context, event }) =>
      event.type === 'account.transfer' &&
      event.amount <= context.balance &&
      (event.mark === undefined || context.seals[event.mark] === undefined) &&
      (event.seal === undefined || Object.values(context.pending).every((t) => t.seal !== event.seal)),
    sealed: ({ context, event }) => event.type === 'account.credit' && context.seals[event.seal] === true,
  },
}).createMachine({
  id: 'account',
  context: () => ({ balance: 0, opened: 0, wrong: 0, pending: {}, seals: {}, got: {}, heard: {}, sent: {} }),
  initial: 'active',
  on: {
    'account.credited': { actions: 'close' },
    'thrum.undelivered': { actions: 'refund' },
    'account.open': {
      guard: 'fresh',
      actions: [assign({ balance: ({ event }) => event.amount, opened: ({ event }) => event.amount }), { type: 'reply' }],
    },
    'account.transfer': [{ guard: 'affordable', actions: 'pay' }, { actions: { type: 'reject', params: { code: 'SIM_NO_FUNDS' } } }],
    'account.unseal': { actions: ['unseal', { type: 'reply' }] },
  },
  states: {
    active: {
      on: {
        'account.credit': [
          {
            guard: 'sealed',
            actions: { type: 'reject', params: ({ event }) => ({ code: SEAL_TAKEN, details: { id: event.id } }) },
          },
          { actions: 'receive' },
        ],
        'account.freeze': { target: 'frozen', actions: { type: 'reply' } },
      },
    },
    frozen: {
      on: {
        'account.credit': {
          actions: {
            type: 'reject',
            params: ({ event }) => ({ code: 'SIM_FROZEN', details: { id: event.id } }),
          },
        },
        'account.thaw': { target: 'active', actions: { type: 'reply' } },
      },
    },
  },
});

const mapOf = <T extends z.ZodType>(value: T) => z.record(z.string(), value);
export const bare = { input: nothing, reply: none } as const;

export const account: ActorKind = defineActor<AccountContext>({
  kind: 'account',
  version: 1,
  machine: accountMachine,
  context: z.strictObject({
    balance: z.number(),
    opened: z.number(),
    wrong: z.number(),
    pending: mapOf(z.strictObject({ to: text, amount: z.number(), seal: text })),
    seals: mapOf(z.boolean()),
    got: mapOf(z.number()),
    heard: mapOf(z.number()),
    sent: mapOf(z.number()),
  }),
  maps: { pending: 1, seals: 1, got: 1, heard: 1, sent: 1 },
  commands: {
    'account.open': command({ input: z.strictObject({ amount: z.number() }), reply: none }),
    'account.transfer': command({
      input: z.strictObject({ to: text, amount: z.number(), id: text, mark: text.optional(), seal: text.optional() }),
      reply: z.object({ balance: z.number() }),
      rejects: ['SIM_NO_FUNDS', SEAL_TAKEN],
    }),
    'account.credit': command({
      input: z.strictObject({ id: text, amount: z.number(), no: z.number(), seal: text }),
      reply: none,
      rejects: ['SIM_FROZEN', SEAL_TAKEN],
      allow: platformOnly,
      fuse: true,
    }),
    'account.credited': command({ input: z.strictObject({ id: text }), reply: none, allow: platformOnly, fuse: true }),
    'account.unseal': command(bare),
    'account.freeze': command(bare),
    'account.thaw': command(bare),
  },
  create: ['account.open'],
  queries: peek,
  topics: [
    defineTopic({
      ...anyone,
      subject: 'account',
      view: 'balance',
      kind: 'state',
      schema: z.object({ balance: z.number(), waiting: z.number(), note: text }),
      project: (s: { context: AccountContext }) => ({
        balance: s.context.balance,
        waiting: Object.keys(s.context.pending).length,
        note: 'what is yours and what is on its way',
      }),
    }),
  ],
  companions: {
    seals: companion({
      table: 'sim_seals',
      key: ['name'],
      mode: 'guarded',
      columns: { name: 'text' },
      refuse: { code: SEAL_TAKEN, alarm: false },
    }),
  },
  passivateAfter: 3_000,
  snapshot: { every: 16, bytes: 4 },
  retention: { journal: '24h' },
});

// ------------------------------------------------------------------------------------------------------------------ list

export interface ListContext {
  items: Record<string, string>;
  count: number;
}

type ListEvent = { type: 'list.append'; x: string } | { type: 'list.relay'; to: string; x: string } | { type: 'list.boom' };

const listMachine = setup({
  types: { context: {} as ListContext, events: {} as ListEvent, input: {} as { id: string } },
  actions: {
    ...kernel.actions,
    append: enqueueActions(({ context, event, enqueue }) => {
      if (event.type !== 'list.append') return;
      const n = context.count + 1;
      enqueue.assign({ count: n, items: { ...context.items, [`n${n}`]: event.x } });
      enqueue({ type: 'publish', params: { view: 'entries', item: { n: last('entries') + 1, x: event.x } } });
      enqueue({ type: 'row', params: { into: 'lines', op: 'insert', row: { n, x: event.x, at: now() } } });
      enqueue({ type: 'row', params: { into: 'sums', op: 'put', row: { what: 'lines', count: 1 } } });
      enqueue({ type: 'reply', params: { n } });
    }),
  },
  guards: {
    explode: () => {
      throw new Error('the guard exploded');
    },
  },
}).createMachine({
  id: 'list',
  context: () => ({ items: {}, count: 0 }),
  on: {
    'list.append': { actions: 'append' },
    'list.relay': {
      actions: [
        {
          type: 'tell',
          params: ({ event }: { event: ListEvent & { type: 'list.relay' } }) => ({
            to: event.to,
            type: 'list.append',
            payload: { x: event.x },
          }),
        },
        { type: 'reply' },
      ],
    },
    'list.boom': { guard: 'explode' },
  },
});

export const list: ActorKind = defineActor<ListContext>({
  kind: 'list',
  version: 1,
  machine: listMachine,
  context: z.strictObject({ items: mapOf(text), count: z.number() }),
  maps: { items: 1 },
  projections: {
    lengths: projection<ListContext>({
      table: 'sim_lengths',
      columns: { count: 'int', last: 'text?' },
      row: ({ context: { items, count } }) => ({ count, last: items[count] ?? null }),
    }),
  },
  commands: {
    'list.append': command({ input: z.strictObject({ x: text }), reply: z.object({ n: z.number() }), fuse: true }),
    'list.relay': command({ input: z.strictObject({ to: text, x: text }), reply: none }),
    'list.boom': command(bare),
  },
  queries: peek,
  topics: [
    defineTopic({
      ...anyone,
      subject: 'list',
      view: 'entries',
      kind: 'log',
      item: z.object({ n: z.number(), x: text }),
      retainDays: 30,
      retainItems: 10_000,
    }),
    defineTopic({
      ...anyone,
      subject: 'list',
      view: 'head',
      kind: 'state',
      schema: z.object({ count: z.number(), last: text, title: text }),
      project: (s: { context: ListContext }) => ({
        count: s.context.count,
        last: s.context.items[`n${s.context.count}`] ?? '',
        title: 'a list that only grows',
      }),
      conflateMs: 50,
    }),
  ],
  companions: {
    lines: companion({ table: 'sim_lines', key: ['actor_id', 'n'], mode: 'append', columns: { n: 'int', x: 'text', at: 'bigint' } }),
    sums: companion({
      table: 'sim_sums',
      key: ['actor_id', 'what'],
      mode: 'upsert',
      columns: { what: 'text', count: 'int' },
      add: ['count'],
    }),
  },
  limits: { mailbox: 40 },
  passivateAfter: 2_000,
  snapshot: { every: 10, bytes: 1 },
  retention: { journal: '24h' },
});

// ----------------------------------------------------------------------------------------------------------------- pulse

export interface PulseContext {
  due: number;
  nap: number;
  beats: number;
  left: number;
  wrong: number;
}

type PulseEvent =
  | { type: 'pulse.arm'; ms: number; times: number }
  | { type: 'pulse.cancel' }
  | { type: 'pulse.nap'; ms: number }
  | { type: 'pulse.wake' }
  | { type: 'beat' };

const pulseMachine = setup({
  types: { context: {} as PulseContext, events: {} as PulseEvent, input: {} as { id: string } },
  actions: {
    ...kernel.actions,
    arm: enqueueActions(({ event, enqueue }) => {
      if (event.type !== 'pulse.arm') return;
      enqueue.cancel('beat');
      enqueue.raise({ type: 'beat' }, { id: 'beat', delay: event.ms });
      enqueue.assign({ due: now() + event.ms, left: event.times });
      enqueue({ type: 'reply' });
    }),
    disarm: enqueueActions(({ enqueue }) => {
      enqueue.cancel('beat');
      enqueue.assign({ due: 0, left: 0 });
      enqueue({ type: 'reply' });
    }),
    beat: enqueueActions(({ context, enqueue }) => {
      const fine = context.due > 0 && now() >= context.due;
      const again = context.left > 1;
      enqueue.assign({
        beats: context.beats + 1,
        wrong: context.wrong + (fine ? 0 : 1),
        left: context.left - 1,
        due: again ? now() + 700 : 0,
      });
      if (again) enqueue.raise({ type: 'beat' }, { id: 'beat', delay: 700 });
    }),
  },
  delays: { napMs: ({ context }) => context.nap },
}).createMachine({
  id: 'pulse',
  context: () => ({ due: 0, nap: 0, beats: 0, left: 0, wrong: 0 }),
  initial: 'awake',
  on: { 'pulse.arm': { actions: 'arm' }, 'pulse.cancel': { actions: 'disarm' }, beat: { actions: 'beat' } },
  states: {
    awake: { on: { 'pulse.nap': { target: 'napping', actions: [assign({ nap: ({ event }) => event.ms }), { type: 'reply' }] } } },
    napping: { after: { napMs: 'awake' }, on: { 'pulse.wake': { target: 'awake', actions: { type: 'reply' } } } },
  },
});

const spell = z.number().int().min(1).max(200_000);

export const pulse: ActorKind = defineActor<PulseContext>({
  kind: 'pulse',
  version: 1,
  machine: pulseMachine,
  context: z.strictObject({ due: z.number(), nap: z.number(), beats: z.number(), left: z.number(), wrong: z.number() }),
  commands: {
    'pulse.arm': command({ input: z.strictObject({ ms: spell, times: z.number() }), reply: none }),
    'pulse.cancel': command(bare),
    'pulse.nap': command({ input: z.strictObject({ ms: spell }), reply: none }),
    'pulse.wake': command(bare),
  },
  queries: peek,
  topics: [
    defineTopic({
      ...anyone,
      subject: 'pulse',
      view: 'beats',
      kind: 'state',
      schema: z.object({ beats: z.number() }),
      project: (s: { context: PulseContext }) => ({ beats: s.context.beats }),
    }),
  ],
  passivateAfter: 2_500,
  snapshot: { every: 12, bytes: 1 },
  retention: { journal: '24h' },
});
