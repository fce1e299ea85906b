/** The kernel's tables, as in the kernel specification, section 6. */
import { randomBytes } from 'node:crypto';
import type { Knex } from 'knex';

const PARTITIONS = 16;
const BRIN = 'with (pages_per_range = 32, autosummarize = on)';

/** '00' to '15' */
const parts = Array.from({ length: PARTITIONS }, (_, i) => String(i).padStart(2, '0'));

/** Indexes of partitions carry names of their own, because a conflict reports the constraint of the partition. */
const partitions = (table: string, storage: string, indexes: (part: string) => string): string =>
  parts
    .map(
      (nn, i) => `
        create table ${table}_${nn} partition of ${table} for values with (modulus ${PARTITIONS}, remainder ${i}) ${storage};
        ${indexes(`${table}_${nn}`)}`,
    )
    .join('');

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table thrum_actor (
      actor_id   uuid primary key,
      kind       text not null,
      id         text not null,
      slot       smallint not null,
      status     text not null default 'active' check (status in ('active', 'done', 'paused', 'quarantined', 'erased')),
      mver       integer not null,
      state      text,
      last_seq   bigint not null default 0,
      last_at    timestamptz,
      created_at timestamptz not null default now(),
      unique (kind, id)
    ) with (fillfactor = 80);
    create index thrum_actor_kind_state on thrum_actor (kind, state, actor_id);
    create index thrum_actor_kind_last on thrum_actor (kind, last_at desc);

    create table thrum_journal (
      actor_id uuid not null,
      seq      bigint not null,
      at       bigint not null,
      type     text not null,
      event    jsonb not null,
      patch    jsonb not null,
      reply    jsonb,
      idem     bytea,
      cid      bigint not null,
      mver     integer not null,
      meta     jsonb,
      primary key (actor_id, seq)
    ) partition by hash (actor_id);
    ${partitions(
      'thrum_journal',
      'with (fillfactor = 100, autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_freeze_min_age = 0)',
      (name) => `
        create unique index ${name}_idem_idx on ${name} (actor_id, idem) where idem is not null;
        create index ${name}_at_idx on ${name} using brin (at) ${BRIN};`,
    )}
    create unique index thrum_journal_idem on thrum_journal (actor_id, idem) where idem is not null;
    create index thrum_journal_at on thrum_journal using brin (at) ${BRIN};

    create function thrum_slot_of(a uuid) returns integer language sql immutable parallel safe as
      $$ select ('x' || left(replace(a::text, '-', ''), 3))::bit(12)::integer >> 2 $$;

    create table thrum_slot (slot smallint primary key, projected_at bigint not null default 0);

    create table thrum_snapshot (
      actor_id uuid not null,
      seq      bigint not null,
      mver     integer not null,
      state    jsonb not null,
      bytes    integer not null,
      at       timestamptz not null default now(),
      heads    jsonb,
      primary key (actor_id, seq)
    );

    create table thrum_topic_item (
      actor_id uuid not null,
      view     text not null,
      n        bigint not null,
      seq      bigint not null,
      at       bigint not null,
      item     jsonb not null,
      primary key (actor_id, view, n)
    ) partition by hash (actor_id);
    ${partitions('thrum_topic_item', '', (name) => `create index ${name}_at_idx on ${name} using brin (at) ${BRIN};`)}
    create index thrum_topic_item_at on thrum_topic_item using brin (at) ${BRIN};

    create table thrum_data (
      one     boolean primary key default true check (one),
      data_id bytea not null,
      since   timestamptz not null default now()
    );

    create table thrum_timer (
      actor_id  uuid not null,
      timer_id  text not null,
      slot      smallint not null,
      due       bigint not null,
      armed_seq bigint not null,
      type      text not null,
      primary key (actor_id, timer_id)
    ) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
    create index thrum_timer_due on thrum_timer (slot, due);

    create table thrum_outbox (
      actor_id uuid not null,
      seq      bigint not null,
      n        smallint not null,
      slot     smallint not null,
      op       text not null,
      target   text not null,
      payload  jsonb not null,
      attempts smallint not null default 0,
      next_at  bigint not null,
      state    text not null default 'pending',
      error    text,
      primary key (actor_id, seq, n)
    ) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
    create index thrum_outbox_next on thrum_outbox (slot, next_at) where state = 'pending';

    create table thrum_dead (
      id          bigint generated always as identity primary key,
      actor_id    uuid not null,
      kind        text not null,
      id_text     text not null,
      source      text not null,
      event       jsonb not null,
      error       jsonb not null,
      attempts    integer not null,
      at          timestamptz not null default now(),
      resolved_at timestamptz,
      resolved_by text,
      resolution  text
    );
    create index thrum_dead_open on thrum_dead (actor_id) where resolved_at is null;

    create function thrum_refuse(companion text, refused jsonb) returns boolean language plpgsql as $$
    begin
      raise exception using errcode = '23P01', constraint = companion, detail = refused::text, message = 'companion row refused';
    end $$;

    create table thrum_pause (
      scope  text primary key,
      reason text not null,
      admin  text not null,
      at     timestamptz not null default now()
    );

    create table thrum_admin_audit (
      id         bigint generated always as identity primary key,
      at         timestamptz not null default now(),
      admin      text not null,
      action     text not null,
      actor_id   uuid,
      before_seq bigint,
      after_seq  bigint,
      detail     jsonb not null
    );
  `);
  await knex.raw('insert into thrum_data (data_id) values (?)', [randomBytes(16)]);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop table thrum_admin_audit, thrum_pause, thrum_dead, thrum_outbox, thrum_timer, thrum_data, thrum_topic_item, thrum_snapshot, thrum_slot,
      thrum_journal, thrum_actor;
    drop function thrum_refuse(text, jsonb);
    drop function thrum_slot_of(uuid);
  `);
}
