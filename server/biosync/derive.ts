/** Daily values from stored records (B4.8): reads what is stored about the days, lets calc derive, writes what differs. */
import type { Knex } from 'knex';
import type { SourceType } from '../../calc/ingest/canonical.ts';
import { deriveDay, mainSleep } from '../../calc/ingest/derive.ts';
import type { Asleep, DailyMetric, DaySamples, DaySleep, DayValue } from '../../calc/ingest/derive.ts';

interface Sourced {
  readonly local_day: string;
  readonly source_id: string;
  readonly type: SourceType;
}

type SleepDb = Sourced & { readonly start_at: number; readonly end_at: number; readonly is_nap: boolean | null } & {
  readonly [
    K in
      | 'tib_s'
      | 'tst_s'
      | 'spt_s'
      | 'deep_s'
      | 'rem_s'
      | 'light_s'
      | 'awake_s'
      | 'latency_s'
      | 'hrv_rmssd_ms'
      | 'resp_rate'
      | 'skin_temp_delta_c'
  ]: number | null;
};

const rowsOf = async <T>(query: Promise<unknown>): Promise<T[]> => ((await query) as { rows: T[] }).rows;

/** @returns the days of which some daily value changed, ascending */
export async function deriveDays(tx: Knex, userId: string, days: readonly string[], now: number): Promise<string[]> {
  if (days.length === 0) return [];
  const bind = [userId, [...days]];
  const join = (table: string): string =>
    `from ${table} t join data_sources s on s.id = t.source_id where t.user_id = ? and t.local_day = any(?::date[]) and not t.deleted`;
  const nights = await rowsOf<SleepDb>(tx.raw(`select t.*, s.type ${join('sleep_sessions')}`, bind));
  const values = await rowsOf<Sourced & { metric: string; value: number }>(
    tx.raw(`select t.local_day, t.source_id, s.type, t.metric, t.value ${join('daily_summaries')}`, bind),
  );
  const samples = await rowsOf<Sourced & { metric: string; n: number; mean: number }>(
    tx.raw(
      `select t.local_day, t.source_id, s.type, t.metric, count(*)::int as n, avg(t.value) as mean ${join('metrics_normalized')}
        group by t.local_day, t.source_id, s.type, t.metric`,
      bind,
    ),
  );
  const known = await rowsOf<{ local_day: string; metric: string; value: number; source_id: string }>(
    tx.raw('select local_day, metric, value, source_id from daily_metrics where user_id = ? and local_day = any(?::date[])', bind),
  );
  const changed: string[] = [];
  const puts: (DailyMetric & { day: string })[] = [];
  const drops: { day: string; metric: string }[] = [];
  for (const day of [...days].sort()) {
    const of = <T extends Sourced>(list: readonly T[]): T[] => list.filter((r) => r.local_day === day);
    const sessions = of(nights).map(sessionOf);
    const daySamples = of(samples).map((r): DaySamples => ({ ...sourceOf(r), metric: r.metric, n: r.n, mean: r.mean }));
    const asleep = await asleepOf(tx, userId, sessions, daySamples);
    const derived = deriveDay({
      sessions,
      values: of(values).map((r): DayValue => ({ ...sourceOf(r), metric: r.metric, value: r.value })),
      samples: daySamples,
      asleep,
    });
    const before = new Map(known.filter((r) => r.local_day === day).map((r) => [r.metric, r]));
    let differs = false;
    for (const d of derived) {
      const old = before.get(d.metric);
      before.delete(d.metric);
      if (old !== undefined && old.value === d.value && old.source_id === d.sourceId) continue;
      differs = true;
      puts.push({ ...d, day });
    }
    for (const metric of before.keys()) drops.push({ day, metric });
    if (differs || before.size > 0) changed.push(day);
  }
  await write(tx, userId, puts, drops, now);
  return changed;
}

async function write(
  tx: Knex,
  userId: string,
  puts: readonly (DailyMetric & { day: string })[],
  drops: readonly { day: string; metric: string }[],
  now: number,
): Promise<void> {
  if (puts.length > 0) {
    await tx.raw(
      `insert into daily_metrics (user_id, local_day, metric, value, n, source_id, computed_at)
       select ?, r.day, r.metric, r.value, r.n, r."sourceId", ?
         from jsonb_to_recordset(?::jsonb) as r(day date, metric text, value float8, n int, "sourceId" uuid)
       on conflict (user_id, local_day, metric) do update set value = excluded.value, n = excluded.n, source_id = excluded.source_id, computed_at = excluded.computed_at`,
      [userId, new Date(now), JSON.stringify(puts)],
    );
  }
  if (drops.length > 0) {
    await tx.raw(
      `delete from daily_metrics d using jsonb_to_recordset(?::jsonb) as r(day date, metric text)
        where d.user_id = ? and d.local_day = r.day and d.metric = r.metric`,
      [JSON.stringify(drops), userId],
    );
  }
}

/** What samples say about the main sleep; asked only where there are samples. */
async function asleepOf(tx: Knex, userId: string, sessions: readonly DaySleep[], samples: readonly DaySamples[]): Promise<Asleep[]> {
  const night = mainSleep(sessions);
  if (night === undefined || !samples.some((s) => s.metric === 'heart_rate' || s.metric === 'hrv_rmssd')) return [];
  const found = await rowsOf<{ source_id: string; hrv: number | null; n: number; lowest: number | null }>(
    tx.raw(
      `with night as (
         select source_id, metric, value, floor(extract(epoch from ts) / 300) as slot from metrics_normalized
          where user_id = ? and metric in ('heart_rate', 'hrv_rmssd') and ts >= ? and ts <= ? and not deleted),
       five as (select source_id, avg(value) as bpm from night where metric = 'heart_rate' group by source_id, slot)
       select source_id, (select avg(value) from night h where h.source_id = n.source_id and h.metric = 'hrv_rmssd') as hrv,
              (select count(*)::int from night h where h.source_id = n.source_id and h.metric = 'hrv_rmssd') as n,
              (select min(bpm) from five f where f.source_id = n.source_id) as lowest
         from night n group by source_id order by source_id`,
      [userId, new Date(night.startAt), new Date(night.endAt)],
    ),
  );
  return found.map((r) => ({
    sourceId: r.source_id,
    ...(r.hrv === null ? {} : { hrvMs: r.hrv, hrvN: r.n }),
    ...(r.lowest === null ? {} : { lowestBpm: r.lowest }),
  }));
}

const sourceOf = (r: Sourced): { sourceId: string; sourceType: SourceType } => ({ sourceId: r.source_id, sourceType: r.type });

function sessionOf(r: SleepDb): DaySleep {
  const of = (v: number | null): number | undefined => v ?? undefined;
  return {
    ...sourceOf(r),
    startAt: r.start_at,
    endAt: r.end_at,
    isNap: r.is_nap ?? false,
    tibS: of(r.tib_s),
    tstS: of(r.tst_s),
    sptS: of(r.spt_s),
    deepS: of(r.deep_s),
    remS: of(r.rem_s),
    lightS: of(r.light_s),
    awakeS: of(r.awake_s),
    latencyS: of(r.latency_s),
    hrvRmssdMs: of(r.hrv_rmssd_ms),
    respRate: of(r.resp_rate),
    skinTempDeltaC: of(r.skin_temp_delta_c),
  };
}
