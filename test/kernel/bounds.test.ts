import test from 'ava';
import { assign, enqueueActions, setup } from 'xstate';
import { z } from 'zod';
import { command, companion, defineActor, defineTopic, effect, effectRef, kernel } from '../../actors/define.ts';
import { actorIdOf } from '../../actors/ids.ts';
import { as, testKernel, user } from '../support/kernel.ts';

const alice = user('alice');
const N = z.strictObject({ n: z.number().int() });
const Text = z.strictObject({ text: z.string() });

type BulkEvent =
  | { type: 'bulk.timers' | 'bulk.tells' | 'bulk.rows'; n: number }
  | { type: 'bulk.row' | 'bulk.item' | 'bulk.keep' | 'bulk.shout'; text: string }
  | { type: 'bulk.work' }
  | { type: 'tick' };

const machine = setup({
  types: { context: {} as { kept: Record<string, string>; shouts: number }, events: {} as BulkEvent },
  actions: {
    ...kernel.actions,
    timers: enqueueActions(({ event, enqueue }) => {
      for (let i = 0; i < (event as { n: number }).n; i += 1) enqueue.raise({ type: 'tick' }, { id: `t${i}`, delay: 60_000 });
    }),
    tells: enqueueActions(({ event, enqueue }) => {
      for (let i = 0; i < (event as { n: number }).n; i += 1) {
        enqueue({ type: 'tell', params: { to: 'bulk:other', type: 'bulk.shout', payload: { text: `${i}` } } });
      }
    }),
    rows: enqueueActions(({ event, enqueue }) => {
      for (let i = 0; i < (event as { n: number }).n; i += 1) {
        enqueue({ type: 'row', params: { into: 'lines', op: 'insert', row: { line: i, text: '' } } });
      }
    }),
  },
  actors: { work: effectRef<object, null>('work') },
}).createMachine({
  id: 'bulk',
  context: { kept: {}, shouts: 0 },
  initial: 'idle',
  states: {
    idle: {
      on: {
        'bulk.timers': { actions: ['timers', { type: 'reply' }] },
        'bulk.tells': { actions: ['tells', { type: 'reply' }] },
        'bulk.rows': { actions: ['rows', { type: 'reply' }] },
        'bulk.row': {
          actions: [
            { type: 'row', params: ({ event }) => ({ into: 'lines', op: 'insert' as const, row: { line: 0, text: event.text } }) },
            { type: 'reply' },
          ],
        },
        'bulk.item': {
          actions: [{ type: 'publish', params: ({ event }) => ({ view: 'news', item: { text: event.text } }) }, { type: 'reply' }],
        },
        'bulk.keep': {
          actions: [
            assign({ kept: ({ context, event }) => ({ ...context.kept, [`k${Object.keys(context.kept).length}`]: event.text }) }),
            { type: 'reply' },
          ],
        },
        'bulk.shout': { actions: [assign({ shouts: ({ context }) => context.shouts + 1 }), { type: 'reply' }] },
        'bulk.work': { target: 'working', actions: { type: 'reply' } },
        tick: {},
      },
    },
    working: {
      invoke: [
        { src: 'work', id: 'a', input: {} },
        { src: 'work', id: 'b', input: {} },
        { src: 'work', id: 'c', input: {} },
      ],
    },
  },
});

const none = z.null();
const views = (view: string) =>
  defineTopic({
    subject: 'bulk',
    view,
    kind: 'state',
    version: 1,
    query: z.strictObject({ page: z.string().optional() }),
    schema: z.object({ shouts: z.number() }),
    project: (s: { context: { shouts: number } }) => ({ shouts: s.context.shouts }),
    authorize: () => true,
  });

const bulk = defineActor({
  kind: 'bulk',
  version: 1,
  machine,
  context: z.strictObject({ kept: z.record(z.string(), z.string()), shouts: z.number() }),
  maps: { kept: 1 },
  commands: {
    'bulk.timers': command({ input: N, reply: none }),
    'bulk.tells': command({ input: N, reply: none }),
    'bulk.rows': command({ input: N, reply: none }),
    'bulk.row': command({ input: Text, reply: none }),
    'bulk.item': command({ input: Text, reply: none }),
    'bulk.keep': command({ input: Text, reply: none }),
    'bulk.shout': command({ input: Text, reply: none }),
    'bulk.work': command({ input: z.strictObject({}), reply: none }),
  },
  effects: { work: effect({ input: z.object({}), output: none }) },
  companions: {
    lines: companion({ table: 'test_lines', key: ['actor_id', 'line'], mode: 'append', columns: { line: 'int', text: 'text' } }),
  },
  topics: [
    views('shouts'),
    defineTopic({
      subject: 'bulk',
      view: 'news',
      kind: 'log',
      version: 1,
      item: Text,
      authorize: () => true,
      retainDays: 1,
      retainItems: 10,
    }),
  ],
  limits: { timers: 3, calls: 2, tells: 4, rows: 5, stateBytes: 40_000, eventBytes: 20_000, hotTopics: 3 },
});

