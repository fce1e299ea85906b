/** Scores of a range of days from stored daily values (B4.10, B5.1): what changed is written with its history, what did not keeps its revision. */
import type { Knex } from 'knex';
import { changeOf } from '../../calc/energy/change.ts';
import type { Published } from '../../calc/energy/change.ts';
import { LOOKBACK_DAYS } from '../../calc/energy/model.ts';
import type { Component, DayFacts } from '../../calc/energy/model.ts';
import { bandOf, confidenceOf, energyScore } from '../../calc/energy/score.ts';
import type { EnergyScore } from '../../calc/energy/score.ts';
import { roundTo } from '../../calc/energy/stats.ts';
import { factsOf } from '../../calc/ingest/derive.ts';
import { addDays, localDate } from '../../calc/time/civil.ts';
import type { ComputeOutput, DayPoint, Score } from '../../machines/user/schema.ts';
import { CHART_DAYS } from '../../machines/user/user.machine.ts';
import { canonicalJson, digest } from './raw.ts';

const MODEL = 'energy-1';
/** a past score is rewritten only when it moves by this much */
const MOVES = 0.05;

interface ScoreDb {
  readonly day: string;
  readonly status: 'ok' | 'insufficient_data';
  readonly score: string | null;
  readonly points: { readonly [c in Component]?: number };
  readonly change: Score['change'] | null;
  readonly missing: NonNullable<Score['missing']>;
  readonly confidence: number;
  readonly inputs_hash: string;
  readonly revision: number;
  readonly computed_at: number;
}

const rowsOf = <T>(result: unknown): T[] => (result as { rows: T[] }).rows;
const four = (x: number): number => roundTo(x, 4);
const fourOf = <K extends string>(o: { readonly [k in K]?: number }): { [k in K]?: number } =>
  Object.fromEntries(Object.entries<number | undefined>(o).flatMap(([k, v]) => (v === undefined ? [] : [[k, four(v)]]))) as {
    [k in K]?: number;
  };

export interface ScoresInput {
  readonly userId: string;
  readonly timeZone: string;
  readonly from: string;
  readonly to: string;
}

/**
 * @param now    epoch ms
 * @param needH  hours of sleep needed
 */
export async function computeScores(
  knex: Knex,
  { userId, timeZone, from, to }: ScoresInput,
  now: number,
  needH = 8,
): Promise<ComputeOutput> {
  const today = localDate(timeZone, now);
  const reach = addDays(to, LOOKBACK_DAYS);
  const end = reach < today ? reach : today;
  if (from > end) return { results: [], changed: 0 };
  return knex.transaction(async (tx) => {
    const facts = await factsBetween(tx, userId, addDays(from, -LOOKBACK_DAYS), end);
    const stored = new Map(
      rowsOf<ScoreDb>(
        await tx.raw('select * from ai_scores where user_id = ? and model = ? and day between ? and ?', [userId, MODEL, from, end]),
      ).map((r) => [r.day, r]),
    );
    let previous = await publishedBefore(tx, userId, from);
    const results: ComputeOutput['results'] = [];
    const writes: { readonly row: Score; readonly s: EnergyScore; readonly hash: string; readonly old: ScoreDb | undefined }[] = [];
    for (let day = from; day <= end; day = addDays(day, 1)) {
      const own = facts.get(day);
      const old = stored.get(day);
      if (own === undefined && old === undefined) continue;
      const history = Array.from({ length: LOOKBACK_DAYS + 1 }, (_, i) => facts.get(addDays(day, -i)));
      const s = energyScore(history, needH);
      const hash = digest(canonicalJson({ inputs: s.inputs, missing: s.missing, model: s.model }));
      const keep = old !== undefined && (old.inputs_hash === hash || (day < today && !moves(old, s)));
      const score = keep ? scoreOfRow(old, previous) : scoreOf(day, s, (old?.revision ?? -1) + 1, now, previous);
      if (!keep || canonicalJson(old.change ?? undefined) !== canonicalJson(score.change))
        writes.push({ row: score, s, hash: keep ? old.inputs_hash : hash, old: keep ? undefined : old });
      if (score.score !== undefined) previous = { score: score.score, points: score.points ?? {} };
      if (day > addDays(today, -CHART_DAYS)) results.push({ score, point: pointOf(own, score) });
    }
    await write(tx, userId, writes);
    return { results, changed: writes.length };
  });
}

const moves = (old: ScoreDb, s: EnergyScore): boolean =>
  old.status !== s.status || Math.abs(Number(old.score ?? 0) - (s.score ?? 0)) >= MOVES;

async function factsBetween(tx: Knex, userId: string, from: string, to: string): Promise<Map<string, DayFacts>> {
  const rows = rowsOf<{ local_day: string; metric: string; value: number }>(
    await tx.raw('select local_day, metric, value from daily_metrics where user_id = ? and local_day between ? and ?', [userId, from, to]),
  );
  const days = new Map<string, Map<string, number>>();
  for (const r of rows) {
    const day = days.get(r.local_day) ?? new Map<string, number>();
    days.set(r.local_day, day.set(r.metric, r.value));
  }
  return new Map([...days].map(([day, values]) => [day, factsOf(values)]));
}

