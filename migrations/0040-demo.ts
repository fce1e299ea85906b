/** Which parts of the demo studio have been set up (server/demo). Empty where there is no demo. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw('create table demo_marks (name text primary key, at timestamptz not null)');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table demo_marks');
}
