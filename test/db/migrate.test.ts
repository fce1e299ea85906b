import test from 'ava';
import { rmSync } from 'node:fs';
import { openDatabase } from '../../server/db/database.ts';
import { migrate, migrated, migrationNames, unmigrate } from '../../server/db/migrate.ts';
import { embeddedDir } from '../support/embedded.ts';
import { quiet } from '../support/log.ts';

test('every migration can be taken back, leaves nothing, and runs again', async (t) => {
  const dataDir = await embeddedDir();
  const database = await openDatabase({ dataDir }, quiet);
  const { knex, migrated } = database;
  t.teardown(async () => {
    await database.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  t.deepEqual(migrated, [], 'a second start has nothing to do');
  const left = async (): Promise<string[]> => {
    const { rows } = await knex.raw<{ rows: { name: string }[] }>(
      `select relname as name from pg_class where relnamespace = 'thrum'::regnamespace and relkind in ('r', 'p', 'v', 'S')
         and relname not like 'thrum_migrations%'
       union all select proname from pg_proc p where pronamespace = 'thrum'::regnamespace
         and not exists (select 1 from pg_depend d where d.objid = p.oid and d.deptype = 'e')`,
    );
    return rows.map(({ name }) => name).toSorted();
  };
  const before = await left();
  t.true(before.includes('thrum_journal_15') && before.includes('jobs') && before.includes('thrum_refuse'));
  await unmigrate(knex);
  t.deepEqual(await left(), []);
  const ran = await migrate(knex);
  t.is(ran[0], '0001-kernel');
  t.deepEqual(await left(), before);
});

test("a version before the database's starts on it and is ready; one whose migrations have not all run is not", async (t) => {
  const dataDir = await embeddedDir();
  const database = await openDatabase({ dataDir }, quiet);
  const { knex } = database;
  t.teardown(async () => {
    await database.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const names = migrationNames();
  await migrated(knex, names);
  await t.throwsAsync(migrated(knex, [...names, '9998-of-a-newer-build']), { message: '1 migrations have not run' });
  await knex.raw(`insert into thrum.thrum_migrations (name, batch, migration_time) values ('9999-newer', 99, now())`);
  t.deepEqual(await migrate(knex), []);
  await migrated(knex, names);
});
