/** Queues that an operator has stopped, and an index by which the jobs of an actor are found. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table job_pauses (
      queue  text primary key,
      admin  text not null,
      reason text not null,
      at     timestamptz not null
    );
    create index jobs_actor on jobs (actor_id, seq) where actor_id is not null;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop index jobs_actor; drop table job_pauses');
}
