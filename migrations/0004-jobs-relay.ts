/** When a row of `jobs` was handed to the dispatcher in Redis; the embedded runner leaves it empty. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table jobs add column relayed_at timestamptz;
    create index jobs_unrelayed on jobs (queue, run_at) where status in ('waiting', 'delayed') and relayed_at is null;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop index jobs_unrelayed; alter table jobs drop column relayed_at');
}