async function publishedBefore(tx: Knex, userId: string, day: string): Promise<Published | undefined> {
  const row = rowsOf<ScoreDb>(
    await tx.raw(`select * from ai_scores where user_id = ? and model = ? and day < ? and status = 'ok' order by day desc limit 1`, [
      userId,
      MODEL,
      day,
    ]),
  )[0];
  return row === undefined ? undefined : { score: Number(row.score), points: row.points };
}

function changeFrom(previous: Published | undefined, score: number | undefined, points: Published['points']): Score['change'] {
  if (previous === undefined || score === undefined) return undefined;
  const { score: delta, parts } = changeOf({ score, points }, previous);
  return { score: four(delta), parts: Object.fromEntries(Object.entries(parts).map(([c, p]) => [c, { ...p, points: four(p.points) }])) };
}

const withChange = (change: Score['change']): { change?: NonNullable<Score['change']> } => (change === undefined ? {} : { change });

function scoreOf(day: string, s: EnergyScore, revision: number, now: number, previous: Published | undefined): Score {
  const score = s.score === undefined ? undefined : four(s.score);
  const points = fourOf(s.points);
  return {
    day,
    status: s.status,
    ...(score === undefined ? {} : { score, band: bandOf(score), points }),
    revision,
    ...withChange(changeFrom(previous, score, points)),
    confidence: four(s.confidence),
    confidenceLevel: confidenceOf(four(s.confidence)),
    ...(s.missing.length === 0 ? {} : { missing: [...s.missing] }),
    model: MODEL,
    computedAt: now,
  };
}

function scoreOfRow(r: ScoreDb, previous: Published | undefined): Score {
  const score = r.score === null ? undefined : Number(r.score);
  return {
    day: r.day,
    status: r.status,
    ...(score === undefined ? {} : { score, band: bandOf(score), points: r.points }),
    revision: r.revision,
    ...withChange(changeFrom(previous, score, r.points)),
    confidence: r.confidence,
    confidenceLevel: confidenceOf(r.confidence),
    ...(r.missing.length === 0 ? {} : { missing: r.missing }),
    model: MODEL,
    computedAt: r.computed_at,
  };
}

function pointOf(facts: DayFacts | undefined, score: Score): DayPoint {
  return {
    ...(score.score === undefined ? {} : { score: score.score, band: bandOf(score.score) }),
    ...(facts?.hrvMs === undefined ? {} : { hrvMs: roundTo(facts.hrvMs, 2) }),
    ...(facts?.rhrBpm === undefined ? {} : { restingBpm: roundTo(facts.rhrBpm, 2) }),
    ...(facts?.tstS === undefined ? {} : { sleepH: roundTo(facts.tstS / 3600, 2) }),
    ...(facts?.load === undefined ? {} : { load: roundTo(facts.load, 1) }),
  };
}

async function write(
  tx: Knex,
  userId: string,
  writes: readonly { readonly row: Score; readonly s: EnergyScore; readonly hash: string; readonly old: ScoreDb | undefined }[],
): Promise<void> {
  if (writes.length === 0) return;
  const replaced = writes.flatMap(({ old }) => (old === undefined ? [] : [old.day]));
  if (replaced.length > 0) {
    await tx.raw(
      `insert into ai_scores_history (user_id, day, model, revision, status, score, points, inputs_hash, computed_at)
       select user_id, day, model, revision, status, score, points, inputs_hash, computed_at from ai_scores
        where user_id = ? and model = ? and day = any(?::date[]) on conflict do nothing`,
      [userId, MODEL, replaced],
    );
  }
  const rows = writes.map(({ row, s, hash }) => ({
    ...row,
    change: row.change ?? null,
    missing: row.missing ?? [],
    points: row.points ?? {},
    inputs: s.inputs,
    hash,
    at: new Date(row.computedAt).toISOString(),
  }));
  await tx.raw(
    `insert into ai_scores (user_id, day, model, status, score, band, points, change, missing, confidence, inputs, inputs_hash, revision, computed_at)
     select ?, r.day, r.model, r.status, r.score, r.band, r.points, r.change, r.missing, r.confidence, r.inputs, r.hash, r.revision, r.at
       from jsonb_to_recordset(?::jsonb) as r(day date, model text, status text, score numeric, band text, points jsonb, change jsonb, missing jsonb,
            confidence float8, inputs jsonb, hash text, revision int, at timestamptz)
     on conflict (user_id, day, model) do update set status = excluded.status, score = excluded.score, band = excluded.band, points = excluded.points,
        change = excluded.change, missing = excluded.missing, confidence = excluded.confidence, inputs = excluded.inputs,
        inputs_hash = excluded.inputs_hash, revision = excluded.revision, computed_at = excluded.computed_at`,
    [userId, JSON.stringify(rows)],
  );
}
