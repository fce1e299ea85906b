/** A snapshot carries what the actor remembered of its latest commands, so that bringing it back need not look through its history. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table thrum_snapshot add column keys bytea;
    alter table thrum_snapshot alter column keys set storage external;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('alter table thrum_snapshot drop column keys');
}
