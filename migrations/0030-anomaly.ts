/** Alerts of all monitors as they now are: companion rows of the monitor that opened them (forecast-anomaly 16). */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table alerts (
      alert_id     uuid primary key,
      actor_id     uuid not null,
      actor_seq    bigint not null,
      monitor_id   text not null,
      owner_kind   text not null,
      owner_id     text not null,
      metric       text not null,
      key          text not null,
      kind         text not null,
      direction    text not null check (direction in ('high', 'low')),
      severity     smallint not null check (severity between 0 and 4),
      status       text not null check (status in ('open', 'acknowledged', 'closed')),
      opened_at    timestamptz not null,
      acked_at     timestamptz,
      acked_by     text,
      closed_at    timestamptz,
      close_reason text check (close_reason in ('auto', 'manual', 'false_positive', 'adopted')),
      label        text check (label in ('true_positive', 'false_positive')),
      item         jsonb not null
    )`);
  await knex.raw(`create index alerts_open on alerts (status, severity desc, opened_at desc)`);
  await knex.raw(`create index alerts_opened on alerts (opened_at desc, alert_id)`);
  await knex.raw(`create index alerts_owner on alerts (owner_kind, owner_id, opened_at desc)`);
  await knex.raw(`create index alerts_monitor on alerts (monitor_id, opened_at desc)`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table alerts');
}
