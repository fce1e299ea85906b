/** Runs the compiled migrations of the folder `migrations`, in order of their names. */
import { readdirSync } from 'node:fs';
import type { Knex } from 'knex';

type Migration = Knex.Migration;

const folder = new URL('../../migrations/', import.meta.url);

/**
 * Names of the migrations in the folder, in order. They carry no extension, so that the record in the database does not depend on the compiler. A
 * process asks once, at its start: a build of another version may lie in the folder later.
 */
export const migrationNames = (): string[] =>
  readdirSync(folder)
    .filter((name) => /^\d{4}-[a-z0-9-]+\.js$/.test(name))
    .map((name) => name.slice(0, -3))
    .sort();

const source: Knex.MigrationSource<string> = {
  getMigrations: async () => migrationNames(),
  getMigrationName: (name) => name,
  getMigration: async (name) => (await import(new URL(`${name}.js`, folder).href)) as Migration,
};

const config: Knex.MigratorConfig = {
  migrationSource: source,
  schemaName: 'thrum',
  tableName: 'thrum_migrations',
  // migrations only add: a version before this database's starts on it too
  disableMigrationsListValidation: true,
};

/** Brings the database up to date. Gives the names of the migrations that ran. */
export async function migrate(knex: Knex): Promise<string[]> {
  const [, ran] = (await knex.migrate.latest(config)) as [number, string[]];
  return ran;
}

/** Rejects unless every one of the migrations has run; those of newer versions do not matter. */
export async function migrated(knex: Knex, names: readonly string[]): Promise<void> {
  const { rows } = await knex.raw<{ rows: { name: string }[] }>('select name from thrum.thrum_migrations');
  const ran = new Set(rows.map(({ name }) => name));
  const behind = names.filter((name) => !ran.has(name)).length;
  if (behind > 0) throw new Error(`${behind} migrations have not run`);
}

/** Takes back every migration, the last first. For tests. */
export async function unmigrate(knex: Knex): Promise<void> {
  await knex.migrate.rollback(config, true);
}
