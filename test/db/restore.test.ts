import test from 'ava';
import { actorIdOf, pseudonymOf } from '../../actors/ids.ts';
import { kinds } from '../../machines/kinds.ts';
import { registryOf } from '../../actors/companion.ts';
import { createPgStore } from '../../actors/store/pg.ts';
import { erasureKey } from '../../server/identity/keys.ts';
import { finishRestore } from '../../server/lifecycle/restore.ts';
import { makeWorld } from '../support/world.ts';

test('the last step of a restore erases again whom the register names, then replaces the data id (K62)', async (t) => {
  const w = await makeWorld();
  t.teardown(w.close);
  const ada = await w.person();
  const bea = await w.person();
  const { database } = w.app;
  const store = createPgStore(database, registryOf(kinds));
  t.teardown(() => store.stop());
  const before = await store.dataId();
  const key = erasureKey(w.secrets);
  const run = () =>
    finishRestore({
      store,
      knex: database.knex,
      key,
      register: [{ ref: pseudonymOf(key, `user:${ada.id}`), at: 1 }],
      versions: new Map(kinds.map((k) => [k.kind, k.version])),
      now: () => 2_000_000_000_000,
      random: () => 0.5,
    });
  const first = await run();
  t.is(first.erased, 1);
  t.is(await store.dataId(), first.dataId);
  t.not(first.dataId, before);
  const status = async (id: string): Promise<unknown> =>
    (
      await database
        .knex('thrum_actor')
        .where({ actor_id: actorIdOf(`user:${id}`) })
        .first('status')
    )?.status;
  t.is(await status(ada.id), 'erased');
  t.is(await status(bea.id), 'active');
  const second = await run();
  t.is(second.erased, 0, 'a run that is repeated erases nobody twice');
  t.not(second.dataId, first.dataId);
});
