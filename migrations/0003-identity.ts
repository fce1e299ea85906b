/** Users, their roles and their login sessions (biosync B1). */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table users (
      id            uuid primary key,
      email         text not null check (length(email) between 3 and 254),
      password_hash text,
      display_name  text not null,
      time_zone     text not null,
      plan          text not null default 'free' check (plan in ('free', 'pro', 'team', 'enterprise')),
      status        text not null default 'active' check (status in ('active', 'disabled')),
      created_at    timestamptz not null
    )`);
  await knex.raw(`create unique index users_email on users (email)`);
  await knex.raw(`
    create table user_roles (
      user_id    uuid not null references users (id),
      role       text not null check (role ~ '^[a-z][a-z:_-]{0,39}$'),
      granted_at timestamptz not null,
      primary key (user_id, role)
    )`);
  await knex.raw(`
    create table sessions (
      id            uuid primary key,
      user_id       uuid not null references users (id),
      refresh_hash  bytea not null unique,
      prev_hash     bytea,
      generation    integer not null default 1,
      created_at    timestamptz not null,
      rotated_at    timestamptz not null,
      expires_at    timestamptz not null,
      max_at        timestamptz not null,
      revoked_at    timestamptz,
      revoke_reason text,
      user_agent    text
    )`);
  await knex.raw(`create index sessions_user on sessions (user_id, created_at desc)`);
  await knex.raw(`create index sessions_revoked on sessions (revoked_at) where revoked_at is not null`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table sessions');
  await knex.raw('drop table user_roles');
  await knex.raw('drop table users');
}
