/** What retention needs: snapshots with which a history begins, and actors that are over. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table thrum_snapshot add column base boolean not null default false;
    alter table thrum_actor drop constraint thrum_actor_status_check,
      add constraint thrum_actor_status_check check (status in ('active', 'done', 'paused', 'quarantined', 'erased', 'gone'));
  `);
}

/** An actor that is gone has no history: to the version before it was erased. */
export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    update thrum_actor set status = 'erased' where status = 'gone';
    alter table thrum_actor drop constraint thrum_actor_status_check,
      add constraint thrum_actor_status_check check (status in ('active', 'done', 'paused', 'quarantined', 'erased'));
    alter table thrum_snapshot drop column base;
  `);
}
