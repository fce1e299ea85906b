import test from 'ava';
import { assign, setup } from 'xstate';
import { z } from 'zod';
import { command, defineActor, defineTopic, effect, kernel, query } from '../../actors/define.ts';
import { registryOf } from '../../actors/companion.ts';
import { actorIdOf } from '../../actors/ids.ts';
import { createMemoryStore } from '../../actors/store/mem.ts';
import { as, testKernel, user } from '../support/kernel.ts';
import { counter } from '../support/kinds.ts';

const alice = user('alice');
const G = actorIdOf('gauge:g');

const machine = setup({
  types: { context: {} as { n: number }, events: {} as { type: 'gauge.put'; by: number } },
  actions: { ...kernel.actions },
}).createMachine({
  id: 'gauge',
  context: () => ({ n: 0 }),
  on: {
    'gauge.put': { actions: [assign({ n: ({ context, event }) => context.n + event.by }), { type: 'reply' }] },
  },
});

const def = {
  kind: 'gauge',
  version: 1,
  machine,
  durability: 'relaxed',
  context: z.strictObject({ n: z.number() }),
  commands: { 'gauge.put': command({ input: z.strictObject({ by: z.number() }), reply: z.null() }) },
  queries: { n: query({ input: z.strictObject({}), output: z.number(), run: (s) => (s.context as { n: number }).n }) },
  topics: [
    defineTopic({
      subject: 'gauge',
      view: 'value',
      kind: 'state',
      version: 1,
      schema: z.object({ n: z.number() }),
      project: (s: { context: { n: number } }) => ({ n: s.context.n }),
      authorize: () => true,
    }),
  ],
} as const;
const gauge = defineActor<{ n: number }>(def);

/** A store whose crash takes back the newest rows of an actor. */
async function world() {
  const lanes: boolean[] = [];
  const memory = createMemoryStore({ registry: registryOf([gauge, counter]), relaxes: true });
  const store = {
    ...memory,
    openLane: (n: number, relaxed = false) => {
      lanes.push(relaxed);
      return memory.openLane(n, relaxed);
    },
  };
  const k = await testKernel({ kinds: [gauge, counter], effects: { counter: { work: async () => ({ done: 1 }) } }, store, lanes: 2 });
  const put = (by: number) => k.system.ask('gauge:g', { type: 'gauge.put', by }, as(alice));
  return { k, put, lanes, memory };
}

test('a kind with relaxed durability has a lane of its own, and only where such lanes exist', async (t) => {
  const { k, put, lanes } = await world();
  t.deepEqual(lanes, [false, false, true]);
  t.like(await put(1), { ok: true, seq: 2 });
  t.like(await k.system.ask('counter:c', { type: 'counter.add', by: 1 }, as(alice)), { ok: true, seq: 2 });
  const plain = await testKernel({ kinds: [gauge] });
  t.like(await plain.system.ask('gauge:g', { type: 'gauge.put', by: 1 }, as(alice)), { ok: true, seq: 2 });
});

test('an actor whose newest events were taken back goes on from what is left, without a gap', async (t) => {
  const { k, put, memory } = await world();
  for (let i = 0; i < 4; i += 1) await put(1);
  const before = await k.system.slice('gauge:g/value');
  memory.takeBack(G, 3);
  t.like(await put(10), { ok: true, seq: 4 }, 'it is read anew, and the command runs on what is there');
  t.is((await k.system.read('gauge:g', 'n', {}, { from: alice })).value, 12);
  t.deepEqual(
    memory.journal(G).map((r) => r.seq),
    [1, 2, 3, 4],
  );
  const after = await k.system.slice('gauge:g/value', { e: (before as { e: string }).e, s: 5 });
  t.like(after, { m: 'snap', d: { n: 12 } }, 'numbers are given twice, so no cursor of before is believed');
  t.not((after as { e: string }).e, (before as { e: string }).e);
});

