/**
 * Ingestion of stored payloads (B4.2): normalise, upsert by rank, derive the days, tell the actors. Doing it twice changes nothing: a payload
 * that is done is not taken up again, records are maxima, and what is told carries the idempotency key of the payload's version.
 */
import { createHash } from 'node:crypto';
import type { Knex } from 'knex';
import { z } from 'zod';
import type { ActorSystem } from '../../actors/system.ts';
import type { Clock, Principal } from '../../actors/types.ts';
import { offsetsOf } from '../../calc/ingest/days.ts';
import { normalise, NORMALISER_VERSION } from '../../calc/ingest/normalise.ts';
import { addCounts, Counts, noCounts } from '../../machines/biosync/schema.ts';
import { JobFailure, jobKind } from '../jobs/jobs.ts';
import type { JobKind } from '../jobs/jobs.ts';
import type { Source } from './canonical.ts';
import { deriveDays } from './derive.ts';
import type { Provider, Providers } from './provider.ts';
import { upsertRows } from './stored.ts';

const INGEST: Principal = { kind: 'system', id: 'ingest', roles: [] };

const Outcome = Counts.extend({ days: z.array(z.string()), touched: z.array(z.string()) });
type Outcome = z.infer<typeof Outcome>;

interface Raw {
  readonly id: string;
  readonly user_id: string;
  readonly device_id: string;
  readonly provider: string;
  readonly payload: unknown;
  readonly last_received_at: number;
  readonly times_received: number;
  readonly normalised_at: number | null;
  readonly announced_at: number | null;
  readonly outcome: unknown;
  readonly time_zone: string;
}

export interface IngestDeps {
  readonly knex: Knex;
  readonly clock: Clock;
  readonly providers: Providers;
  readonly actors: () => ActorSystem;
}

