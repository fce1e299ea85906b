import test from 'ava';
import { fsck } from '../../actors/fsck.ts';
import type { Expired } from '../../actors/store/lifecycle.ts';
import type { JournalStore } from '../../actors/store/store.ts';
import type { ActorState } from '../../actors/types.ts';
import { actor, cid, event, openStores, outcome, plan, slot, state, tell } from '../support/store-cases.ts';
import type { Change } from '../support/store-cases.ts';

const { each } = await openStores(test);

const DAY = 86_400_000;
/** events of the suite: number `seq` is of the hour `seq` of 2020 */
const START = Date.UTC(2020, 0, 1);
const hour = (n: number): number => START + n * 3_600_000;

const rows = (n: number, from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => event(n, from + i, [], { journal: { at: hour(from + i), type: `x.e${from + i}` } }));
const at = (seq: number): ActorState => ({ ...state('open'), context: { n: seq } });
const first = { patch: JSON.stringify({ v: 'open', c: { set: [['n', 1]] } }) };
/** An actor with events 1 to `to`. */
const history = (n: number, to: number) => {
  const [born, ...rest] = rows(n, 1, to);
  return plan([{ ...born!, journal: { ...born!.journal, ...first } }, ...rest]);
};
const snapshot = (n: number, seq: number) => ({
  actorId: actor(n),
  seq,
  at: hour(seq),
  mver: 1,
  state: JSON.stringify(at(seq)),
  heads: {},
});
const save = async (store: JournalStore, n: number, ...seqs: number[]): Promise<void> => {
  for (const seq of seqs) await store.saveSnapshots([snapshot(n, seq)]);
};
const expired = (n: number, before: number | undefined, more: Partial<Expired> = {}): Expired => ({
  actorId: actor(n),
  before,
  anchors: 0,
  ...more,
});
/** Prunes until there is nothing left; gives what went. */
async function pruned(store: JournalStore, actors: readonly Expired[], limit = 1_000): Promise<[events: number, snapshots: number]> {
  const sum: [number, number] = [0, 0];
  for (;;) {
    const { events, snapshots } = await store.lifecycle.prune(actors, limit);
    if (events > limit) throw new Error(`${events} rows by one statement`);
    sum[0] += events;
    sum[1] += snapshots;
    if (events === 0) return sum;
  }
}
const seqs = async (store: JournalStore, n: number): Promise<number[]> =>
  (await store.scan.rows(actor(n), { after: 0, limit: 1_000 })).map((r) => r.seq);
const from = (a: number, b: number): number[] => Array.from({ length: b - a + 1 }, (_, i) => a + i);
const kept = async (store: JournalStore, n: number): Promise<number[]> => {
  const { earliest = 0, anchors = [] } = (await store.admin.kept(actor(n))) ?? {};
  return [...anchors, earliest];
};
const sound = async (store: JournalStore): Promise<string[]> => {
  const found: string[] = [];
  await fsck(store, new Map(), {
    now: Date.UTC(2021, 0, 1),
    found: ({ invariant, ref, what }) => found.push(`${invariant} ${ref}: ${what}`),
  });
  return found;
};

each('the newest two snapshots stay, and of those before them the last of each UTC day', async (t, s, store, lane) => {
  await lane.commit(history(1, 80));
  await save(store, 1, 10, 20, 30, 40, 47, 50, 60);
  // 10 and 20 are of the first day, 30 to 47 of the second, 50 and 60 of the third
  const standing = async () => {
    const found: number[] = [];
    for (let one = await store.scan.snapshot(actor(1), 0); one; one = await store.scan.snapshot(actor(1), one.seq + 1)) found.push(one.seq);
    return found;
  };
  t.deepEqual(await standing(), [20, 47, 50, 60], s.name);
  await save(store, 1, 70, 75);
  t.deepEqual(await standing(), [20, 47, 70, 75], '50 and 60 were followed by another of their day');
  await save(store, 1, 30, 72);
  t.deepEqual(await standing(), [20, 47, 70, 72, 75], 'one from long ago comes too late, one between the newest two does not');
  t.deepEqual(await kept(store, 1), [1]);
  t.deepEqual(await sound(store), []);
});

