import test from 'ava';
import { createPgStore } from '../../actors/store/pg.ts';
import { actor, cid, event, hold, openStores, outcome, plan } from '../support/store-cases.ts';
import { registry } from '../support/stores.ts';

const { each, stores } = await openStores(test);

each('a relaxed lane appends only to a history that is whole', async (t, s, store) => {
  const lane = await store.openLane(1, true);
  const own = cid();
  t.is(await outcome(lane, plan([event(1, 1), event(1, 2), event(2, 1)])), 'ok', s.name);
  t.is(await outcome(lane, plan([event(1, 3), event(3, 1)], own)), 'ok');
  t.deepEqual(await outcome(lane, plan([event(2, 3)])), ['fence', null, []], 'row 2 was lost');
  t.deepEqual(
    await outcome(lane, plan([event(1, 4), event(2, 3, [hold(1, 1)])])),
    ['fence', null, []],
    'as a whole, with its companion rows',
  );
  t.deepEqual(
    await store.tails([actor(1), actor(2)]),
    new Map([
      [actor(1), 3],
      [actor(2), 1],
    ]),
  );
  t.deepEqual(await outcome(lane, plan([event(1, 3), event(3, 1)], own)), ['fence', null, []], 'an attempt that is repeated');
  t.is(await store.cidAt(actor(1), 3), own, 'is recognised');
  t.is(await outcome(lane, plan([event(1, 4, [hold(1, 1)]), event(2, 2)])), 'ok');
  await lane.close();
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
