/** Runs the compiled migrations of the folder `migrations`, in order of their names. */
import { readdirSync } from 'node:fs';
import type { Knex } from 'knex';

type Migration = Knex.Migration;

const folder = new URL('../../migrations/', import.meta.url);

/** Names carry no extension, so that the record in the database does not depend on the compiler. */
const source: Knex.MigrationSource<string> = {
  getMigrations: async () =>
    readdirSync(folder)
      .filter((name) => /^\d{4}-[a-z0-9-]+\.js$/.test(name))
      .map((name) => name.slice(0, -3))
      .sort(),
  getMigrationName: (name) => name,
  getMigration: async (name) => (await import(new URL(`${name}.js`, folder).href)) as Migration,
};

const config: Knex.MigratorConfig = { migrationSource: source, schemaName: 'thrum', tableName: 'thrum_migrations' };

/** Brings the database up to date. Gives the names of the migrations that ran. */
export async function migrate(knex: Knex): Promise<string[]> {
  const [, ran] = (await knex.migrate.latest(config)) as [number, string[]];
  return ran;
}

/** Rejects unless every migration that this version knows has run. */
export async function migrated(knex: Knex): Promise<void> {
  const behind = await knex.migrate.status(config);
  if (behind < 0) throw new Error(`${-behind} migrations have not run`);
}

/** Takes back every migration, the last first. For tests. */
export async function unmigrate(knex: Knex): Promise<void> {
  await knex.migrate.rollback(config, true);
}
