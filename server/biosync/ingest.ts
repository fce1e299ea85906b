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
import type { Sourced } from './stored.ts';

const INGEST: Principal = { kind: 'system', id: 'ingest', roles: [] };

const Outcome = Counts.extend({ days: z.array(z.string()), touched: z.array(z.string()) });
type Outcome = z.infer<typeof Outcome>;

const NOTHING: Outcome = { ...noCounts, days: [], touched: [] };
const countsOf = ({ inserted, updated, duplicate, stale, rejected }: Outcome): Counts => ({
  inserted,
  updated,
  duplicate,
  stale,
  rejected,
});

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
  /** Ingests payloads of one device and tells the user's actor of changed days; `inform`: the device's actor too. */
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

  /** Payloads of one device in one go: rows of each source together, then the days once. */
  async function ingest(tx: Knex, userId: string, raws: readonly Raw[], provider: Provider): Promise<Outcome> {
    const bySource = new Map<string, Sourced[]>();
    let counts = noCounts;
    for (const raw of raws) {
      const batch = provider.normalise(raw.payload);
      if (batch === undefined) throw new JobFailure('BAD_PAYLOAD', `payload ${raw.id} does not fit its provider`, { retryable: false });
      const { rows, rejected } = normalise(batch.records, {
        receivedAt: raw.last_received_at,
        offsetOf: offsetsOf(raw.time_zone),
        hash: sha256,
      });
      counts = addCounts(counts, { ...noCounts, rejected: rejected.length });
      const sourceId = sourceIdOf(raw.device_id, batch.source);
      const known = bySource.get(sourceId);
      if (known === undefined) await nameSource(tx, sourceId, raw, batch.source);
      bySource.set(sourceId, [...(known ?? []), ...rows.map((r) => ({ ...r, rawId: raw.id }))]);
    }
    const days = new Set<string>();
    for (const [sourceId, rows] of bySource) {
      const stored = await upsertRows(tx, { userId, sourceId }, rows);
      counts = addCounts(counts, stored.counts);
      for (const day of stored.days) days.add(day);
    }
    const changed = await deriveDays(tx, userId, [...days], clock.wall());
    const seen = [...bySource.values()].flatMap((rows) => rows.flatMap((r) => (r.day === undefined ? [] : [r.day]))).sort();
    return { ...counts, days: changed, touched: seen.length === 0 ? [] : [seen[0] ?? '', seen.at(-1) ?? ''] };
  }

  const nameSource = (tx: Knex, id: string, raw: Raw, s: Source): Promise<unknown> =>
    tx.raw(
      `insert into data_sources (id, device_id, user_id, name, type, brand, hw_id) values (?, ?, ?, ?, ?, ?, ?) on conflict (id) do nothing`,
      [id, raw.device_id, raw.user_id, s.name, s.type, s.brand, s.hwId ?? ''],
    );

  /** The outcome of payloads that came together stands on the first of them, which is the one that is announced. */
  async function settle(first: Raw, raws: readonly Raw[]): Promise<Outcome> {
    const provider = providers.get(first.provider);
    if (provider === undefined) throw new JobFailure('NO_PROVIDER', `no provider ${first.provider}`, { retryable: false });
    return knex.transaction(async (tx) => {
      // what one user's days are derived from must not change in between
      await tx.raw(`select pg_advisory_xact_lock(hashtextextended(?, 20))`, [first.user_id]);
      const fresh = await ingest(tx, first.user_id, raws, provider);
      // days of an earlier round that nobody was told of
      const owed = raws.flatMap((r) => (r.outcome === null || r.announced_at !== null ? [] : Outcome.parse(r.outcome).days));
      const outcome = { ...fresh, days: [...new Set([...owed, ...fresh.days])].sort() };
      const now = new Date(clock.wall());
      const rows = raws.map((r) => ({ id: r.id, times: r.times_received, outcome: r === first ? outcome : NOTHING, first: r === first }));
      await tx.raw(
        `update metrics_raw m set normalised_at = case when m.times_received = r.times then ?::timestamptz end, normaliser_version = ?,
                announced_at = case when r.first then null else ?::timestamptz end, outcome = r.outcome, error = null
           from jsonb_to_recordset(?::jsonb) as r(id uuid, times int, outcome jsonb, first boolean) where m.id = r.id`,
        [now, NORMALISER_VERSION, now, JSON.stringify(rows)],
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
      const { touched } = outcome;
      const day = new Date(raw.last_received_at).toISOString().slice(0, 10);
      const fact = {
        id: `${raw.id}.${raw.times_received}`,
        receivedAt: raw.last_received_at,
        from: touched[0] ?? day,
        to: touched[1] ?? day,
        counts: countsOf(outcome),
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
    const raws = await load(knex, rawIds);
    const open = raws.filter((r) => r.normalised_at === null);
    const first = open[0];
    let total = noCounts;
    if (first !== undefined) {
      const outcome = await settle(first, open);
      total = countsOf(outcome);
      await announce(first, outcome, inform);
    }
    for (const raw of raws) {
      if (raw.normalised_at === null) continue;
      const outcome = Outcome.parse(raw.outcome);
      total = addCounts(total, countsOf(outcome));
      if (raw.announced_at === null) await announce(raw, outcome, inform);
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
