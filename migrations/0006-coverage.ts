/** Counts of transitions tell what they count, for a version that no build knows any more. Nobody had counted before. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    delete from thrum_coverage;
    alter table thrum_coverage
      add column version integer not null,
      add column source  text not null,
      add column event   text not null,
      add column guard   text,
      add column targets jsonb not null;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table thrum_coverage
      drop column targets, drop column guard, drop column event, drop column source, drop column version;
  `);
}
