/** What a simulated wearable measures (B3.8). A pure function of account and day, so that every run of the demo tells the same story. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { seeded } from '../../../calc/prng.ts';
import { addDays, dayOf, offsetAt, resolveLocal, weekdayOf, withOffset } from '../../../calc/time/civil.ts';
import type { CanonicalBatch } from '../canonical.ts';

export const Profile = z.strictObject({
  brand: z.enum(['ring', 'watch', 'band']).default('ring'),
  /** nights of RMSSD around this many ms; the defaults are those of the specification, e^3.9 and 54 */
  hrvMs: z.number().min(10).max(200).default(49.4),
  restingBpm: z.number().min(35).max(90).default(54),
  sleepH: z.number().min(4).max(10).default(7.1),
  steps: z.number().min(0).max(60_000).default(8_500),
  /** first night of an illness and how many nights it lasts */
  illness: z.strictObject({ from: z.iso.date(), nights: z.int().min(1).max(30) }).optional(),
});
export type Profile = z.infer<typeof Profile>;

export interface Account {
  readonly id: string;
  readonly name: string;
  readonly timeZone: string;
  readonly seed: string;
  readonly profile: Profile;
}

const MINUTE = 60_000;

/** Normal deviates and uniforms of one account and day. */
function draws(a: Account, day: string, stream: number): { uniform: () => number; normal: () => number } {
  const uniform = seeded(
    createHash('sha256')
      .update(JSON.stringify([a.seed, a.id, day]))
      .digest('hex'),
    stream,
  );
  return { uniform, normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()) };
}

/** AR(1) noise with unit variance: neighbouring nights resemble each other. */
function drift(a: Account, day: string): number {
  let sum = 0;
  for (let k = 0; k < 12; k += 1) sum += 0.5 ** k * draws(a, addDays(day, -k), 1).normal();
  return sum * Math.sqrt(0.75);
}

const ill = ({ profile: { illness } }: Account, day: string): boolean =>
  illness !== undefined && day >= illness.from && day < addDays(illness.from, illness.nights);

/** A drink on some Fridays and Saturdays shows in the night after. */
const drank = (a: Account, day: string): boolean => [6, 7].includes(weekdayOf(dayOf(day))) && draws(a, day, 2).uniform() < 0.35;

export interface Night {
  readonly start: number;
  readonly end: number;
  readonly tstS: number;
  readonly hrvMs: number;
  readonly restingBpm: number;
}

/** The night that ends on the local day. */
export function nightOf(a: Account, day: string): Night {
  const d = draws(a, day, 3);
  const resolved = resolveLocal(a.timeZone, `${addDays(day, -1)}T22:50`, 'earlier');
  const bed = resolved.ok ? resolved.at : resolved.candidates[0];
  const start = bed + Math.round(Math.max(-90, Math.min(90, 35 * d.normal()))) * MINUTE;
  const tstS = Math.round(Math.max(3.5, Math.min(10.5, a.profile.sleepH + 0.7 * d.normal() - (ill(a, day) ? 0.8 : 0))) * 60) * 60;
  const awakeS = 600 + Math.round(d.uniform() * 40) * 60;
  const sick = ill(a, day);
  const wine = drank(a, day);
  const ln = Math.log(a.profile.hrvMs) + 0.12 * drift(a, day);
  return {
    start,
    end: start + (tstS + awakeS) * 1000,
    tstS,
    hrvMs: round1(Math.max(5, Math.exp(ln) * (sick ? 0.75 : 1) * (wine ? 0.88 : 1))),
    restingBpm: Math.round(Math.max(32, a.profile.restingBpm + 2 * d.normal() - drift(a, day) + (sick ? 7 : 0) + (wine ? 4 : 0))),
  };
}

const round1 = (x: number): number => Math.round(x * 10) / 10;

/** Minutes of effort by weekday, Monday first: a weekly training rhythm. */
const effort = [30, 45, 20, 50, 15, 60, 10];

export interface DayTotals {
  readonly steps: number;
  readonly moderateMin: number;
  readonly vigorousMin: number;
  readonly kcal: number;
}

/** Totals of a whole local day. */
export function totalsOf(a: Account, day: string): DayTotals {
  const d = draws(a, day, 4);
  const rhythm = (effort[weekdayOf(dayOf(day)) - 1] ?? 30) * (ill(a, day) ? 0.1 : 1);
  const moderateMin = Math.max(0, Math.round(rhythm * (0.8 + 0.4 * d.uniform())));
  const vigorousMin = Math.max(0, Math.round(rhythm * 0.3 * d.uniform()));
  const steps = Math.max(300, Math.round(a.profile.steps * (0.7 + 0.6 * d.uniform()) * (ill(a, day) ? 0.3 : 1)));
  return { steps, moderateMin, vigorousMin, kcal: Math.round(steps * 0.04 + moderateMin * 5 + vigorousMin * 9) };
}

const at = (a: Account, ms: number): string => withOffset(ms, offsetAt(a.timeZone, ms));

