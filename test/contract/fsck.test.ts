/** The check of a whole store names every invariant that is broken, over every driver (kernel 16.1). */
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { setup } from 'xstate';
import { z } from 'zod';
import { defineActor, defineTopic, kernel } from '../../actors/define.ts';
import { fsck } from '../../actors/fsck.ts';
import type { Checked, Violation } from '../../actors/fsck.ts';
import type { Patch } from '../../actors/patch.ts';
import { runtimeOf } from '../../actors/runtime.ts';
import type { EventRows, JournalStore } from '../../actors/store/store.ts';
import type { ActorState } from '../../actors/types.ts';
import { actor, event, openStores, plan, slot, state, tell } from '../support/store-cases.ts';
import type { Change, More } from '../support/store-cases.ts';
import { roomKind } from '../support/stores.ts';

const { each, stores } = await openStores(test);

const feed = defineTopic({
  subject: 'room',
  view: 'feed',
  kind: 'log',
  version: 1,
  item: z.object({ a: z.number() }),
  authorize: () => true,
  retainDays: 1,
  retainItems: 100,
});

const room = defineActor({
  kind: 'room',
  version: 1,
  context: z.record(z.string(), z.unknown()),
  machine: setup({ actions: { ...kernel.actions } }).createMachine({ id: 'room', initial: 'open', context: {}, states: { open: {} } }),
  commands: {},
  companions: roomKind.companions,
  topics: [feed],
});

const kinds = new Map([['room', runtimeOf(room)]]);
const DAY = 86_400_000;

async function check(store: JournalStore, now = 5_000): Promise<Checked & { found: Violation[] }> {
  const found: Violation[] = [];
  return { ...(await fsck(store, kinds, { now, found: (v) => found.push(v) })), found };
}

/** The invariants that are named, with the actors. */
const named = async (store: JournalStore, now?: number): Promise<string[]> => {
  const { found } = await check(store, now);
  return found.map((v) => `${v.invariant} ${v.ref}: ${v.what}`);
};

/** An event with this patch; a birth leads to the state `open`. */
const row = (n: number, seq: number, patch: Patch = {}, changes: Change[] = [], more: More = {}): EventRows => {
  const whole = seq === 1 ? { v: 'open', ...patch } : patch;
  return event(n, seq, changes, { ...more, journal: { patch: JSON.stringify(whole), ...more.journal } });
};

const item = (n: number, at = 1_000): Change => ['items', 'insert', { view: 'feed', n, at, item: { a: n } }];
const name = (text: string, note: string): Change => ['names', 'insert', { name: text, note }];
const timer = (n: number, due: number, armedSeq = 1) => ({
  timers: [{ actorId: actor(n), timerId: 'a', set: { slot: slot(n), due, armedSeq, type: 'late' } }],
});
const effect = (n: number, seq: number, target = 'work') => ({
  outbox: [{ actorId: actor(n), seq, n: 1, slot: slot(n), op: 'effect' as const, target, payload: '{"src":"work","input":{}}', nextAt: 5 }],
});
const open = (context: ActorState['context'] = {}): ActorState => ({ ...state('open'), context });
/** the directory entry of an actor whose first events are not kept any more */
const born = { born: { actorId: actor(1), kind: 'room', id: 'r1', slot: slot(1), mver: 1 } };
const snapshot = (n: number, seq: number, s: ActorState) => ({
  actorId: actor(n),
  seq,
  at: 1_000 + seq,
  mver: 1,
  state: JSON.stringify(s),
  heads: {},
});

/** An actor with something of everything, as the kernel would have left it. */
const healthy = (n: number): EventRows[] => [
  row(
    n,
    1,
    { t: { set: { a: [1, 90_000, 'late'] } }, c: { set: [['names', { [`n${n}`]: 'x' }]] } },
    [name(`n${n}`, 'x')],
    timer(n, 80_000),
  ),
  row(n, 2, { i: { set: { work: 2 } }, l: { feed: 2 } }, [item(1), item(2)], effect(n, 2)),
  row(n, 3, { c: { set: [['k', 3]] } }, [], { outbox: [tell(n, 3, 1)], journal: { idem: 'ab'.repeat(16) } }),
];

const trim = (store: JournalStore, before: number) =>
  store.lifecycle.trim(
    [1, 2].map((n) => ({ actorId: actor(n), view: 'feed', before, items: 1 })),
    100,
  );

