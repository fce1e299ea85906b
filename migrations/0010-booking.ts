/**
 * Bookings (booking.md 12): resources, claims under the exclusion constraint, the list of bookings, daily utilization. All of them are
 * companion tables: their rows commit with the event that causes them.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw('create extension if not exists btree_gist');
  // the number of a resource is drawn before its actor is created, because its claims carry it
  await knex.raw('create sequence resource_numbers as int');
  await knex.raw(`
    create table resources (
      resource_id   text primary key,
      actor_id      uuid not null,
      actor_seq     bigint not null,
      resource_no   int not null unique,
      name          text not null,
      kind          text not null,
      time_zone     text not null,
      capacity      int not null check (capacity > 0),
      capacity_mode text not null check (capacity_mode in ('units', 'pool')),
      config        jsonb not null,
      rev           int not null,
      status        text not null check (status in ('active', 'suspended', 'retired')),
      created_at    timestamptz not null,
      updated_at    timestamptz not null
    )`);
  await knex.raw('create index resources_kind on resources (kind, resource_id)');
  await knex.raw(`
    create table booking_claims (
      claim_id    uuid primary key,
      resource_no int not null references resources (resource_no),
      booking_id  uuid not null,
      unit        smallint,
      qty         smallint not null default 1 check (qty > 0),
      during      tstzrange not null,
      state       text not null check (state in ('held', 'confirmed', 'blocked', 'released', 'done')),
      purpose     text not null default 'booking',
      actor_seq   bigint not null,
      constraint claims_bounds check (not isempty(during) and lower_inc(during) and not upper_inc(during)
                                      and not lower_inf(during) and not upper_inf(during)),
      constraint claims_no_overlap exclude using gist
        (resource_no with =, unit with =, during with &&, booking_id with <>)
        where (state in ('held', 'confirmed', 'blocked') and unit is not null)
    )`);
  await knex.raw(`create index booking_claims_pool on booking_claims using gist (resource_no, during)
    where unit is null and state in ('held', 'confirmed', 'blocked')`);
  await knex.raw('create index booking_claims_booking on booking_claims (booking_id)');
  await knex.raw(POOL_GUARD);
  await knex.raw(`create trigger booking_pool_guard before insert or update of during, state, qty on booking_claims
    for each row when (new.unit is null and new.purpose in ('booking', 'offer') and new.state in ('held', 'confirmed', 'blocked'))
    execute function booking_pool_guard()`);
  await knex.raw(`
    create table bookings (
      booking_id  uuid primary key,
      actor_id    uuid not null,
      actor_seq   bigint not null,
      resource_id text not null,
      user_id     text not null,
      start_at    timestamptz not null,
      end_at      timestamptz not null,
      time_zone   text not null,
      state       text not null,
      sequence    int not null,
      doc         jsonb not null,
      created_at  timestamptz not null,
      updated_at  timestamptz not null
    )`);
  await knex.raw('create index bookings_resource on bookings (resource_id, start_at desc, booking_id)');
  await knex.raw('create index bookings_user on bookings (user_id, start_at desc, booking_id)');
  await knex.raw('create index bookings_start on bookings (start_at desc, booking_id)');
  await knex.raw(`
    create table utilization_buckets (
      resource_id     text not null,
      bucket          text not null check (bucket in ('hour', 'day', 'week')),
      t               timestamptz not null,
      actor_id        uuid not null,
      actor_seq       bigint not null,
      avail_min       int not null,
      booked_seat_min int not null,
      extra_seat_min  int not null,
      updated_at      timestamptz not null,
      primary key (resource_id, bucket, t)
    )`);
}

/** Keeps the sum of seats of a pool at or below its capacity: an insert above it is skipped, an update above it raises. */
const POOL_GUARD = `
create function booking_pool_guard() returns trigger language plpgsql as $$
declare
  room int;
  used int;
begin
  select capacity into room from resources where resource_no = new.resource_no and capacity_mode = 'pool' for no key update;
  if room is null then return new; end if;
  select coalesce(max(level), 0) into used from (
    select sum(w) over (order by t, w rows unbounded preceding) as level from (
      select greatest(lower(during), lower(new.during)) as t, qty::int as w from booking_claims
       where resource_no = new.resource_no and booking_id <> new.booking_id and unit is null and purpose in ('booking', 'offer')
         and state in ('held', 'confirmed', 'blocked') and during && new.during
      union all
      select least(upper(during), upper(new.during)), -qty::int from booking_claims
       where resource_no = new.resource_no and booking_id <> new.booking_id and unit is null and purpose in ('booking', 'offer')
         and state in ('held', 'confirmed', 'blocked') and during && new.during) e) s;
  if used + new.qty <= room then return new; end if;
  if tg_op = 'INSERT' then return null; end if;
  raise exception using errcode = '23P01', constraint = 'claims_pool_capacity', message = 'the pool is full';
end $$`;

export async function down(knex: Knex): Promise<void> {
  const { rows } = await knex.raw<{ rows: unknown[] }>('select 1 from bookings limit 1');
  if (rows.length > 0) throw new Error('there are bookings; remove them first');
  await knex.raw('drop table utilization_buckets');
  await knex.raw('drop table bookings');
  await knex.raw('drop table booking_claims');
  await knex.raw('drop function booking_pool_guard');
  await knex.raw('drop table resources');
  await knex.raw('drop sequence resource_numbers');
}
