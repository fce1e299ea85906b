/** The list of actors with the longest histories, by an index. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw('create index thrum_actor_events on thrum_actor (last_seq desc, actor_id desc)');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop index thrum_actor_events');
}
