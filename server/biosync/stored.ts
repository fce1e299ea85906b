/** The stored records: how rows of calc become rows of tables, and the upsert by rank (B4.6). The one place that maps their names. */
import type { Knex } from 'knex';
import type { CanonicalRow } from '../../calc/ingest/canonical.ts';
import { NORMALISER_VERSION } from '../../calc/ingest/normalise.ts';
import { compareRank, outcomeOf } from '../../calc/ingest/rank.ts';
import type { Rank } from '../../calc/ingest/rank.ts';
import type { Counts } from '../../machines/biosync/schema.ts';
import { noCounts } from '../../machines/biosync/schema.ts';

type Table = CanonicalRow['table'];

const common = [
  'user_id',
  'source_id',
  'record_key',
  'is_final',
  'provider_version',
  'content_hash',
  'deleted',
  'raw_id',
  'normaliser_version',
];

const shapes: { readonly [T in Table]: { readonly name: string; readonly columns: readonly string[] } } = {
  sleep: {
    name: 'sleep_sessions',
    columns: [
      'external_id',
      'local_day',
      'tz_offset_min',
      'start_at',
      'end_at',
      'is_nap',
      'tib_s',
      'tst_s',
      'spt_s',
      'deep_s',
      'rem_s',
      'light_s',
      'awake_s',
      'latency_s',
      'hr_lowest_bpm',
      'hrv_rmssd_ms',
      'resp_rate',
      'skin_temp_delta_c',
      'stages',
    ],
  },
  workout: {
    name: 'activity_sessions',
    columns: ['external_id', 'local_day', 'tz_offset_min', 'start_at', 'end_at', 'sport', 'energy_kcal', 'distance_m', 'hr_avg_bpm'],
  },
  sample: { name: 'metrics_normalized', columns: ['metric', 'ts', 'value', 'local_day', 'tz_offset_min'] },
  daily: { name: 'daily_summaries', columns: ['metric', 'local_day', 'value'] },
};

const iso = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : new Date(ms).toISOString());

function fields(r: CanonicalRow): { [column: string]: unknown } {
  switch (r.table) {
    case 'sleep':
      return {
        external_id: r.externalId,
        start_at: iso(r.startAt),
        end_at: iso(r.endAt),
        is_nap: r.isNap,
        tib_s: r.tibS,
        tst_s: r.tstS,
        spt_s: r.sptS,
        deep_s: r.deepS,
        rem_s: r.remS,
        light_s: r.lightS,
        awake_s: r.awakeS,
        latency_s: r.latencyS,
        hr_lowest_bpm: r.hrLowestBpm,
        hrv_rmssd_ms: r.hrvRmssdMs,
        resp_rate: r.respRate,
        skin_temp_delta_c: r.skinTempDeltaC,
        stages: r.stages,
      };
    case 'workout':
      return {
        external_id: r.externalId,
        start_at: iso(r.startAt),
        end_at: iso(r.endAt),
        sport: r.sport,
        energy_kcal: r.energyKcal,
        distance_m: r.distanceM,
        hr_avg_bpm: r.hrAvgBpm,
      };
    case 'sample':
      return { metric: r.metric, ts: iso(r.ts), value: r.value };
    default:
      return { metric: r.metric, value: r.value };
  }
}

export interface Target {
  readonly userId: string;
  readonly sourceId: string;
}

/** A row and the payload that it came from. */
export type Sourced = CanonicalRow & { readonly rawId: string };

export interface Stored {
  readonly counts: Counts;
  /** local days whose rows changed, before or after the change */
  readonly days: ReadonlySet<string>;
}

const CHUNK = 1_000;

/** Brings the rows in, each only if it ranks above the stored version of its record. Order and repetition of calls change nothing. */
export async function upsertRows(tx: Knex, target: Target, rows: readonly Sourced[]): Promise<Stored> {
  const counts = { ...noCounts };
  const days = new Set<string>();
  for (const table of ['sleep', 'workout', 'sample', 'daily'] as const) {
    const best = new Map<string, Sourced>();
    for (const row of rows) {
      if (row.table !== table) continue;
      const known = best.get(row.key);
      if (known === undefined) best.set(row.key, row);
      else {
        counts[compareRank(row, known) === 0 ? 'duplicate' : 'stale'] += 1;
        if (compareRank(row, known) > 0) best.set(row.key, row);
      }
    }
    const list = [...best.values()];
    for (let i = 0; i < list.length; i += CHUNK) await upsertChunk(tx, table, target, list.slice(i, i + CHUNK), counts, days);
  }
  return { counts, days };
}

async function upsertChunk(
  tx: Knex,
  table: Table,
  { userId, sourceId }: Target,
  rows: readonly Sourced[],
  counts: { -readonly [K in keyof Counts]: number },
  days: Set<string>,
): Promise<void> {
  const { name, columns } = shapes[table];
  const keys = rows.map((r) => r.key);
  const before = (await tx.raw(
    `select record_key, local_day, is_final, provider_version, content_hash from ${name}
      where user_id = ? and source_id = ? and record_key = any(?) order by record_key for update`,
    [userId, sourceId, keys],
  )) as { rows: { record_key: string; local_day: string | null; is_final: boolean; provider_version: number; content_hash: string }[] };
  const stored = new Map(before.rows.map((r) => [r.record_key, r]));
  const all = [...common, ...columns];
  const values = rows.map((r) => ({
    ...fields(r),
    user_id: userId,
    source_id: sourceId,
    record_key: r.key,
    is_final: r.isFinal,
    provider_version: r.version,
    content_hash: r.hash,
    deleted: r.deleted,
    raw_id: r.rawId,
    normaliser_version: NORMALISER_VERSION,
    local_day: r.day,
    tz_offset_min: r.offsetMin,
  }));
  const written = (await tx.raw(
    `insert into ${name} as t (${all.join(', ')})
     select ${all.map((c) => `r.${c}`).join(', ')} from jsonb_populate_recordset(null::${name}, ?::jsonb) r order by r.record_key
     on conflict (user_id, source_id, record_key) do update set ${all
       .slice(3)
       .map((c) => `${c} = excluded.${c}`)
       .join(', ')}, rev = t.rev + 1
     where (excluded.is_final, excluded.provider_version, excluded.content_hash) > (t.is_final, t.provider_version, t.content_hash)
     returning record_key`,
    [JSON.stringify(values)],
  )) as { rows: { record_key: string }[] };
  const changed = new Set(written.rows.map((r) => r.record_key));
  for (const row of rows) {
    const old = stored.get(row.key);
    const rank: Rank | undefined = old && { isFinal: old.is_final, version: old.provider_version, hash: old.content_hash };
    counts[outcomeOf(row, rank)] += 1;
    if (!changed.has(row.key)) continue;
    if (row.day !== undefined) days.add(row.day);
    if (old !== undefined && old.local_day !== null) days.add(old.local_day);
  }
}
