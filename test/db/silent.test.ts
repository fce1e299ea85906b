/** A line to the database that falls silent without anybody being told. */
import test from 'ava';
import { openDatabase } from '../../server/db/database.ts';
import { openDatabaseLink } from '../chaos/links.ts';
import { quiet } from '../support/log.ts';
import { startPostgres } from '../support/postgres.ts';
import { until } from '../support/until.ts';

const POOL = 3;
const server = await startPostgres();
if ('skip' in server) test.skip(`a pool whose line falls silent (${server.skip})`, () => undefined);
else {
  test.after.always(() => server.stop());

  test('a statement that is never answered fails, and its connection goes out of the pool with it', async (t) => {
    t.timeout(600_000);
    const link = await openDatabaseLink(await server.database());
    const database = await openDatabase({ url: link.url, dataDir: '', pool: POOL, statementTimeout: 5_000 }, quiet);
    const { knex } = database;
    const all = Array.from({ length: POOL });
    const yes = (): boolean => true;
    const no = (): boolean => false;
    /** The whole pool is asked at once: nobody gives a connection back before all have one. */
    const together = async (): Promise<void> => {
      let asked = 0;
      await Promise.all(
        all.map(() =>
          knex.transaction(async (tx) => {
            await tx.raw('select 1');
            asked += 1;
            await until(() => asked === POOL, 'all connections');
          }),
        ),
      );
    };
    try {
      await together();
      t.is(link.connections, POOL);
      link.swallow();
      link.mend();
      await Promise.all(all.map(() => t.throwsAsync(async () => void (await knex.raw('select 1')), { message: /Query read timeout/ })));
      // the driver says so before it has heard that the connection is gone
      await until(() => knex.raw('select 1').then(yes, no), 'a statement is answered');
      await together();
      t.is(link.connections, POOL, 'over new ones');
    } finally {
      await link.close();
      await database.close();
    }
  });
}