export interface Ingest {
  /** Ingests the payloads and tells the user's actor of changed days; `inform`: the device's actor too. */
  run(rawIds: readonly string[], inform: boolean): Promise<Counts>;
  readonly job: JobKind<{ deviceId: string; rawIds: string[] }>;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Id of a source, the same wherever and in whatever order it is first seen. */
export function sourceIdOf(deviceId: string, s: Source): string {
  const hex = sha256(JSON.stringify([deviceId, s.name, s.hwId ?? '']));
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

export function createIngest({ knex, clock, providers, actors }: IngestDeps): Ingest {
  const load = async (tx: Knex, rawIds: readonly string[]): Promise<Raw[]> => {
    const result = (await tx.raw(
      `select r.id, r.user_id, r.device_id, r.provider, r.payload, r.last_received_at, r.times_received, r.normalised_at, r.announced_at, r.outcome,
              coalesce(d.time_zone, 'UTC') as time_zone
         from metrics_raw r left join devices d on d.id = r.device_id where r.id = any(?) order by r.last_received_at, r.id`,
      [[...rawIds]],
    )) as { rows: Raw[] };
    return result.rows;
  };

  async function ingest(tx: Knex, raw: Raw, provider: Provider): Promise<Outcome> {
    const batch = provider.normalise(raw.payload);
    if (batch === undefined) throw new JobFailure('BAD_PAYLOAD', `payload ${raw.id} does not fit its provider`, { retryable: false });
    const sourceId = sourceIdOf(raw.device_id, batch.source);
    await tx.raw(
      `insert into data_sources (id, device_id, user_id, name, type, brand, hw_id) values (?, ?, ?, ?, ?, ?, ?) on conflict (id) do nothing`,
      [sourceId, raw.device_id, raw.user_id, batch.source.name, batch.source.type, batch.source.brand, batch.source.hwId ?? ''],
    );
    const { rows, rejected } = normalise(batch.records, {
      receivedAt: raw.last_received_at,
      offsetOf: offsetsOf(raw.time_zone),
      hash: sha256,
    });
    const { counts, days } = await upsertRows(tx, { userId: raw.user_id, sourceId, rawId: raw.id }, rows);
    const changed = await deriveDays(tx, raw.user_id, [...days], clock.wall());
    const seen = rows.flatMap((r) => (r.day === undefined ? [] : [r.day])).sort();
    return {
      ...addCounts(counts, { ...noCounts, rejected: rejected.length }),
      days: changed,
      touched: seen.length === 0 ? [] : [seen[0] ?? '', seen.at(-1) ?? ''],
    };
  }

  async function settle(raw: Raw): Promise<Outcome> {
    const provider = providers.get(raw.provider);
    if (provider === undefined) throw new JobFailure('NO_PROVIDER', `no provider ${raw.provider}`, { retryable: false });
    return knex.transaction(async (tx) => {
      // what one user's days are derived from must not change in between
      await tx.raw(`select pg_advisory_xact_lock(hashtextextended(?, 20))`, [raw.user_id]);
      const fresh = await ingest(tx, raw, provider);
      // days of an earlier round that nobody was told of
      const owed = raw.outcome === null || raw.announced_at !== null ? [] : Outcome.parse(raw.outcome).days;
      const outcome = { ...fresh, days: [...new Set([...owed, ...fresh.days])].sort() };
      await tx.raw(
        `update metrics_raw set normalised_at = case when times_received = ? then ?::timestamptz end, announced_at = null, normaliser_version = ?,
                outcome = ?::jsonb, error = null where id = ?`,
        [raw.times_received, new Date(clock.wall()), NORMALISER_VERSION, JSON.stringify(outcome), raw.id],
      );
      return outcome;
    });
  }

  async function tell(ref: string, command: { type: string; [field: string]: unknown }, key: string): Promise<void> {
    const reply = await actors().ask(ref, command, { key, from: INGEST });
    // an actor that will never take it (erased, disconnected) is no reason to try again
    if (reply.ok || ['NOT_FOUND', 'NOT_ALLOWED', 'ACTOR_ERASED'].includes(reply.error.code)) return;
    throw new JobFailure(reply.error.code, `${ref} refused ${command.type}`);
  }

  async function announce(raw: Raw, outcome: Outcome, inform: boolean): Promise<void> {
    const key = `raw:${raw.id}:${raw.times_received}`;
    if (outcome.days.length > 0) await tell(`user:${raw.user_id}`, { type: 'data.committed', days: outcome.days }, key);
    if (inform) {
      const { days: _, touched, ...counts } = outcome;
      const day = new Date(raw.last_received_at).toISOString().slice(0, 10);
      const fact = {
        id: `${raw.id}.${raw.times_received}`,
        receivedAt: raw.last_received_at,
        from: touched[0] ?? day,
        to: touched[1] ?? day,
        counts,
      };
      await tell(`device:${raw.device_id}`, { type: 'data.ingested', ...fact }, key);
    }
    await knex.raw(`update metrics_raw set announced_at = ? where id = ? and times_received = ?`, [
      new Date(clock.wall()),
      raw.id,
      raw.times_received,
    ]);
  }

  async function run(rawIds: readonly string[], inform: boolean): Promise<Counts> {
    let total = noCounts;
    for (const raw of await load(knex, rawIds)) {
      const outcome = raw.normalised_at === null ? await settle(raw) : Outcome.parse(raw.outcome);
      const { days: _, touched: __, ...counts } = outcome;
      total = addCounts(total, counts);
      if (raw.normalised_at === null || raw.announced_at === null) await announce(raw, outcome, inform);
    }
    return total;
  }

  return {
    run,
    job: jobKind({
      queue: 'ingest',
      kind: 'ingest.normalise',
      payload: z.object({ deviceId: z.string(), rawIds: z.array(z.uuid()).max(100) }),
      attempts: 5,
      backoff: { base: 5_000, cap: 60_000, jitter: 0.2 },
      run: async ({ payload }) => void (await run(payload.rawIds, true)),
    }),
  };
}