each('events go below the newest snapshot that is old enough and not one of the newest but the second', async (t, s, store, lane) => {
  for (const n of [1, 2, 3, 4]) await lane.commit(history(n, 80));
  await save(store, 1, 20, 40, 60, 70);
  await save(store, 2, 60, 70);
  await save(store, 3, 70);
  await store.refuse(actor(1), { idem: 'cd'.repeat(16), at: 1, type: 'x.e1', error: { code: 'NOT_ALLOWED' } });
  // the cutoff is after 41: 40 is the cut of the first; the others have no snapshot below it, or not two
  const all = [1, 2, 3, 4].map((n) => expired(n, hour(41) + 1));
  t.deepEqual(await pruned(store, all), [39, 0], s.name);
  t.deepEqual(await seqs(store, 1), from(40, 80));
  t.like(await store.byIdem(actor(1), 'cd'.repeat(16)), { type: 'x.e1' }, 'the key of a refusal stays');
  for (const n of [2, 3, 4]) t.deepEqual(await seqs(store, n), from(1, 80));
  t.deepEqual(await kept(store, 1), [20, 40]);
  t.deepEqual(await sound(store), []);
  // everything is old now: the cut is the second newest, never the newest
  t.deepEqual(
    await pruned(
      store,
      all.map((a) => ({ ...a, before: hour(100) })),
    ),
    [20 + 59, 0],
  );
  t.deepEqual([await seqs(store, 1), await seqs(store, 2), await seqs(store, 3)], [from(60, 80), from(60, 80), from(1, 80)]);
  t.deepEqual(await sound(store), []);
  const { tail, snapshot: newest } = (await store.load([actor(1)])).get(actor(1))!;
  t.deepEqual([newest?.seq, tail.length], [70, 10]);
});

each('the snapshot with which a history begins stays, whatever comes after it', async (t, s, store, lane) => {
  await lane.commit(history(1, 60));
  await save(store, 1, 30, 32, 34);
  t.deepEqual(await pruned(store, [expired(1, hour(33) + 1)]), [31, 0], s.name);
  await save(store, 1, 36, 38, 40);
  t.deepEqual(await kept(store, 1), [32], 'a day has one snapshot else, and 32 is not its last');
  t.deepEqual(await sound(store), []);
  const { snapshot: base, rows: after } = await store.admin.past(actor(1), 35);
  t.deepEqual([base?.seq, base?.at, after.map((r) => r.seq)], [32, hour(32), [33, 34, 35]]);
});

each('one statement removes no more than it may, oldest first, and what is left is sound at any moment', async (t, s, store, lane) => {
  for (const n of [1, 2, 3]) {
    await lane.commit(history(n, 60));
    await save(store, n, 20, 50, 55);
  }
  const all = [1, 2, 3].map((n) => expired(n, hour(100)));
  t.deepEqual(await store.lifecycle.prune(all, 30), { events: 30, snapshots: 0 }, s.name);
  t.deepEqual(await seqs(store, 1), from(31, 60));
  t.deepEqual(await kept(store, 1), [20, 50], 'what is left below the cut is about to go');
  t.deepEqual(await sound(store), []);
  t.deepEqual(await pruned(store, all, 30), [3 * 49 - 30, 0]);
  for (const n of [1, 2, 3]) t.deepEqual([await seqs(store, n), await kept(store, n)], [from(50, 60), [20, 50]]);
  t.deepEqual(await sound(store), []);
});

