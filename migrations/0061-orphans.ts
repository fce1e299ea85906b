/** What one node takes of work that others have left, no other takes: of timers the time of that is kept apart from their deadline. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw('alter table thrum_timer add column taken_at bigint');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('alter table thrum_timer drop column taken_at');
}