test('what is known elsewhere by the number of its event cannot be relaxed', (t) => {
  const faults = (more: object) =>
    (t.throws(() => defineActor<{ n: number }>({ ...def, ...more })) as unknown as { faults: string[] }).faults;
  const none = 'a kind with relaxed durability has none';
  const { hash: _hash, ...other } = counter;
  const found = (t.throws(() => defineActor({ ...other, durability: 'relaxed' })) as unknown as { faults: string[] }).faults;
  t.deepEqual(
    found.filter((f) => f.includes(none)),
    [`effects.work: ${none}`, `topics.feed: a log topic; ${none}`],
  );
  const tells = setup({ actions: { ...kernel.actions } }).createMachine({
    id: 'gauge',
    context: () => ({ n: 0 }),
    on: { 'gauge.put': { actions: { type: 'tell', params: { to: 'gauge:h', type: 'gauge.put' } } } },
  });
  t.deepEqual(faults({ machine: tells, effects: { x: effect({ input: z.null(), output: z.null() }) } }), [
    `effects.x: ${none}`,
    `gauge on gauge.put: the action 'tell'; ${none}`,
  ]);
});

test('of events that a crash of the database has taken neither a snapshot nor an entry in the directory is written (I12)', async (t) => {
  const { k, put, memory } = await world();
  for (let i = 0; i < 20; i += 1) await put(1);
  memory.takeBack(G, 3);
  await k.clock.advance(10_000);
  await k.system.drain(1_000);
  t.deepEqual(memory.snapshots(G), []);
  t.true(((await memory.entry(G))?.lastSeq ?? 0) <= 3);
  const again = await k.restart();
  t.like(await again.system.ask('gauge:g', { type: 'gauge.put', by: 1 }, as(alice)), { ok: true, seq: 4 });
});

test('nor when another event has its number and its millisecond by now', async (t) => {
  const { k, put, memory } = await world();
  for (let i = 0; i < 20; i += 1) await put(1);
  memory.takeBack(G, 3);
  const other = await k.restart();
  for (let i = 0; i < 18; i += 1) await other.system.ask('gauge:g', { type: 'gauge.put', by: 100 }, as(alice));
  t.like(memory.journal(G).at(-1), { seq: 21, at: k.clock.wall() });
  await k.system.drain(1_000);
  t.deepEqual(memory.snapshots(G), []);
  const third = await k.restart();
  t.is((await third.system.read('gauge:g', 'n', {}, { from: alice })).value, 1_802);
});

test('nothing is appended to the state of an event that is lost, though another has its number by now', async (t) => {
  const { k, put, memory } = await world();
  for (let i = 0; i < 4; i += 1) await put(1);
  memory.takeBack(G, 4);
  const other = await k.restart();
  t.like(await other.system.ask('gauge:g', { type: 'gauge.put', by: 100 }, as(alice)), { ok: true, seq: 5 });
  t.like(await put(10), { ok: true, seq: 6 });
  t.is((await k.system.read('gauge:g', 'n', {}, { from: alice })).value, 113);
});

test('events that follow each other at once are committed, read anew or not', async (t) => {
  const { k, put } = await world();
  const conflicts = async () => /^thrum_kernel_fence_conflicts_total (\d+)$/m.exec(await k.metrics.metrics())?.[1];
  t.is(await conflicts(), '0');
  for (let round = 0; round < 3; round += 1) {
    const before = await conflicts();
    const replies = await Promise.all(Array.from({ length: 200 }, () => put(1)));
    t.true(replies.every((r) => r.ok));
    t.is(await conflicts(), before);
    await k.clock.advance(round === 0 ? 0 : 3_600_000);
  }
  const again = await k.restart();
  t.is((await again.system.read('gauge:g', 'n', {}, { from: alice })).value, 600);
  t.like(await again.system.ask('gauge:g', { type: 'gauge.put', by: 1 }, as(alice)), { ok: true });
});
