/** Tables that follow the actors: the same over every store (kernel specification 8.4). */
import test from 'ava';
import type { ProjectedRow } from '../../actors/store/projections.ts';
import type { JournalStore } from '../../actors/store/store.ts';
import { actor, byText, event, openStores, plan, slot } from '../support/store-cases.ts';
import type { StoreUnderTest } from '../support/stores.ts';

const { each } = await openStores(test);

const NAME = 'room/faces';
const face = (n: number, seq: number, name: string | null, more: NonNullable<ProjectedRow['row']> = {}): ProjectedRow => ({
  actorId: actor(n),
  seq,
  row: name === null ? null : { name, at: 1_000 + seq, ...more },
});
const faces = async (s: StoreUnderTest): Promise<string[]> =>
  byText(await s.rows('test_faces'))
    .map((text) => {
      const { name, seq, n } = JSON.parse(text) as { name: string; seq: number; n: number | null };
      return `${name}@${seq}${n === null ? '' : ` ${n}`}`;
    })
    .toSorted();
const write = (store: JournalStore, ...rows: ProjectedRow[]): Promise<void> => store.projections.write(NAME, rows);

each('a row shows the newest state that was written, in whatever order and however often', async (t, s, store, lane) => {
  await lane.commit(plan([event(1, 1), event(2, 1), event(1, 2), event(1, 3)]));
  await write(store, face(1, 2, 'two', { n: 5 }), face(2, 1, "it's"));
  t.deepEqual(await faces(s), ["it's@1", 'two@2 5'], s.name);
  await write(store, face(1, 1, 'one'));
  t.deepEqual(await faces(s), ["it's@1", 'two@2 5'], 'an older one is passed over');
  await write(store, face(1, 3, 'three'));
  await write(store, face(1, 3, 'three'));
  t.deepEqual(await faces(s), ["it's@1", 'three@3'], 'columns that are not given are null');
  await write(store, face(9, 1, 'nobody'));
  t.is((await faces(s)).length, 2, 'there is no such actor');
});

each('a row that a newer event took away does not come back with an older one', async (t, s, store, lane) => {
  await lane.commit(plan([event(1, 1), event(1, 2), event(1, 3)]));
  await write(store, face(1, 1, 'one'));
  await write(store, face(1, 2, null));
  t.deepEqual(await faces(s), [], s.name);
  await write(store, face(1, 1, 'one'));
  t.deepEqual(await faces(s), []);
  await write(store, face(1, 3, 'three'));
  t.deepEqual(await faces(s), ['three@3']);
  await write(store, face(1, 2, null));
  t.deepEqual(await faces(s), ['three@3'], 'nor does an older one take a newer away');
});

each('an erased actor shows nothing, and nothing that comes late', async (t, s, store, lane) => {
  await lane.commit(plan([event(1, 1)]));
  await write(store, face(1, 1, 'one'));
  const erasure = { actorId: actor(1), kind: 'room', pseudonym: 'ab'.repeat(16), at: 5_000, cid: '7', mver: 1, by: 'op', reason: 'asked' };
  await store.lifecycle.erase(erasure);
  t.deepEqual(await faces(s), [], s.name);
  await write(store, face(1, 1, 'one'));
  await write(store, face(1, 9, 'nine'));
  t.deepEqual(await faces(s), []);
});

each('what the table does not take fails as a whole, and names no outage', async (t, s, store, lane) => {
  if (s.database === undefined) return;
  await lane.commit(plan([event(1, 1), event(2, 1)]));
  const error = await t.throwsAsync(write(store, face(1, 1, 'one'), face(2, 1, 'two', { n: 100 })), { name: 'StoreError' });
  t.like(error, { failure: 'bad-row' });
  t.deepEqual(await faces(s), [], s.name);
});

each('actors that have moved on since the cursor of their slot are found, and no others', async (t, s, store, lane) => {
  const at = (ms: number) => ({ journal: { at: ms } });
  await lane.commit(
    plan([event(1, 1, [], at(50_000)), event(2, 1, [], at(70_000)), event(3, 1, [], at(90_000)), event(4, 1, [], at(90_000))]),
  );
  const { projections } = store;
  await projections.advance([slot(1), slot(2)], 80_000);
  await projections.advance([slot(3)], 200_000);
  t.deepEqual(
    (await projections.behind([1, 2, 3].map(slot), 15_000, [])).toSorted(),
    [actor(2)],
    `${s.name}: its event is within the margin; the others are before it`,
  );
  t.deepEqual((await projections.behind([slot(4)], 15_000, [])).toSorted(), [actor(4)], 'a slot without a cursor shows nothing yet');
  await store.touch([{ actorId: actor(2), state: 'held', lastSeq: 1, lastAt: 70_000, done: false, mver: 1 }]);
  t.deepEqual(await projections.behind([slot(2)], 15_000, []), [], 'the directory has its last event, and it has no other row');
  t.deepEqual(await projections.behind([slot(2)], 15_000, ['room']), [actor(2)], 'it may have other rows');
  const cursors = await projections.cursors();
  t.deepEqual([cursors.get(slot(1)), cursors.get(slot(3))], [80_000, 200_000]);
});

each('a build comes as far as the rows that it has written, and ends by removing what belongs to nobody', async (t, s, store, lane) => {
  const { projections } = store;
  await lane.commit(plan([event(1, 1), event(2, 1)]));
  t.deepEqual(await projections.builds(), [], s.name);
  await projections.begin(NAME, 1);
  await projections.write(NAME, [face(1, 1, 'one')], actor(1));
  t.deepEqual(await projections.builds(), [{ projection: NAME, version: 1, upTo: actor(1), doneAt: null }]);
  await projections.write(NAME, [], actor(2));
  t.like((await projections.builds())[0], { upTo: actor(2) });
  t.is(await projections.finish(NAME, 1, 5_000), 0);
  t.deepEqual(await projections.builds(), [{ projection: NAME, version: 1, upTo: null, doneAt: 5_000 }]);
  t.deepEqual(await faces(s), ['one@1']);
  await projections.begin(NAME, 2);
  t.deepEqual(await projections.builds(), [{ projection: NAME, version: 2, upTo: null, doneAt: null }], 'another version begins anew');
  await projections.finish(NAME, 1, 6_000);
  t.is((await projections.builds())[0]?.doneAt, null, 'an older build cannot end it');
  if (s.database === undefined) return;
  await s.database.knex.raw(`insert into test_faces (actor_id, seq, name, at) values (gen_random_uuid(), 1, 'stray', now())`);
  t.is(await projections.finish(NAME, 2, 7_000), 1);
  t.deepEqual(await faces(s), ['one@1']);
});