/** Stages in cycles of about ninety minutes: deep sleep early, REM late. The parts asleep sum to the time asleep. */
function stagesOf(a: Account, night: Night): { s: 'awake' | 'light' | 'deep' | 'rem'; start: string; end: string }[] {
  const cycles = Math.max(2, Math.round(night.tstS / 5_400));
  const awake = (night.end - night.start) / 1000 - night.tstS;
  const stages: { s: 'awake' | 'light' | 'deep' | 'rem'; start: string; end: string }[] = [];
  let clock = night.start;
  const add = (s: 'awake' | 'light' | 'deep' | 'rem', seconds: number): void => {
    const end = clock + Math.round(seconds) * 1000;
    if (end > clock) stages.push({ s, start: at(a, clock), end: at(a, end) });
    clock = end;
  };
  const gap = Math.floor(awake / cycles);
  for (let i = 0; i < cycles; i += 1) {
    const late = cycles === 1 ? 0 : i / (cycles - 1);
    const length = Math.floor(night.tstS / cycles);
    const deep = Math.round(length * (0.28 - 0.2 * late));
    const rem = Math.round(length * (0.12 + 0.22 * late));
    add('awake', gap);
    add('light', Math.floor((length - deep - rem) / 2));
    add('deep', deep);
    add('light', length - deep - rem - Math.floor((length - deep - rem) / 2));
    add('rem', rem);
  }
  return stages;
}

export interface BatchOptions {
  /** epoch ms; nothing later is reported */
  readonly now: number;
  /** a later version of the night, as providers analyse it anew: when, by how much the HRV differs, and whether it is final */
  readonly revised?: { readonly at: number; readonly hrvFactor: number; readonly tentative?: boolean };
}

/**
 * Everything the provider has about a local day: the night that ended on it and, once the day is over, its totals. The same text at every call
 * unless it is a revision.
 */
export function batchOf(a: Account, day: string, { now, revised }: BatchOptions): CanonicalBatch {
  const night = nightOf(a, day);
  const records: CanonicalBatch['records'] = [];
  if (night.end <= now) {
    const updatedAt = new Date(revised?.at ?? night.end + 10 * MINUTE).toISOString();
    const state = revised?.tentative === true ? 'tentative' : 'final';
    const stages = stagesOf(a, night);
    records.push(
      {
        type: 'sleep',
        id: `night-${day}`,
        start: at(a, night.start),
        end: stages.at(-1)?.end ?? at(a, night.end),
        updatedAt,
        state,
        isNap: false,
        totalSleepS: stages.reduce((sum, x) => sum + (x.s === 'awake' ? 0 : (Date.parse(x.end) - Date.parse(x.start)) / 1000), 0),
        stages,
        hrvRmssdMs: round1(night.hrvMs * (revised?.hrvFactor ?? 1)),
        hrLowestBpm: night.restingBpm - 3,
      },
      { type: 'daily', metric: 'resting_heart_rate', day, value: night.restingBpm, updatedAt },
    );
  }
  const over = resolveLocal(a.timeZone, `${addDays(day, 1)}T00:00`, 'later');
  const end = over.ok ? over.at : over.candidates[1];
  if (end <= now) records.push(...totals(day, totalsOf(a, day), end));
  return { version: 1, user: a.id, source: { name: `Thrum ${a.profile.brand}`, type: a.profile.brand, brand: 'simulator' }, records };
}

function totals(day: string, t: DayTotals, when: number): CanonicalBatch['records'] {
  const updatedAt = new Date(when).toISOString();
  const daily = (metric: string, value: number) => ({ type: 'daily' as const, metric, day, value, updatedAt });
  return [
    daily('steps', t.steps),
    daily('moderate_min', t.moderateMin),
    daily('vigorous_min', t.vigorousMin),
    daily('active_energy', t.kcal),
  ];
}

/** The day so far: totals in proportion to the hours that have passed, and a heart rate sample of this minute. */
export function momentOf(a: Account, day: string, now: number, u: number): CanonicalBatch {
  const start = resolveLocal(a.timeZone, `${day}T00:00`, 'earlier');
  const since = start.ok ? start.at : start.candidates[0];
  const share = Math.max(0, Math.min(1, (now - since - 6 * 3_600_000) / (16 * 3_600_000)));
  const whole = totalsOf(a, day);
  const part = (x: number): number => Math.round(x * share);
  const t: DayTotals = {
    steps: part(whole.steps),
    moderateMin: part(whole.moderateMin),
    vigorousMin: part(whole.vigorousMin),
    kcal: part(whole.kcal),
  };
  const minute = Math.floor(now / MINUTE) * MINUTE;
  const bpm = Math.round(a.profile.restingBpm + 12 + 25 * u);
  return {
    version: 1,
    user: a.id,
    source: { name: `Thrum ${a.profile.brand}`, type: a.profile.brand, brand: 'simulator' },
    records: [
      { type: 'sample', metric: 'heart_rate', ts: at(a, minute), value: bpm, unit: 'bpm', updatedAt: new Date(now).toISOString() },
      ...totals(day, t, now),
    ],
  };
}