each('states of days long past go too; of an actor that keeps its events all but the newest two', async (t, s, store, lane) => {
  for (const n of [1, 2]) {
    await lane.commit(history(n, 150));
    await save(store, n, 20, 40, 60, 90, 120, 140);
  }
  t.deepEqual(await pruned(store, [expired(1, hour(95)), expired(2, undefined)]), [89, 0], s.name);
  t.deepEqual(await kept(store, 1), [20, 40, 60, 90]);
  t.deepEqual((await store.lifecycle.prune([expired(1, hour(95), { anchors: hour(50) })], 100)).snapshots, 2);
  t.deepEqual(await kept(store, 1), [60, 90]);
  t.deepEqual(await store.lifecycle.prune([expired(2, undefined, { anchors: hour(130) })], 100), { events: 0, snapshots: 4 });
  t.deepEqual([await kept(store, 2), (await store.admin.past(actor(2), 119)).snapshot?.seq], [[1], undefined]);
  t.deepEqual(await sound(store), []);
});

each('blank rows of an erased actor go an hour after its end, but for the last; its keys are free then', async (t, s, store, lane) => {
  const idem = 'ab'.repeat(16);
  await lane.commit(plan([event(1, 1, [], { journal: { at: hour(1), idem } }), ...rows(1, 2, 6)]));
  const erasure = { actorId: actor(1), kind: 'room', pseudonym: 'p1', at: hour(50), cid: cid(), mver: 1, by: 'root', reason: 'asked for' };
  await store.lifecycle.erase(erasure);
  const old = { anchors: hour(60), before: hour(40) };
  t.deepEqual(await pruned(store, [expired(1, hour(40), { ...old, ended: hour(50) })]), [0, 0], s.name);
  t.deepEqual(await seqs(store, 1), from(1, 7));
  for (const seq of [2, 6]) t.deepEqual(await outcome(lane, plan([event(1, seq)])), ['fence', null, []], `${s.name} ${seq}`);
  t.deepEqual(await pruned(store, [expired(1, hour(4), { ...old, before: hour(4), ended: hour(51) })]), [3, 0]);
  t.deepEqual(await pruned(store, [expired(1, hour(40), { ...old, ended: hour(51) })]), [3, 0]);
  t.deepEqual(await seqs(store, 1), [7]);
  t.is(await store.byIdem(actor(1), idem), undefined);
  t.like((await store.load([actor(1)])).get(actor(1)), { status: 'erased' });
  t.deepEqual(await outcome(lane, plan([event(1, 7)])), ['fence', null, []]);
  t.deepEqual(await sound(store), []);
});

const item: Change = ['items', 'insert', { view: 'feed', n: 1, at: 5, item: { a: 1 } }];
const note: Change = ['notes', 'insert', { note_id: 1, body: 'x', at: 5, raw: '', ok: true }];
const farewell = (n: number, before: number) => ({ actorId: actor(n), kind: 'room', at: hour(50), cid: cid(), mver: 2, before });
const done = (n: number) => ({ actorId: actor(n), state: 'ended', lastSeq: 3, lastAt: hour(3), done: true, mver: 1 });