each('a store in which all is well is clean, whatever is lazy, refused or trimmed in it', async (t, s, store, lane) => {
  await lane.commit(plan([...healthy(1), ...healthy(2), row(3, 1, {}, [], timer(3, 61_000))]));
  await store.refuse(actor(1), { idem: 'cd'.repeat(16), at: 1, type: 'x.done', error: { code: 'NOT_ALLOWED' } });
  await store.refuse(actor(7), { idem: 'cd'.repeat(16), at: 1, type: 'x.done', error: { code: 'NOT_FOUND' } });
  await store.saveSnapshots([
    snapshot(1, 1, { ...open({ names: { n1: 'x' } }), timers: { a: { seq: 1, due: 90_000, type: 'late' } } }),
    snapshot(3, 1, open()),
  ]);
  t.is(await trim(store, 0), 2);
  t.deepEqual(await check(store), { actors: 3, erased: 0, rows: 7, foreign: 0, found: [] }, s.name);
  t.is(await trim(store, 2_000), 2);
  t.deepEqual(await named(store, DAY + 2_000), [], 'all items are older than they are kept');
  t.deepEqual(
    await named(store),
    [1, 2].map((n) => `I14 room:r${n}: the state counts 2 items of feed, and the last one in the table is gone`),
  );
});

/** One way to break a store, and what is said of it. */
type Breach = [title: string, events: () => EventRows[], says: string | string[], more?: (store: JournalStore) => Promise<unknown>];

const breaches: Breach[] = [
  ['I1: an event is missing', () => [row(1, 1), row(1, 3)], 'I1 room:r1: event 3 follows event 1'],
  ['I1: time goes back', () => [row(1, 1), row(1, 2, {}, [], { journal: { at: 900 } })], 'I1 room:r1: time goes back by 101 ms at event 2'],
  [
    'I1: the end of the history is gone',
    () => [row(1, 1)],
    'I1 room:r1: the directory has seen event 4, and the history ends at 1',
    (store) => store.touch([{ actorId: actor(1), state: 'open', lastSeq: 4, lastAt: 1, done: false, mver: 1 }]),
  ],
  [
    'I2: a snapshot that is not the fold',
    () => [row(1, 1, { c: { set: [['k', 1]] } }), row(1, 2)],
    'I2 room:r1: the snapshot at 1 differs from the history in context.k',
    (store) => store.saveSnapshots([snapshot(1, 1, open({ k: 2 }))]),
  ],
  [
    'I2: the second snapshot is wrong where the history begins with the first',
    () => [row(1, 4, {}, [], born), row(1, 5, { c: { set: [['k', 5]] } }), row(1, 6)],
    'I2 room:r1: the snapshot at 5 differs from the history in context.k',
    (store) => store.saveSnapshots([snapshot(1, 3, open()), snapshot(1, 5, open())]),
  ],
  [
    'I2: nothing stands for the beginning',
    () => [row(1, 4, {}, [], born)],
    'I2 room:r1: the history begins with event 4, and no snapshot stands for what was before',
  ],
  [
    'I2: a patch of another format',
    () => [row(1, 1, { zz: 1 } as Patch)],
    'I2 room:r1: the patch of event 1 has keys that this build does not know: zz',
  ],
  [
    'I6: an armed timer without row',
    () => [row(1, 1, { t: { set: { a: [1, 9_000, 'late'] } } })],
    'I6 room:r1: the timer a is armed and has no row',
  ],
  [
    'I6: a row that is later than its timer',
    () => [row(1, 1, { t: { set: { a: [1, 9_000, 'late'] } } }, [], timer(1, 9_001))],
    'I6 room:r1: the row of the timer a is 1 ms late',
  ],
  [
    'I6: a row that nothing has armed',
    () => [row(1, 1, {}, [], timer(1, 61_001))],
    'I6 room:r1: there is a row for the timer a, which is not armed',
  ],
  [
    'I7: a message of an event that is not there',
    () => [row(1, 1, {}, [], { outbox: [tell(1, 2, 1)] })],
    'I7 room:r1: the outbox row 2/1 belongs to no event; the history ends at 1',
  ],
  [
    'I8: an effect whose call is over',
    () => [row(1, 1, {}, [], effect(1, 1))],
    'I8 room:r1: the effect 1/1 belongs to the call work, which is over',
  ],
  [
    'I8: a live call without its effect',
    () => [row(1, 1, { i: { set: { work: 1 } } })],
    'I8 room:r1: the call work of event 1 is live and its effect is not in the outbox',
  ],
  [
    'I12: a snapshot above the tail',
    () => [row(1, 1)],
    'I12 room:r1: there is a snapshot at 2, and the history ends at 1',
    (store) => store.saveSnapshots([snapshot(1, 2, open())]),
  ],
  [
    'I13: rows that are missing, wrong and too many',
    () => [
      row(1, 1, { c: { set: [['names', { a: 'x', b: 'x' }]] } }, [name('b', 'y'), name('c', 'z'), name('d', 'gone')]),
      row(2, 1, { c: { set: [['names', { e: 'x' }]] } }, [name('e', 'x')]),
    ],
    [
      'I13 room:r1: row ["a"] of names is missing',
      'I13 room:r1: row ["b"] of names differs from the state',
      'I13 room:r1: row ["c"] of names is not in the state',
    ],
  ],
  ['I14: a gap in the numbers', () => [row(1, 1, { l: { feed: 3 } }, [item(1), item(3)])], 'I14 room:r1: item 3 of feed follows item 1'],
  [
    'I14: the last item is not that of the state',
    () => [row(1, 1, { l: { feed: 3 } }, [item(1), item(2)])],
    'I14 room:r1: the state counts 3 items of feed, and the last one in the table is 2',
  ],
  [
    'I14: items out of the order of their events',
    () => [row(1, 1, {}, [item(2)]), row(1, 2, { l: { feed: 2 } }, [item(1)])],
    'I14 room:r1: item 2 of feed is of event 1, and the one before of 2',
  ],
  [
    'rows of an actor that nobody knows',
    () => [event(5, 2, [item(1)], { ...timer(5, 5), outbox: [tell(5, 2, 1)] })],
    ['I1', 'I12', 'I6', 'I7', 'I14'].map((i, at) => {
      const table = ['journal', 'snapshot', 'timer', 'outbox', 'topic_item'][at];
      return `${i} ${actor(5)}: there are rows in thrum_${table} and no such actor`;
    }),
    (store) => store.saveSnapshots([snapshot(5, 2, open())]),
  ],
  [
    'an erased actor of which something is left',
    () => healthy(1),
    [
      'erased room:r1: event 5 is not blank',
      'erased room:r1: the history ends with x.done',
      'erased room:r1: there are rows left in thrum_timer, thrum_topic_item',
    ],
    async (store) => {
      const o = { actorId: actor(1), kind: 'room', pseudonym: 'r1', at: 9_000, cid: '7', mver: 1, by: 'root', reason: 'asked' };
      await store.lifecycle.erase(o);
      const lane = await store.openLane(1);
      const later = row(1, 5, { l: { feed: 1 } }, [item(1)], { ...timer(1, 5), journal: { at: 9_001 } });
      await lane.commit(plan([later]));
      await lane.close();
    },
  ],
];

