/** Notifications, the endpoints they are pushed to, and what became of each push (realtime R14). */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  // companion rows of the user's actor; a suppressed notification has no number
  await knex.raw(`
    create table notifications (
      user_id         text not null,
      id              uuid not null,
      seq             bigint,
      actor_id        uuid not null,
      actor_seq       bigint not null,
      category        text not null,
      severity        text not null check (severity in ('info', 'warning', 'critical')),
      collapse_key    text not null,
      title_key       text not null,
      args            jsonb not null,
      href            text,
      created_at      timestamptz not null,
      expires_at      timestamptz not null,
      state           text not null check (state in
                        ('live', 'deferred', 'digested', 'pushing', 'sent', 'failed', 'acknowledged', 'suppressed', 'expired')),
      reason          text,
      acknowledged_at timestamptz,
      primary key (user_id, id)
    )`);
  await knex.raw('create unique index notifications_seq on notifications (user_id, seq)');
  await knex.raw('create index notifications_created on notifications (created_at)');
  await knex.raw(`
    create table push_endpoints (
      id              uuid primary key,
      user_id         text not null,
      device_id       text,
      provider        text not null check (provider in ('webpush', 'fcm', 'apns', 'log')),
      token_hash      bytea not null unique,
      token_enc       bytea not null,
      platform        text,
      app_id          text,
      env             text check (env in ('production', 'sandbox')),
      locale          text,
      registered_at   timestamptz not null,
      last_seen_at    timestamptz not null,
      last_success_at timestamptz,
      failures        int not null default 0,
      disabled_at     timestamptz,
      disabled_reason text
    )`);
  await knex.raw('create index push_endpoints_user on push_endpoints (user_id)');
  await knex.raw('create index push_endpoints_seen on push_endpoints (last_seen_at) where disabled_at is null');
  await knex.raw(`
    create table notification_deliveries (
      id              uuid primary key,
      user_id         text not null,
      notification_id uuid not null,
      endpoint_id     uuid not null references push_endpoints on delete cascade,
      channel         text not null,
      state           text not null check (state in ('retrying', 'sent', 'failed', 'gone', 'superseded')),
      attempts        int not null,
      vendor_id       text,
      error           text,
      next_at         timestamptz,
      updated_at      timestamptz not null,
      unique (notification_id, endpoint_id)
    )`);
  await knex.raw('create index notification_deliveries_user on notification_deliveries (user_id, updated_at desc)');
  await knex.raw(`
    create table push_keys (
      name        text primary key,
      public_key  text not null,
      private_enc bytea not null,
      created_at  timestamptz not null
    )`);
}

export async function down(knex: Knex): Promise<void> {
  for (const table of ['push_keys', 'notification_deliveries', 'push_endpoints', 'notifications']) await knex.raw(`drop table ${table}`);
}
