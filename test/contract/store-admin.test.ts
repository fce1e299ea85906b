import test from 'ava';
import type { TakenCount } from '../../actors/store/admin.ts';
import { actor, event, openStores, plan, state, tell } from '../support/store-cases.ts';
import type { Change } from '../support/store-cases.ts';

const { each } = await openStores(test);

each('a state of the past begins at the nearest snapshot and goes on with the rows up to it', async (t, s, store, lane) => {
  await lane.commit(plan([1, 2, 3, 4].map((seq) => event(1, seq))));
  const past = async (seq: number) => {
    const { snapshot, rows } = await store.admin.past(actor(1), seq);
    return [snapshot?.seq, rows.map((row) => row.seq)];
  };
  t.deepEqual(await past(2), [undefined, [1, 2]], s.name);
  await store.saveSnapshots([{ actorId: actor(1), seq: 2, at: 1_000 + 2, mver: 1, state: JSON.stringify(state('two')), heads: {} }]);
  t.deepEqual(await past(1), [undefined, [1]]);
  t.deepEqual(await past(2), [2, []]);
  t.deepEqual(await past(9), [2, [3, 4]]);
  t.is((await store.admin.past(actor(1), 3)).snapshot?.state.value, 'two');
  t.deepEqual((await store.admin.past(actor(1), 3)).rows, [{ seq: 3, at: 1_003, patch: { c: { set: [['n', 3]] } }, mver: 1 }]);
  t.deepEqual((await store.admin.past(actor(7), 3)).rows, []);
});

each('an act with an event is audited by the statement that commits the event, other acts by their own', async (t, s, store, lane) => {
  const act = (n: number): Change => [
    'audit',
    'insert',
    { audit_id: actor(n), admin: 'eve', action: 'poke', reason: 'because', before_seq: n - 1, detail: { type: 'x' } },
  ];
  await lane.commit(plan([event(1, 1, [act(1)]), event(2, 1)]));
  await t.throwsAsync(lane.commit(plan([event(2, 1, [act(2)])])), undefined, s.name);
  const row = { admin: 'adam', action: 'pause', actorId: actor(1), beforeSeq: 1, afterSeq: 1, reason: null, detail: { a: [1] } };
  await store.admin.audit(row);
  const all = await store.admin.audits({ limit: 10 });
  t.like(all, [
    row,
    { admin: 'eve', action: 'poke', actorId: actor(1), beforeSeq: 0, afterSeq: 1, reason: 'because', detail: { type: 'x' } },
  ]);
  t.is(all.length, 2);
  t.is((await store.admin.audits({ admin: 'eve', limit: 10 })).length, 1);
  t.is((await store.admin.audits({ action: 'pause', actorId: actor(1), limit: 10 })).length, 1);
  t.like(await store.admin.audits({ before: all[0]!.n, limit: 1 }), [{ admin: 'eve' }]);
  await store.admin.audit({ ...row, id: actor(3) });
  await store.admin.audit({ ...row, id: actor(3), admin: 'somebody else' });
  t.is((await store.admin.audits({ limit: 10 })).length, 3, 'an id is written once');
  t.like(await store.admin.audited(actor(3)), row);
  t.like(await store.admin.audited(actor(1)), { admin: 'eve', afterSeq: 1 });
  t.is(await store.admin.audited(actor(9)), undefined);
});

each('dead letters are listed, found, and resolved once', async (t, s, store) => {
  const letter = (n: number, kind: string) =>
    store.bury({ actorId: actor(n), kind, id: `r${n}`, source: 'command', event: { a: n }, error: { message: 'no' }, attempts: 2 });
  await letter(1, 'room');
  await letter(2, 'room');
  await letter(1, 'door');
  const found = await store.admin.deadLetters({ open: true, limit: 10 });
  t.like(found, [
    { kind: 'door', actorId: actor(1), id: 'r1' },
    { kind: 'room', actorId: actor(2), event: { a: 2 }, error: { message: 'no' }, attempts: 2, resolution: null },
    { kind: 'room' },
  ]);
  const n = found[1]!.n;
  t.is((await store.admin.deadLetters({ kind: 'room', actorId: actor(1), open: true, limit: 10 })).length, 1, s.name);
  t.like(await store.admin.deadLetters({ open: true, before: n, limit: 10 }), [{ actorId: actor(1), kind: 'room' }]);
  t.true(await store.admin.resolveDead(n, 'eve', 'discarded'));
  t.false(await store.admin.resolveDead(n, 'adam', 'retried'));
  t.like(await store.admin.deadLetter(n), { resolvedBy: 'eve', resolution: 'discarded' });
  t.is((await store.admin.deadLetters({ open: true, limit: 10 })).length, 2);
  const { dead, wall } = await store.admin.vitals();
  t.is(dead, 2);
  t.true(wall === undefined || Math.abs(wall - Date.now()) < 3_600_000, 'the store runs on this machine');
  t.is((await store.admin.deadLetters({ open: false, limit: 10 })).length, 3);
  t.is(await store.admin.deadLetter(n + 1_000), undefined);
});

each('pauses are kept by scope; waiting outbox rows and counts of transitions are read back', async (t, s, store, lane) => {
  await store.admin.pause({ scope: 'kind:room', reason: 'a', admin: 'eve' });
  await store.admin.pause({ scope: 'all', reason: 'a', admin: 'eve' });
  await store.admin.pause({ scope: 'kind:room', reason: 'b', admin: 'adam' });
  t.like(await store.admin.pauses(), [{ scope: 'all' }, { scope: 'kind:room', reason: 'b', admin: 'adam' }], s.name);
  t.true(await store.admin.unpause('all'));
  t.false(await store.admin.unpause('all'));
  t.is((await store.admin.pauses()).length, 1);

  await lane.commit(plan([event(1, 1, [], { outbox: [tell(1, 1, 1, '{"a":1}')] })]));
  const [waits] = await store.admin.outboxOf(actor(1), 5);
  t.deepEqual(
    { ...waits, payload: JSON.parse(waits!.payload) },
    { ...tell(1, 1, 1), payload: { a: 1 }, attempts: 0, state: 'pending', error: null },
  );
  const count = (version: number, index: number, taken: number): TakenCount => ({
    kind: 'room',
    version,
    hash: `h${version}`,
    index,
    taken,
    source: 'room.free',
    event: 'room.take',
    guard: index === 1 ? 'isFree' : null,
    targets: ['room.taken'],
  });
  await store.admin.countTaken([count(1, 3, 2), count(1, 1, 0)]);
  await store.admin.countTaken([count(1, 3, 5), count(2, 0, 1)]);
  t.deepEqual(await store.admin.taken('room'), [count(2, 0, 1), count(1, 1, 0), count(1, 3, 7)]);
  t.deepEqual(await store.admin.taken('other'), []);
});
