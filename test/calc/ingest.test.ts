import { createHash } from 'node:crypto';
import test from 'ava';
import * as fc from 'fast-check';
import type { CanonicalRecord } from '../../calc/ingest/canonical.ts';
import { offsetsOf } from '../../calc/ingest/days.ts';
import { deriveDay, factsOf, mainSleep } from '../../calc/ingest/derive.ts';
import type { DaySleep } from '../../calc/ingest/derive.ts';
import { normalise } from '../../calc/ingest/normalise.ts';
import type { NormaliseContext } from '../../calc/ingest/normalise.ts';
import { compareRank, outcomeOf } from '../../calc/ingest/rank.ts';
import type { Rank } from '../../calc/ingest/rank.ts';
import { toUnit } from '../../calc/ingest/units.ts';

const context = (zone = 'America/New_York', receivedAt = Date.parse('2026-11-21T12:00:00Z')): NormaliseContext => ({
  receivedAt,
  offsetOf: offsetsOf(zone),
  hash: (text) => createHash('sha256').update(text).digest('hex'),
});
const one = (r: CanonicalRecord, c = context()): { [k: string]: unknown } => normalise([r], c).rows[0] as never;

test('a night across the end of summer time has its 27,540 s asleep of nine hours (A29)', (t) => {
  const row = one({ type: 'sleep', start: '2026-10-31T22:30:00-04:00', end: '2026-11-01T06:30:00-05:00', totalSleepS: 27_540 });
  t.like(row, { tibS: 32_400, tstS: 27_540, day: '2026-11-01', offsetMin: -300 });
});

test('a night across the start of summer time lasts seven hours (A30)', (t) => {
  const row = one({ type: 'sleep', start: '2026-03-07T22:30:00-05:00', end: '2026-03-08T06:30:00-04:00' });
  t.like(row, { tibS: 25_200, day: '2026-03-08' });
});

test('samples without an offset fall on the day of the profile zone (A31)', (t) => {
  const sample = (ts: string): unknown => one({ type: 'sample', metric: 'heart_rate', ts, value: 60 }, context('Asia/Kathmandu'))['day'];
  t.is(sample('2026-11-01T18:14:00Z'), '2026-11-01');
  t.is(sample('2026-11-01T18:15:00Z'), '2026-11-02');
});

test('units are converted by their exact factors (A32)', (t) => {
  const near = (a: number | undefined, b: number, tol = 1e-9): void => void t.true(Math.abs((a ?? Number.NaN) - b) <= tol, `${a} ${b}`);
  near(toUnit(150, 'lb', 'kg'), 68.0388555);
  near(toUnit(98.6, '°F', '°C'), 37);
  near(toUnit(0.9, '°F', '°C diff'), 0.5);
  near(toUnit(8_288.297, 'kJ', 'kcal'), 1_980.951, 5e-4);
  near(toUnit(5.5, 'mmol/L', 'mg/dL'), 99.086, 5e-4);
  near(toUnit(26.2, 'mi', 'm'), 42_164.8128, 1e-6);
  near(toUnit(71, 'in', 'cm'), 180.34);
  t.is(toUnit(0.97, 'fraction', '%'), undefined);
});

test('what is impossible is refused by name and the rest of the batch is kept', (t) => {
  const { rows, rejected } = normalise(
    [
      { type: 'daily', metric: 'resting_heart_rate', day: '2026-11-20', value: 300 },
      { type: 'daily', metric: 'resting_heart_rate', day: '2026-11-20', value: 0 },
      { type: 'daily', metric: 'happiness', day: '2026-11-20', value: 1 },
      { type: 'sample', metric: 'weight', ts: '2026-11-20T08:00:00Z', value: 70, unit: 'bushel' },
      { type: 'sample', metric: 'heart_rate', ts: '1999-12-31T08:00:00Z', value: 60 },
      { type: 'sample', metric: 'heart_rate', ts: '2026-11-23T08:00:00Z', value: 60 },
      { type: 'sleep', start: '2026-11-20T06:00:00Z', end: '2026-11-20T05:00:00Z' },
      { type: 'sleep', start: '2026-11-19T22:00:00Z', end: '2026-11-20T05:00:00Z', totalSleepS: 30_000 },
      { type: 'delete', of: 'sleep' },
      { type: 'sleep', start: '2026-11-19T22:00:00Z', end: '2026-11-20T05:00:00Z', hrvRmssdMs: 1_000, hrLowestBpm: 50 },
    ],
    context(),
  );
  t.deepEqual(
    rejected.map((r) => [r.index, r.code]),
    [
      [0, 'OUT_OF_RANGE'],
      [1, 'NOT_MEASURED'],
      [2, 'UNKNOWN_METRIC'],
      [3, 'UNKNOWN_UNIT'],
      [4, 'TS_OUT_OF_RANGE'],
      [5, 'TS_OUT_OF_RANGE'],
      [6, 'BAD_INTERVAL'],
      [7, 'OUT_OF_RANGE'],
      [8, 'NO_KEY'],
      [9, 'OUT_OF_RANGE'],
    ],
  );
  t.is(rows.length, 1);
  t.like(rows[0], { hrLowestBpm: 50 });
  t.false('hrvRmssdMs' in rows[0]!);
});

