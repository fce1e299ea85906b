/** Wearables: connections, the intake of deliveries, stored records, daily values, scores; outgoing webhooks; the simulator (biosync B14, booking 16). */
import type { Knex } from 'knex';

/** Columns of a stored record by which its versions are ranked (biosync B4.6), and what became of it. */
const versioned = `
  is_final           boolean not null,
  provider_version   bigint not null,
  content_hash       text collate "C" not null,
  deleted            boolean not null default false,
  rev                integer not null default 0,
  raw_id             uuid,
  normaliser_version integer not null`;

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table devices (
      id uuid primary key, user_id uuid not null, provider text not null, provider_user_id text, label text not null, state text not null,
      auto_sync boolean not null, time_zone text not null, connected_at timestamptz, actor_id uuid not null, seq bigint not null
    );
    create index devices_account on devices (provider, provider_user_id);
    create index devices_user on devices (user_id);

    create table sync_events (
      id text primary key, device_id uuid not null, user_id uuid not null, trigger text not null, status text not null,
      from_day date not null, to_day date not null, started_at timestamptz not null, finished_at timestamptz,
      inserted integer not null, updated integer not null, duplicate integer not null, stale integer not null, rejected integer not null,
      attempt integer not null, error_code text, actor_id uuid not null, seq bigint not null
    );
    create index sync_events_device on sync_events (device_id, started_at desc);

    create table device_authorizations (
      state_hash text primary key, device_id uuid not null, user_id uuid not null, provider text not null, verifier text not null,
      return_to text, created_at timestamptz not null, expires_at timestamptz not null, used_at timestamptz
    );

    create table webhook_deliveries (
      provider text not null, delivery_key text not null, received_at timestamptz not null, primary key (provider, delivery_key)
    );
    create index webhook_deliveries_received on webhook_deliveries using brin (received_at);

    create table webhook_receipts (
      id uuid primary key, provider text not null, event_id text, received_at timestamptz not null, verdict text not null,
      http_status smallint not null, body_bytes integer not null, body_sha256 text, age_s integer, secret_slot smallint, detail text
    );
    create index webhook_receipts_received on webhook_receipts using brin (received_at);
    create index webhook_receipts_event on webhook_receipts (provider, event_id);

    create table webhook_orphans (
      id uuid primary key, provider text not null, provider_user_id text not null, kind text not null, payload jsonb not null,
      payload_sha256 text not null, delivery_key text not null, received_at timestamptz not null, expires_at timestamptz not null
    );
    create index webhook_orphans_account on webhook_orphans (provider, provider_user_id);

    create table metrics_raw (
      id uuid primary key, user_id uuid not null, device_id uuid not null, provider text not null, kind text not null,
      payload jsonb not null, payload_sha256 text not null, received_at timestamptz not null, last_received_at timestamptz not null,
      times_received integer not null default 1, delivery_key text not null, normaliser_version integer, normalised_at timestamptz,
      outcome jsonb, announced_at timestamptz, error text, unique (device_id, payload_sha256)
    );
    create index metrics_raw_open on metrics_raw (last_received_at) where normalised_at is null or announced_at is null;

    create table data_sources (
      id uuid primary key, device_id uuid not null, user_id uuid not null, name text not null, type text not null, brand text not null, hw_id text not null
    );
    create index data_sources_user on data_sources (user_id);

    create table sleep_sessions (
      user_id uuid not null, source_id uuid not null, record_key text not null, external_id text, local_day date, tz_offset_min smallint,
      start_at timestamptz, end_at timestamptz, is_nap boolean, tib_s float8, tst_s float8, spt_s float8, deep_s float8, rem_s float8,
      light_s float8, awake_s float8, latency_s float8, hr_lowest_bpm float8, hrv_rmssd_ms float8, resp_rate float8, skin_temp_delta_c float8,
      stages jsonb, ${versioned}, primary key (user_id, source_id, record_key), check (end_at > start_at), check (tst_s <= tib_s)
    );
    create index sleep_sessions_day on sleep_sessions (user_id, local_day);

    create table activity_sessions (
      user_id uuid not null, source_id uuid not null, record_key text not null, external_id text, local_day date, tz_offset_min smallint,
      start_at timestamptz, end_at timestamptz, sport text, energy_kcal float8, distance_m float8, hr_avg_bpm float8,
      ${versioned}, primary key (user_id, source_id, record_key), check (end_at > start_at)
    );
    create index activity_sessions_day on activity_sessions (user_id, local_day);

    create table metrics_normalized (
      user_id uuid not null, source_id uuid not null, record_key text not null, metric text not null, ts timestamptz not null, value float8,
      local_day date not null, tz_offset_min smallint, ${versioned}, primary key (user_id, source_id, record_key)
    );
    create index metrics_normalized_day on metrics_normalized (user_id, local_day, metric);
    create index metrics_normalized_ts on metrics_normalized (user_id, metric, ts);

    create table daily_summaries (
      user_id uuid not null, source_id uuid not null, record_key text not null, metric text not null, local_day date not null, value float8,
      ${versioned}, primary key (user_id, source_id, record_key)
    );
    create index daily_summaries_day on daily_summaries (user_id, local_day);

    create table daily_metrics (
      user_id uuid not null, local_day date not null, metric text not null, value float8 not null, n integer not null,
      source_id uuid not null, computed_at timestamptz not null, primary key (user_id, local_day, metric)
    );

    create table ai_scores (
      user_id uuid not null, day date not null, model text not null, status text not null, score numeric(7, 4), band text,
      points jsonb not null, change jsonb, missing jsonb not null, confidence float8 not null, inputs jsonb not null,
      inputs_hash text not null, revision integer not null, computed_at timestamptz not null, primary key (user_id, day, model)
    );
    create table ai_scores_history (
      user_id uuid not null, day date not null, model text not null, revision integer not null, status text not null, score numeric(7, 4),
      points jsonb not null, inputs_hash text not null, computed_at timestamptz not null, primary key (user_id, day, model, revision)
    );

    create table webhook_endpoints (
      id uuid primary key, url text not null, description text, types text[] not null, secrets jsonb not null, enabled boolean not null default true,
      created_at timestamptz not null, created_by text not null, disabled_at timestamptz, disabled_reason text, failing_since timestamptz
    );
    create table endpoint_deliveries (
      delivery_id uuid primary key, endpoint_id uuid not null references webhook_endpoints (id) on delete cascade, event_id text not null,
      type text not null, body text not null, attempt integer not null default 0, status text not null, http_status smallint, error text,
      duration_ms integer, response_head text, created_at timestamptz not null, next_attempt_at timestamptz, finished_at timestamptz,
      unique (endpoint_id, event_id)
    );
    create index endpoint_deliveries_endpoint on endpoint_deliveries (endpoint_id, created_at desc);

    create table simulator_accounts (
      id text primary key, name text not null, time_zone text not null, seed text not null, profile jsonb not null, faults jsonb not null default '{}',
      feed boolean not null default false, revoked_at timestamptz, created_at timestamptz not null
    );
    create table simulator_codes (
      code_hash text primary key, account_id text not null references simulator_accounts (id) on delete cascade, scopes text[] not null,
      challenge text not null, redirect_uri text not null, expires_at timestamptz not null, used_at timestamptz
    );
  `);
}

const tables = [
  'simulator_codes',
  'simulator_accounts',
  'endpoint_deliveries',
  'webhook_endpoints',
  'ai_scores_history',
  'ai_scores',
  'daily_metrics',
  'daily_summaries',
  'metrics_normalized',
  'activity_sessions',
  'sleep_sessions',
  'data_sources',
  'metrics_raw',
  'webhook_orphans',
  'webhook_receipts',
  'webhook_deliveries',
  'device_authorizations',
  'sync_events',
  'devices',
];

export async function down(knex: Knex): Promise<void> {
  for (const table of tables) await knex.raw('drop table ??', [table]);
}
