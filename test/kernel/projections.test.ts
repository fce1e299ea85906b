/** Tables that follow the actors, within about 200 ms of their commits (kernel specification 8.4). */
import test from 'ava';
import { assign, setup } from 'xstate';
import { z } from 'zod';
import { command, defineActor, kernel, projection } from '../../actors/define.ts';
import type { ActorKind } from '../../actors/define.ts';
import { scalarText } from '../../actors/columns.ts';
import { actorIdOf, slotOf } from '../../actors/ids.ts';
import { StoreError } from '../../actors/store/store.ts';
import type { ActorSystem } from '../../actors/system.ts';
import { testCluster } from '../support/cluster.ts';
import type { TestNode } from '../support/cluster.ts';
import { settle } from '../support/clock.ts';
import { as, testKernel, user } from '../support/kernel.ts';
import type { TestKernel } from '../support/kernel.ts';

const alice = user('alice');
interface Shelf {
  n: number;
}
type ShelfEvent = { type: 'shelf.put'; n: number } | { type: 'shelf.clear' };

const machine = setup({
  types: { context: {} as Shelf, events: {} as ShelfEvent, input: {} as { id: string } },
  actions: { ...kernel.actions },
}).createMachine({
  id: 'shelf',
  context: () => ({ n: 0 }),
  initial: 'empty',
  on: { 'shelf.put': { target: '.full', actions: [assign({ n: ({ event }) => event.n }), { type: 'reply' }] } },
  states: { empty: {}, full: { on: { 'shelf.clear': { target: 'empty', actions: { type: 'reply' } } } } },
});

const shelf = (
  version = 1,
  rows: (s: { context: Shelf; matches(state: string): boolean }, id: string) => object | null = plain,
): ActorKind =>
  defineActor<Shelf>({
    kind: 'shelf',
    version: 1,
    machine,
    context: z.strictObject({ n: z.number() }),
    commands: {
      'shelf.put': command({ input: z.strictObject({ n: z.number() }), reply: z.null() }),
      'shelf.clear': command({ input: z.strictObject({}), reply: z.null() }),
    },
    projections: {
      shelves: projection<Shelf>({ table: 'shelves', version, columns: { id: 'text', n: 'int' }, row: (s, { id }) => rows(s, id) }),
    },
  });

/** An empty shelf is not shown; one with 13 on it cannot be. */
function plain(s: { context: Shelf; matches(state: string): boolean }, id: string): object | null {
  const { n } = s.context;
  if (s.matches('empty')) return null;
  return { id, n: n === 13 ? 1.5 : n };
}

const put = (system: ActorSystem, id: string, n: number) => system.ask(`shelf:${id}`, { type: 'shelf.put', n }, as(alice));
const shown = ({ store }: Pick<TestKernel, 'store'>, table = 'shelves'): string[] =>
  store
    .rows(table)
    .map((r) => `${scalarText(r['id'])}=${scalarText(r['n'])}@${scalarText(r['seq'])}`)
    .toSorted();

test('a commit is shown within 200 ms, an emptied row goes, and many commits are one write', async (t) => {
  const k = await testKernel({ kinds: [shelf()] });
  await k.clock.advance(1_000);
  for (let n = 1; n <= 50; n += 1) t.like(await put(k.system, 'a', n), { ok: true });
  await put(k.system, 'b', 2);
  t.deepEqual(shown(k), []);
  await k.clock.advance(100);
  t.is(await k.metric('projection_lag_seconds'), 0.1);
  await k.clock.advance(100);
  t.deepEqual(shown(k), ['a=50@51', 'b=2@2']);
  t.is(await k.metric('projection_lag_seconds'), 0);
  t.is(await k.metric('projected_total', { projection: 'shelf/shelves' }), 2);
  await k.system.ask('shelf:a', { type: 'shelf.clear' }, as(alice));
  await k.clock.advance(200);
  t.deepEqual(shown(k), ['b=2@2']);
});

test('what the owner has committed and not shown is shown by the node that takes its slots, within 5 s (K33)', async (t) => {
  const c = await testCluster({ kinds: [shelf()] });
  const [a, b] = c.nodes as [TestNode, TestNode];
  const [ref, quiet] = [c.refOf(b, 'shelf'), c.refOf(b, 'shelf', 1)];
  const id = ref.slice('shelf:'.length);
  await put(b.system, quiet.slice('shelf:'.length), 1);
  await c.clock.advance(30_000);
  const late = put(b.system, id, 7);
  await settle();
  t.like(await late, { ok: true });
  b.kill();
  const taken: number[] = [];
  a.system.onTakeover((slots) => taken.push(...slots));
  for (let i = 0; i < 100 && taken.length === 0; i += 1) await c.clock.advance(100);
  t.true(taken.includes(slotOf(actorIdOf(ref))));
  await c.clock.advance(5_000);
  t.true(shown(c).includes(`${id}=7@2`), shown(c).join());
  t.like(await c.store.entry(actorIdOf(ref)), { lastSeq: 2, state: 'full' }, 'and so does the directory');
});