async function start(o: { payloadBytes?: number } = {}) {
  const k = await testKernel({ kinds: [bulk], effects: { bulk: { work: async () => null } }, limits: o });
  await k.system.ask('bulk:a', { type: 'bulk.shout', text: '' }, as(alice));
  const rows = k.store.journal(actorIdOf('bulk:a')).length;
  const ask = (type: string, rest: object = {}) => k.system.ask('bulk:a', { type, ...rest }, as(alice));
  return { ...k, ask, unchanged: () => k.store.journal(actorIdOf('bulk:a')).length === rows };
}

const bounds: readonly { what: string; over: [string, object]; within: [string, object]; code: string }[] = [
  { what: 'armed timers', over: ['bulk.timers', { n: 4 }], within: ['bulk.timers', { n: 3 }], code: 'LIMIT_EXCEEDED' },
  { what: 'messages per event', over: ['bulk.tells', { n: 5 }], within: ['bulk.tells', { n: 4 }], code: 'LIMIT_EXCEEDED' },
  { what: 'companion rows per event', over: ['bulk.rows', { n: 6 }], within: ['bulk.rows', { n: 5 }], code: 'LIMIT_EXCEEDED' },
  {
    what: 'bytes of a companion row',
    over: ['bulk.row', { text: 'é'.repeat(8_300) }],
    within: ['bulk.row', { text: 'é'.repeat(8_000) }],
    code: 'LIMIT_EXCEEDED',
  },
  {
    what: 'bytes of an item of a log (realtime R9)',
    over: ['bulk.item', { text: 'é'.repeat(4_091) }],
    within: ['bulk.item', { text: 'é'.repeat(4_090) }],
    code: 'LIMIT_EXCEEDED',
  },
  {
    what: 'bytes of one change',
    over: ['bulk.keep', { text: 'é'.repeat(10_000) }],
    within: ['bulk.keep', { text: 'é'.repeat(9_900) }],
    code: 'STATE_TOO_LARGE',
  },
  {
    what: 'bytes of a payload',
    over: ['bulk.shout', { text: 'é'.repeat(32_800) }],
    within: ['bulk.shout', { text: 'é'.repeat(32_700) }],
    code: 'PAYLOAD_TOO_LARGE',
  },
];

for (const { what, over, within, code } of bounds) {
  test(`a command that passes the bound of ${what} is refused ${code} and changes nothing (I10)`, async (t) => {
    const k = await start();
    t.like(await k.ask(...over), { ok: false, error: { code } });
    t.true(k.unchanged());
    t.like(await k.ask(...within), { ok: true });
  });
}

test('a command that would start more effects than may run is refused LIMIT_EXCEEDED and changes nothing (I10)', async (t) => {
  const k = await start();
  t.like(await k.ask('bulk.work'), { ok: false, error: { code: 'LIMIT_EXCEEDED' } });
  t.true(k.unchanged());
});

test('the state of an actor stays below its bound, whatever the changes were (I10)', async (t) => {
  const k = await start();
  const replies = [];
  for (let i = 0; i < 30; i += 1) replies.push(await k.ask('bulk.keep', { text: 'é'.repeat(2_000) }));
  t.is(replies.filter((r) => r.ok).length, 9);
  t.true(replies.slice(9).every((r) => !r.ok && r.error.code === 'STATE_TOO_LARGE'));
  const { context } = (await k.system.inspect.one('bulk:a')).state;
  t.true(Buffer.byteLength(JSON.stringify(context)) <= 40_000);
});

test('a message that is larger than a payload may be is over, and its sender is not stopped by it', async (t) => {
  const k = await start({ payloadBytes: 11 });
  t.true((await k.ask('bulk.tells', { n: 4 })).ok);
  await k.clock.advance(5_000);
  t.is(k.store.dead().length, 4);
  t.like(k.store.dead()[0], { source: 'message', error: { code: 'PAYLOAD_TOO_LARGE' } });
  t.is(k.store.outbox().length, 0);
});

test('of the hot topics of an actor the least recently read is dropped (I10)', async (t) => {
  const k = await start();
  for (const page of ['1', '2', '3', '4']) {
    await k.system.slice(`bulk:a/shouts?page=${page}`);
    await k.clock.advance(10);
  }
  const reply = await k.ask('bulk.shout', { text: '' });
  t.deepEqual(
    reply.ok ? reply.ch : [],
    ['2', '3', '4'].map((page) => `shouts?page=${page}`),
  );
});
