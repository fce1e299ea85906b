/** Monitors for lists: a projection of the monitor actors, filled by the kernel from their histories (forecast-anomaly 16). */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table monitors (
      actor_id    uuid primary key,
      seq         bigint not null,
      id          text not null,
      owner_kind  text not null,
      owner_id    text not null,
      metric      text not null,
      cfg         jsonb not null,
      cfg_version int not null,
      condition   text not null,
      alerting    text not null,
      muted_until timestamptz,
      last_t      timestamptz,
      last_value  float8,
      last_z      float8,
      threshold   float8 not null,
      updated_at  timestamptz not null
    ) with (fillfactor = 70)`);
  await knex.raw('create unique index monitors_id on monitors (id)');
  await knex.raw('create index monitors_owner on monitors (owner_kind, owner_id, id)');
  await knex.raw(`create index monitors_unusual on monitors (condition, id) where condition <> 'normal'`);
  await knex.raw(`create index monitors_alerting on monitors (alerting, id) where alerting <> 'quiet'`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table monitors');
}