for (const [title, events, says, more] of breaches) {
  each(title, async (t, s, store, lane) => {
    const wanted = typeof says === 'string' ? [says] : says;
    await lane.commit(plan([...healthy(9), ...events()]));
    await more?.(store);
    const found = await named(store);
    t.deepEqual(found, wanted, s.name);
  });
}

each('an erased actor is clean when nothing is left of it', async (t, s, store, lane) => {
  await lane.commit(plan(healthy(1)));
  const o = { actorId: actor(1), kind: 'room', pseudonym: 'p', at: 9_000, cid: '7', mver: 1, by: 'root', reason: 'asked' };
  await store.lifecycle.erase(o);
  t.deepEqual(await check(store), { actors: 1, erased: 1, rows: 4, foreign: 0, found: [] }, s.name);
});

each('a long history is read page by page, and of one kind only when asked', async (t, s, store, lane) => {
  const events = Array.from({ length: 1_100 }, (_, i) => row(1, i + 1, { c: { set: [['k', i]] } }));
  await lane.commit(plan(events));
  await store.saveSnapshots([snapshot(1, 1_050, open({ k: 1_049 }))]);
  t.deepEqual(await check(store), { actors: 1, erased: 0, rows: 1_100, foreign: 0, found: [] }, s.name);
  t.deepEqual(await fsck(store, kinds, { now: 0, kind: 'court', found: () => t.fail() }), { actors: 0, erased: 0, rows: 0, foreign: 0 });
});

each('rows of another version are folded, and their companion rows not compared', async (t, s, store, lane) => {
  await lane.commit(plan([row(1, 1, { c: { set: [['names', { a: 'x' }]] } }, [], { journal: { mver: 2 } })]));
  t.deepEqual(await check(store), { actors: 1, erased: 0, rows: 1, foreign: 1, found: [] }, s.name);
});

test.serial('I3: events with one key are named, once the index that forbids them is gone', async (t: ExecutionContext) => {
  for (const s of stores) {
    if (s.database === undefined) continue;
    const store = await s.fresh();
    const lane = await store.openLane(0);
    await lane.commit(plan(healthy(1)));
    await lane.close();
    await s.database.knex.raw('drop index thrum_journal_idem');
    await s.database.knex.raw(`update thrum_journal set idem = decode(repeat('ab', 16), 'hex') where seq = 2`);
    t.deepEqual(await named(store), ['I3 room:r1: the events 2, 3 have one key'], s.name);
  }
});