test('stages give the parts of a night, and its span from onset to the last waking', (t) => {
  const at = (h: number, min: number): string => new Date(Date.UTC(2026, 10, 19, h, min)).toISOString();
  const row = one({
    type: 'sleep',
    id: 'n1',
    start: at(22, 0),
    end: at(30, 0),
    stages: [
      { s: 'awake', start: at(22, 0), end: at(22, 15) },
      { s: 'light', start: at(22, 15), end: at(24, 0) },
      { s: 'deep', start: at(24, 0), end: at(26, 0) },
      { s: 'awake', start: at(26, 0), end: at(26, 30) },
      { s: 'rem', start: at(26, 30), end: at(29, 45) },
    ],
  });
  t.like(row, { key: 'id:n1', tibS: 28_800, tstS: 25_200, sptS: 27_000, deepS: 7_200, remS: 11_700, lightS: 6_300, awakeS: 2_700 });
});

const rank = fc.record({ isFinal: fc.boolean(), version: fc.integer({ min: 0, max: 3 }), hash: fc.constantFrom('a', 'b', 'c') });

test('versions of a record form a chain: any order and repetition ends at the greatest (A37)', (t) => {
  fc.assert(
    fc.property(fc.array(rank, { minLength: 1 }), fc.array(fc.nat()), (versions, picks) => {
      const greatest = versions.toSorted(compareRank).at(-1)!;
      const delivered = [...picks.map((p) => versions[p % versions.length]!), ...versions];
      let stored: Rank | undefined;
      for (const v of delivered) if (['inserted', 'updated'].includes(outcomeOf(v, stored))) stored = v;
      return compareRank(stored!, greatest) === 0;
    }),
  );
  const v = (time: string, isFinal: boolean, hash: string): Rank => ({ version: Date.parse(`2026-11-20T${time}Z`), isFinal, hash });
  const best = [
    v('07:00:00', true, '01'),
    v('08:00:00', true, '02'),
    v('07:30:00', true, '03'),
    v('09:00:00', false, '04'),
    v('08:00:00', true, '05'),
  ].toSorted(compareRank);
  t.is(best.at(-1)?.hash, '05');
});

test('normalising twice gives the same rows', (t) => {
  const record: CanonicalRecord = { type: 'daily', metric: 'steps', day: '2026-11-20', value: 8421, updatedAt: '2026-11-20T20:00:00Z' };
  t.deepEqual(normalise([record], context()), normalise([record], context()));
});

test('two sources are never added up: steps of the watch win over those of the phone (A35)', (t) => {
  const value = (sourceType: 'watch' | 'phone', v: number): never =>
    ({ metric: 'steps', value: v, sourceId: sourceType, sourceType }) as never;
  const day = deriveDay({ sessions: [], values: [value('phone', 7_600), value('watch', 8_000)], samples: [], asleep: [] });
  t.deepEqual(day, [{ metric: 'steps', value: 8_000, n: 1, sourceId: 'watch' }]);
});

const HOUR = 3_600_000;
const night = (o: Partial<DaySleep> & { from: number; hours: number }): DaySleep => ({
  sourceId: 's',
  sourceType: 'ring',
  isNap: false,
  startAt: o.from * HOUR,
  endAt: (o.from + o.hours) * HOUR,
  tibS: o.hours * 3600,
  tstS: o.hours * 3600 - 600,
  ...o,
});

test('fragments of a night less than an hour apart are one; the longest of three hours or more is the main sleep', (t) => {
  const merged = mainSleep([night({ from: 0, hours: 2 }), night({ from: 2.5, hours: 4 }), night({ from: 12, hours: 5 })]);
  t.is(merged?.fragments, 2);
  t.is(merged?.tstS, 6 * 3600 - 1_200);
  t.is(mainSleep([night({ from: 0, hours: 2 }), night({ from: 6, hours: 1 })])?.tstS, 2 * 3600 - 600);
  t.is(mainSleep([night({ from: 0, hours: 2, isNap: true })]), undefined);
});

test('a day is derived from its night, its totals and its samples', (t) => {
  const s = { sourceId: 's', sourceType: 'ring' as const };
  const day = deriveDay({
    sessions: [night({ from: 0, hours: 8, hrvRmssdMs: 48.2 }), night({ from: 12, hours: 1, isNap: true })],
    values: [
      { ...s, metric: 'moderate_min', value: 30 },
      { ...s, metric: 'vigorous_min', value: 10 },
      { ...s, metric: 'training_load', value: 500 },
    ],
    samples: [{ ...s, metric: 'heart_rate', n: 3, mean: 61 }],
    asleep: [{ sourceId: 's', lowestBpm: 51 }],
  });
  const values = new Map(day.map((d) => [d.metric, d.value]));
  t.is(values.get('training_load'), 50);
  t.is(values.get('hrv_rmssd'), 48.2);
  t.is(values.get('resting_heart_rate'), 51);
  t.is(values.get('heart_rate'), 61);
  t.is(values.get('nap_s'), 3_000);
  t.like(factsOf(values), { tstS: 28_200, hrvMs: 48.2, rhrBpm: 51, load: 50, napS: 3_000, covered: true });
});
