/** Reads of a whole store, the same over every driver. */
import test from 'ava';
import { actor, event, openStores, plan, release, tell } from '../support/store-cases.ts';
import type { Change } from '../support/store-cases.ts';
import type { NetRow } from '../../actors/store/store.ts';

const { each } = await openStores(test);

each('actors are read in order of their id, page by page, and their rows ascending with their keys', async (t, s, store, lane) => {
  const idem = 'ab'.repeat(16);
  await lane.commit(plan([event(3, 1), event(1, 1), event(1, 2, [], { journal: { idem } }), event(2, 1)]));
  const ids = async (q: { after?: string; limit: number; kind?: string }) => (await store.scan.actors(q)).map(({ id }) => id);
  t.deepEqual(await ids({ limit: 2 }), ['r1', 'r2'], s.name);
  t.deepEqual(await ids({ limit: 2, after: actor(2) }), ['r3']);
  t.deepEqual(await ids({ limit: 9, kind: 'court' }), []);
  t.like((await store.scan.actors({ limit: 1 }))[0], { actorId: actor(1), kind: 'room', id: 'r1', status: 'active', lastSeq: 0 });
  t.deepEqual(
    (await store.scan.rows(actor(1), { after: 0, limit: 9 })).map((row) => [row.seq, row.idem]),
    [
      [1, null],
      [2, idem],
    ],
  );
  const [second] = await store.scan.rows(actor(1), { after: 1, limit: 1 });
  t.like(second, { seq: 2, at: 1_002, type: 'x.done', event: { n: 1 }, patch: { c: { set: [['n', 2]] } }, mver: 1, meta: null });
});

each('what is left in the outbox of an actor', async (t, s, store, lane) => {
  await lane.commit(plan([event(1, 1, [], { outbox: [tell(1, 1, 1, '{"a":1}'), tell(1, 1, 2)] }), event(2, 1)]));
  const found = (await store.scan.outbox(actor(1))).toSorted((a, b) => a.n - b.n);
  t.deepEqual(found[0], { seq: 1, n: 1, op: 'tell', target: 'room:other', payload: { a: 1 } }, s.name);
  t.is(found.length, 2);
  t.deepEqual(await store.scan.outbox(actor(2)), []);
});

const note: Change = [
  'notes',
  'insert',
  { note_id: 7, body: { b: 1, a: [null] }, at: 1_803_888_000_123, raw: '00ff', ok: true, ref: '00000000-0000-4000-8000-000000000001' },
];
const day: Change = ['totals', 'put', { day: '2027-03-01', minutes: 5, share: 0.1, label: 'x', code: null }];
const claim: Change = ['claims', 'insert', { claim_id: 1, place: 2, during: '[2027-03-01 08:00+00,2027-03-01 09:00+00)', state: 'held' }];

const net = (n: number, seq: number, [, op, row]: Change, change: NetRow['row'] = {}): NetRow => {
  return { op, actorId: actor(n), seq, n: 1, wrote: seq, row: { ...row, ...change } };
};

each('companion rows differ when nothing has changed them since and they hold something else', async (t, s, store, lane) => {
  await lane.commit(plan([event(1, 1, [note]), event(1, 2, [day]), event(1, 3, [claim])]));
  const differing = (name: string, row: NetRow) => store.scan.differing(`room/${name}`, [row]);
  t.deepEqual(await differing('notes', net(1, 1, note)), [], s.name);
  t.deepEqual(await differing('totals', net(1, 2, day)), []);
  t.deepEqual(await differing('claims', net(1, 3, claim)), []);
  const changes: NetRow['row'][] = [{ body: { b: 2 } }, { at: 0 }, { raw: '01' }, { ok: false }, { ref: null }];
  for (const change of changes) {
    t.deepEqual(await differing('notes', net(1, 1, note, change)), [[1, 1]], `${s.name} ${JSON.stringify(change)}`);
  }
  t.deepEqual(await differing('totals', net(1, 2, day, { label: 'y' })), [[2, 1]]);
  t.deepEqual(await differing('totals', net(1, 2, day, { minutes: 99 })), [], 'sums come from many events');
  t.deepEqual(await differing('claims', net(1, 3, claim, { state: 'confirmed' })), [[3, 1]]);
  t.deepEqual(await differing('notes', net(2, 1, note, { ok: false })), [], "another actor's row");
  await lane.commit(plan([event(1, 4, [release(1)])]));
  t.deepEqual(await differing('claims', net(1, 3, claim)), [], 'it has gone on');
  t.deepEqual(await differing('claims', net(1, 4, release(1))), []);
  t.deepEqual(await differing('claims', net(1, 4, release(1), { state: 'held' })), [[4, 1]]);
  t.deepEqual(await store.scan.differing('room/none', [net(1, 1, note)]), []);
});

each('a quarantine remembers the version that failed, and a pause does not touch it', async (t, s, store, lane) => {
  await lane.commit(plan([event(1, 1)]));
  const found = async () => {
    const { status, mver } = (await store.load([actor(1)])).get(actor(1))!;
    return { status, mver };
  };
  t.deepEqual(await found(), { status: 'active', mver: 1 }, s.name);
  await store.setStatus(actor(1), 'quarantined', 2);
  t.deepEqual(await found(), { status: 'quarantined', mver: 2 });
  await store.setStatus(actor(1), 'paused');
  t.deepEqual(await found(), { status: 'paused', mver: 2 });
});
