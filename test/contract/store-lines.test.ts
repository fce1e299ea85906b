/** The connections of a store when the line to the database falls silent and nobody is told (kernel specification 7.4, 10.7). */
import test from 'ava';
import { createPgStore } from '../../actors/store/pg.ts';
import { openDatabase } from '../../server/db/database.ts';
import { openDatabaseLink } from '../chaos/links.ts';
import { quiet } from '../support/log.ts';
import { startPostgres } from '../support/postgres.ts';
import { actor, event, outcome, plan } from '../support/store-cases.ts';
import { registry, SCHEMA } from '../support/stores.ts';

const server = await startPostgres();
if ('skip' in server) test.skip(`a store behind a line that falls silent (${server.skip})`, () => undefined);
else {
  test.after.always(() => server.stop());

  test.serial('a lane that was at rest while the line fell silent does not wait for it when it is needed again', async (t) => {
    t.timeout(120_000);
    const link = await openDatabaseLink(await server.database());
    const database = await openDatabase({ url: link.url, dataDir: '' }, quiet);
    const store = createPgStore(database, registry);
    try {
      await database.knex.raw(SCHEMA);
      await store.start();
      const [one, other] = await Promise.all([store.openLane(0), store.openLane(1)]);
      t.deepEqual(await Promise.all([outcome(one, plan([event(1, 1)])), outcome(other, plan([event(2, 1)]))]), ['ok', 'ok']);
      await store.dataId();

      link.swallow();
      link.mend();
      await store.dataId();
      t.deepEqual(await Promise.all([outcome(one, plan([event(1, 2)])), outcome(other, plan([event(2, 2)]))]), ['ok', 'ok']);
      t.is((await store.tails([actor(1)])).get(actor(1)), 2);
      await Promise.all([one.close(), other.close()]);
    } finally {
      await link.close();
      await store.stop();
      await database.close();
    }
  });
}
