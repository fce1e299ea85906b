import test from 'ava';
import type { Erasure } from '../../actors/store/lifecycle.ts';
import { actor, cid, event, hold, openStores, outcome, plan, slot, state, tell } from '../support/store-cases.ts';
import type { Change } from '../support/store-cases.ts';

const { each } = await openStores(test);

const note: Change = ['notes', 'insert', { note_id: 1, body: 'x', at: 5, raw: '', ok: true }];
const item: Change = ['items', 'insert', { view: 'feed', n: 1, at: 5, item: { a: 1 } }];
const erasure = (n: number, at = 9_000): Erasure => ({
  actorId: actor(n),
  kind: 'room',
  pseudonym: `p${n}`,
  at,
  cid: cid(),
  mver: 2,
  by: 'root',
  reason: 'asked for',
});
const dead = (n: number) => ({ actorId: actor(n), kind: 'room', id: `r${n}`, source: 'tell', event: 1, error: null, attempts: 1 });

each('an erasure blanks the journal and empties every table of the actor, and of nobody else', async (t, s, store, lane) => {
  const set = { slot: slot(1), due: 5, armedSeq: 1, type: 'after' };
  const timers = [{ actorId: actor(1), timerId: 'a', set }];
  const journal = { idem: 'ab'.repeat(16), reply: '1', meta: '{"chk":1}' };
  await lane.commit(
    plan([event(1, 1, [note, item, hold(1, 5)], { timers, journal, outbox: [tell(1, 1, 1)] }), event(1, 2), event(2, 1, [note, item])]),
  );
  await store.saveSnapshots([{ actorId: actor(1), seq: 2, at: 1_000 + 2, mver: 1, state: JSON.stringify(state('x')), heads: {} }]);
  await store.bury(dead(1));
  await store.bury(dead(2));
  t.deepEqual(await store.lifecycle.erase(erasure(1)), { seq: 3, fresh: true }, s.name);
  const blank = { event: {}, patch: {}, reply: null };
  const rows = await store.history(actor(1), { limit: 10 });
  t.deepEqual(rows, [
    { seq: 3, at: 9_000, type: 'thrum.erased', ...blank, mver: 2, meta: { from: 'operator:root' } },
    { seq: 2, at: 1_002, type: 'x.done', ...blank, mver: 1, meta: null },
    { seq: 1, at: 1_001, type: 'x.done', ...blank, mver: 1, meta: null },
  ]);
  t.like(await store.byIdem(actor(1), journal.idem), { seq: 1, reply: null, chk: 0 });
  t.like(await store.entry(actor(1)), { id: 'p1', status: 'erased', state: null, lastSeq: 3, lastAt: 9_000, mver: 2 });
  const loaded = (await store.load([actor(1)])).get(actor(1));
  t.like(loaded, { status: 'erased', snapshot: undefined });
  t.deepEqual([await store.timersDue(50, 5), await store.outboxDue(50, 5)], [[], []]);
  t.deepEqual(await store.topicItems(actor(1), 'feed', { last: 5 }), []);
  t.is((await store.topicItems(actor(2), 'feed', { last: 5 })).length, 1);
  t.is((await s.rows('test_notes')).length, 1);
  t.is((await s.rows('test_claims')).length, 1, 'kept, as its companion says');
  const [act] = await store.admin.audits({ actorId: actor(1), limit: 5 });
  t.like(act, { admin: 'root', action: 'actor.erase', reason: 'asked for', actorId: actor(1), beforeSeq: 2, afterSeq: 3 });
  if (!s.database) return;
  t.deepEqual(
    ((await s.rows('thrum_dead')) as { actor_id: string }[]).map((d) => d.actor_id),
    [actor(2)],
  );
});

each('an erasure happens once; what does not exist is not erased', async (t, s, store, lane) => {
  await lane.commit(plan([event(1, 1)]));
  t.is(await store.lifecycle.erase(erasure(2)), undefined, s.name);
  t.deepEqual(await store.lifecycle.erase(erasure(1)), { seq: 2, fresh: true });
  t.deepEqual(await store.lifecycle.erase(erasure(1)), { seq: 2, fresh: false });
  t.is((await store.history(actor(1), { limit: 10 })).length, 2);
});

each(
  'an append of a stale owner to an erased actor meets the fence, and nothing else of it is written later (K35)',
  async (t, s, store, lane) => {
    await lane.commit(plan([1, 2, 3, 4, 5, 6].map((seq) => event(1, seq))));
    await store.lifecycle.erase(erasure(1));
    for (const seq of [2, 6, 7]) t.deepEqual(await outcome(lane, plan([event(1, seq)])), ['fence', null, []], `${s.name} ${seq}`);
    await store.saveSnapshots([{ actorId: actor(1), seq: 6, at: 1_000 + 6, mver: 1, state: JSON.stringify(state('x')), heads: {} }]);
    await store.touch([{ actorId: actor(1), state: 'x', lastSeq: 9, lastAt: 9_999, done: false, mver: 1 }]);
    await store.setStatus(actor(1), 'active');
    await store.bury(dead(1));
    t.like(await store.entry(actor(1)), { status: 'erased', state: null, lastSeq: 7 });
    t.is((await store.load([actor(1)])).get(actor(1))?.snapshot, undefined);
    if (s.database) t.deepEqual(await s.rows('thrum_dead'), []);
  },
);

each('of an append and an erasure at the same time exactly one goes first', async (t, s, store, lane) => {
  for (let n = 10; n < 30; n++) {
    await lane.commit(plan([event(n, 1)]));
    const [appended, erased] = await Promise.all([
      outcome(lane, plan([event(n, 2)])),
      store.lifecycle.erase(erasure(n)).catch((error: unknown) => (error as { failure: string }).failure),
    ]);
    const rows = (await store.history(actor(n), { limit: 10 })).map((row) => row.type);
    if (erased === 'fence') t.deepEqual([appended, rows], ['ok', ['x.done', 'x.done']], s.name);
    else if (appended === 'ok') t.deepEqual(rows, ['thrum.erased', 'x.done', 'x.done'], s.name);
    else
      t.deepEqual(
        [appended, rows],
        [
          ['fence', null, []],
          ['thrum.erased', 'x.done'],
        ],
        s.name,
      );
  }
});
