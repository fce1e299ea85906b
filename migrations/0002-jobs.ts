/** Background jobs: the record of every job, whichever runner dispatches it (booking specification, 18.1). */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table jobs (
      job_id           uuid primary key,
      queue            text not null,
      kind             text not null,
      dedupe_key       text,
      payload          jsonb not null,
      priority         integer not null default 0,
      status           text not null default 'waiting' check (status in ('waiting', 'delayed', 'active', 'done', 'dead', 'cancelled')),
      attempts         integer not null default 0,
      max_attempts     integer not null default 8 check (max_attempts > 0),
      stalls           integer not null default 0,
      backoff          jsonb,
      run_at           timestamptz not null default now(),
      locked_by        text,
      lock_until       timestamptz,
      created_at       timestamptz not null default now(),
      first_attempt_at timestamptz,
      last_attempt_at  timestamptz,
      finished_at      timestamptz,
      errors           jsonb not null default '[]',
      dead_at          timestamptz,
      dead_reason      text check (dead_reason in ('max_attempts', 'non_retryable', 'expired', 'poison')),
      replay_of        uuid,
      replayed_by      uuid,
      actor_id         uuid,
      seq              bigint
    ) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
    create unique index jobs_dedupe_key on jobs (dedupe_key) where dedupe_key is not null and status in ('waiting', 'delayed', 'active');
    create index jobs_ready on jobs (queue, priority desc, run_at) where status in ('waiting', 'delayed');
    create index jobs_locks on jobs (lock_until) where status = 'active';
    create index jobs_finished on jobs (finished_at) where status in ('done', 'cancelled');
    create index jobs_dead on jobs (queue, dead_at) where status = 'dead';
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table jobs');
}