test('an outage delays the rows, and its end shows the newest; the cursor waits with them', async (t) => {
  const k = await testKernel({ kinds: [shelf()] });
  await k.clock.advance(10_000);
  const { projections } = k.store;
  const write: typeof projections.write = projections.write.bind(projections);
  const slot = slotOf(actorIdOf('shelf:a'));
  let down = true;
  Object.assign(k.store.projections, {
    write: async (...args: Parameters<typeof write>) => {
      if (down) throw new StoreError('in-doubt', 'connection lost');
      return write(...args);
    },
  });
  await put(k.system, 'a', 1);
  const since = k.clock.wall();
  await k.clock.advance(20_000);
  t.deepEqual(shown(k), []);
  t.true((await k.store.projections.cursors()).get(slot)! <= since, 'a crash now would show it again');
  t.is(await k.metric('projection_lag_seconds'), 20);
  await put(k.system, 'a', 2);
  down = false;
  await k.clock.advance(5_200);
  t.deepEqual(shown(k), ['a=2@3']);
  await k.clock.advance(10_000);
  t.true((await k.store.projections.cursors()).get(slot)! > since);
});

test('an actor whose row cannot be written is told once, and keeps nobody from being shown', async (t) => {
  const k = await testKernel({ kinds: [shelf()] });
  await k.clock.advance(1_000);
  for (const [id, n] of [
    ['a', 13],
    ['b', 2],
  ] as const)
    await put(k.system, id, n);
  await k.clock.advance(200);
  t.deepEqual(shown(k), ['b=2@2']);
  await k.system.ask('shelf:a', { type: 'shelf.put', n: 13 }, as(alice));
  await k.clock.advance(200);
  const told = k.log.lines.filter(({ fields }) => (fields as { alert?: string }).alert === 'PROJECTION_FAILED');
  t.is(told.length, 1);
  t.is(await k.metric('projection_failures_total', { projection: 'shelf/shelves' }), 2);
  t.is(await k.metric('projection_failed'), 1);
  await put(k.system, 'a', 14);
  await k.clock.advance(200);
  t.deepEqual(shown(k), ['a=14@4', 'b=2@2']);
  t.is(await k.metric('projection_failed'), 0);
});

test('rows that the table alone refuses are found by halves, and the others are written', async (t) => {
  const k = await testKernel({ kinds: [shelf()] });
  const { projections } = k.store;
  const write: typeof projections.write = projections.write.bind(projections);
  Object.assign(k.store.projections, {
    write: async (...[name, rows, upTo]: Parameters<typeof write>) => {
      if (rows.some(({ row }) => row?.['n'] === 99)) throw new StoreError('bad-row', 'a rule of the table');
      return write(name, rows, upTo);
    },
  });
  for (let i = 0; i < 9; i += 1) await put(k.system, `s${i}`, i === 4 || i === 8 ? 99 : i);
  await k.clock.advance(200);
  t.is(shown(k).length, 7);
  t.is(await k.metric('projection_failed'), 2);
});

test('a new version of a projection is built from all actors at the start, while they go on', async (t) => {
  const k = await testKernel({ kinds: [shelf()] });
  for (let i = 0; i < 600; i += 1) await put(k.system, `s${i}`, 1);
  await k.clock.advance(5_000);
  await k.system.drain(1_000);
  t.is(shown(k).length, 600);
  const next = await testKernel({ kinds: [shelf(2, ({ context }, id) => ({ id, n: context.n * 100 }))], clock: k.clock, store: k.store });
  await put(next.system, 's599', 9);
  await k.clock.advance(300);
  t.is(shown(k).length, 600);
  t.true(shown(k).includes('s7=100@2') && shown(k).includes('s599=900@3'), shown(k).slice(0, 9).join());
  t.like(await k.store.projections.builds(), [{ projection: 'shelf/shelves', version: 2, upTo: null }]);
  t.true(((await k.store.projections.builds())[0]?.doneAt ?? 0) > 0);
});

test('an erased actor leaves its projections', async (t) => {
  const k = await testKernel({ kinds: [shelf()] });
  await put(k.system, 'a', 1);
  await k.clock.advance(200);
  t.is(shown(k).length, 1);
  await put(k.system, 'a', 2);
  const erased = k.system.erase('shelf:a', { by: 'op', reason: 'asked' });
  await k.clock.advance(5_000);
  t.like(await erased, { fresh: true });
  t.deepEqual(shown(k), []);
});

test('a definition may not use the name of a companion or a column of the kernel', (t) => {
  const wrong = () =>
    defineActor<Shelf>({
      ...shelf(),
      projections: { '2': projection<Shelf>({ table: 'x', version: 0, columns: { actor_id: 'uuid' }, row: () => null }) },
    });
  const error = t.throws(wrong, { name: 'DefinitionError' });
  t.regex(error?.message ?? '', /projections\.2: the name/);
  t.regex(error?.message ?? '', /actor_id is filled by the kernel/);
  t.regex(error?.message ?? '', /the version is an integer/);
});
