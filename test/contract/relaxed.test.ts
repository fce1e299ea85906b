import test from 'ava';
import type { EventRows, Followed } from '../../actors/store/store.ts';
import { createPgStore } from '../../actors/store/pg.ts';
import { actor, cid, event, hold, openStores, outcome, plan, state } from '../support/store-cases.ts';
import { registry } from '../support/stores.ts';

const { each, stores } = await openStores(test);

each(
  'a batch that names the rows it follows is refused unless they are there, of the commits that are named',
  async (t, s, store, lane) => {
    const [first, second, third, lost] = [cid(), cid(), cid(), cid()];
    const follow = (n: number, seq: number, by: string | undefined): Followed => ({ actorId: actor(n), seq, cid: by });
    const append = (events: EventRows[], by: string, ...follows: Followed[]) => outcome(lane, { ...plan(events, by), follows });
    t.is(await append([event(1, 1), event(1, 2), event(2, 1)], first), 'ok', s.name);
    t.is(await append([event(1, 3), event(3, 1)], second, follow(1, 2, first)), 'ok');
    const fence = ['fence', null, []];
    t.deepEqual(await append([event(2, 3)], third, follow(2, 2, second)), fence, 'row 2 was lost');
    t.deepEqual(await append([event(1, 4)], third, follow(1, 3, lost)), fence, 'row 3 was lost, and its number given again');
    t.deepEqual(await append([event(1, 4)], third, follow(1, 3, undefined)), fence, 'nothing is known of it');
    t.deepEqual(
      await append([event(1, 4, [hold(1, 1)]), event(2, 3)], third, follow(1, 3, second), follow(2, 2, second)),
      fence,
      'as a whole, with its companion rows',
    );
    t.deepEqual(
      await store.tails([actor(1), actor(2)]),
      new Map([
        [actor(1), 3],
        [actor(2), 1],
      ]),
    );
    t.deepEqual(await append([event(1, 3), event(3, 1)], second, follow(1, 2, first)), fence, 'an attempt that is repeated');
    t.is(await store.cidAt(actor(1), 3), second, 'is recognised');
    t.is(await append([event(1, 4, [hold(1, 1)]), event(2, 2)], third, follow(1, 3, second), follow(2, 1, first)), 'ok');
  },
);

each('what rests on an event that the database has lost is not written, though its number was given again', async (t, s, store, lane) => {
  const [lost, own] = [cid(), cid()];
  // of the same millisecond, as after a clock that is behind
  await lane.commit(plan([event(1, 1), event(2, 1)], own));
  const rests = (n: number, seq: number, by: string | undefined) => ({ actorId: actor(n), at: event(n, seq).journal.at, seq, cid: by });
  const touch = (n: number, seq: number, by: string | undefined) => {
    const { at, ...rest } = rests(n, seq, by);
    return { ...rest, state: `s${seq}`, lastSeq: seq, lastAt: at, done: false, mver: 1 };
  };
  t.deepEqual(await store.touch([touch(1, 1, own), touch(2, 1, lost)]), [actor(2)], s.name);
  t.deepEqual(await store.touch([touch(2, 2, own)]), [actor(2)], 'an event that is not there at all');
  t.like(await store.entry(actor(1)), { state: 's1', lastSeq: 1 });
  t.is((await store.entry(actor(2)))?.state ?? null, null);
  const snapshot = (n: number, by: string | undefined) => ({
    ...rests(n, 1, by),
    mver: 1,
    state: JSON.stringify(state('open')),
    heads: {},
  });
  await store.saveSnapshots([snapshot(1, own), snapshot(2, lost)]);
  const found = await store.load([actor(1), actor(2)]);
  t.deepEqual(
    [1, 2].map((n) => found.get(actor(n))?.snapshot?.seq),
    [1, undefined],
  );
});

each('the commit of the last event is told of the kinds that ask for it, with a snapshot too', async (t, s, store, lane) => {
  const [first, second] = [cid(), cid()];
  await lane.commit(plan([event(1, 1)], first));
  await lane.commit(plan([event(1, 2)], second));
  const told = async (...kinds: string[]) => (await store.load([actor(1)], kinds)).get(actor(1))?.cid;
  t.deepEqual([await told(), await told('other'), await told('room')], [undefined, undefined, second], s.name);
  await store.saveSnapshots([{ actorId: actor(1), seq: 2, at: 1_002, mver: 1, state: JSON.stringify(state('open')), heads: {} }]);
  t.is(await told('room'), second);
});

each('only a database that can wait for the disk has lanes that do not', async (t, s, store) => {
  t.is(store.relaxes, s.name === 'Postgres');
});

for (const { name, database } of stores) {
  if (name !== 'Postgres' || database === undefined) continue;
  test.serial('commits of a relaxed lane do not wait for the disk, those of the others do', async (t) => {
    const settings: string[] = [];
    const connect: typeof database.connect = async (o) => {
      const client = await database.connect(o);
      // whatever the server of the tests prefers
      await client.query('set synchronous_commit = on');
      const show = async (): Promise<void> =>
        void settings.push(
          (await client.query<{ synchronous_commit: string }>('show synchronous_commit')).rows[0]?.synchronous_commit ?? '',
        );
      shows.push(show);
      return client;
    };
    const shows: (() => Promise<void>)[] = [];
    const store = createPgStore({ engine: 'postgres', durability: 'power', connect }, registry);
    const lanes = [await store.openLane(0), await store.openLane(1, true)];
    for (const [n, lane] of lanes.entries()) {
      t.is(await outcome(lane, plan([event(50 + n, 1)])), 'ok');
      await shows.at(-1)?.();
      await lane.close();
    }
    await store.stop();
    t.deepEqual(settings, ['on', 'off']);
  });
}