each('an actor that ended long ago leaves its name, blank rows and what belongs to its modules', async (t, s, store, lane) => {
  const timers = [{ actorId: actor(1), timerId: 'a', set: { slot: slot(1), due: 5, armedSeq: 1, type: 'after' } }];
  await lane.commit(
    plan([event(1, 1, [note, item], { timers, journal: { at: hour(1), meta: '{"chk":1}' } }), ...rows(1, 2, 3), ...rows(2, 1, 3)]),
  );
  await save(store, 1, 2);
  t.false(await store.lifecycle.conclude(farewell(1, hour(40))), `${s.name}: it is not in a final state`);
  await store.touch([done(1), done(2)]);
  t.false(await store.lifecycle.conclude(farewell(1, hour(3))), 'not long ago');
  t.true(await store.lifecycle.conclude(farewell(1, hour(3) + 1)));
  t.false(await store.lifecycle.conclude(farewell(1, hour(40))), 'once');
  const blank = { event: {}, patch: {}, reply: null, meta: null };
  t.deepEqual(
    (await store.history(actor(1), { limit: 10 })).map(({ seq, type, event: e, patch, reply, meta }) => ({
      seq,
      type,
      event: e,
      patch,
      reply,
      meta,
    })),
    [
      { seq: 4, type: 'thrum.gone', ...blank },
      { seq: 3, type: 'x.e3', ...blank },
      { seq: 2, type: 'x.e2', ...blank },
      { seq: 1, type: 'x.done', ...blank },
    ],
  );
  t.like(await store.entry(actor(1)), { id: 'r1', status: 'gone', state: null, lastSeq: 4, lastAt: hour(50) });
  t.like((await store.load([actor(1)])).get(actor(1)), { status: 'gone', snapshot: undefined });
  t.deepEqual([await store.timersDue(50, 5), await store.topicItems(actor(1), 'feed', { last: 5 })], [[], []]);
  t.is((await s.rows('test_notes')).length, 1, 'rows of companions are the matter of their module');
  await save(store, 1, 3);
  await store.touch([{ ...done(1), lastSeq: 9 }]);
  await store.setStatus(actor(1), 'active');
  t.like(await store.entry(actor(1)), { status: 'gone', lastSeq: 4 });
  t.deepEqual(
    (await store.scan.actors({ limit: 9 })).map((a) => a.id),
    ['r2'],
  );
  t.deepEqual(await sound(store), []);
  t.deepEqual(await outcome(lane, plan([event(1, 4)])), ['fence', null, []], 'a stale owner is told');
  t.deepEqual(await pruned(store, [expired(1, hour(90), { ended: hour(60) })]), [3, 0]);
  t.deepEqual(await sound(store), []);
});

each('an actor with messages under way does not end; one that is gone can still be erased', async (t, s, store, lane) => {
  await lane.commit(plan([event(1, 1, [], { journal: { at: hour(1) }, outbox: [tell(1, 1, 1)] }), ...rows(1, 2, 3), ...rows(2, 1, 3)]));
  await store.touch([done(1), done(2)]);
  t.false(await store.lifecycle.conclude(farewell(1, hour(40))), s.name);
  t.like(await store.entry(actor(1)), { status: 'done' });
  t.true(await store.lifecycle.conclude(farewell(2, hour(40))));
  const erasure = { actorId: actor(2), kind: 'room', pseudonym: 'p2', at: hour(60), cid: cid(), mver: 1, by: 'root', reason: 'asked for' };
  t.deepEqual(await store.lifecycle.erase(erasure), { seq: 5, fresh: true });
  t.like(await store.entry(actor(2)), { id: 'p2', status: 'erased' });
  t.deepEqual(await sound(store), []);
});

each('items are removed in the order of their numbers, no more than a statement may', async (t, s, store, lane) => {
  const made = (n: number): Change => ['items', 'insert', { view: 'feed', n, at: n * DAY, item: { n } }];
  await lane.commit(plan([event(1, 1, from(1, 9).map(made)), event(2, 1, from(1, 4).map(made))]));
  const topics = [1, 2].map((n) => ({ actorId: actor(n), view: 'feed', before: 6 * DAY, items: 3 }));
  t.is(await store.lifecycle.trim(topics, 4), 4, s.name);
  t.deepEqual([await store.topicFloor(actor(1), 'feed'), await store.topicFloor(actor(2), 'feed')], [5, 1]);
  let removed = 0;
  for (let n = 1; n > 0; removed += n) n = await store.lifecycle.trim(topics, 4);
  t.is(removed, 2 + 4);
  t.deepEqual([await store.topicFloor(actor(1), 'feed'), await store.topicFloor(actor(2), 'feed')], [7, undefined]);
});

each('of a pruning and a newer snapshot at the same time none leaves a history without beginning', async (t, s, store, lane) => {
  for (let n = 10; n < 30; n += 1) {
    await lane.commit(history(n, 30));
    // of one day: the one that would be the cut is dropped when another comes
    await save(store, n, 4, 6);
    await Promise.all([store.lifecycle.prune([expired(n, hour(100))], 1_000), store.saveSnapshots([snapshot(n, 8)])]);
  }
  t.deepEqual(await sound(store), [], s.name);
});
