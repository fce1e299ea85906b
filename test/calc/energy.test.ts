import test from 'ava';
import * as fc from 'fast-check';
import { changeOf } from '../../calc/energy/change.ts';
import { baseline60, hrvLn7, loads, sleepDebtH, sleepEfficiency, sleepNeedH } from '../../calc/energy/derived.ts';
import { components } from '../../calc/energy/model.ts';
import type { DayFacts } from '../../calc/energy/model.ts';
import { bandOf, energyScore } from '../../calc/energy/score.ts';
import { durationScore, loadBalanceScore } from '../../calc/energy/subscores.ts';
import type { ExecutionContext } from 'ava';

const near = (t: ExecutionContext, a: number | undefined, b: number, tol = 1e-4): void => {
  t.true(a !== undefined && Math.abs(a - b) <= tol, `${a} is not ${b}`);
};

/** The worked example of the specification (B5.1). */
function example(o: { mood?: number | undefined; drop?: readonly (keyof DayFacts)[] } = {}): DayFacts[] {
  const mood = 'mood' in o ? o.mood : 7;
  const days: DayFacts[] = [];
  for (let i = 0; i <= 60; i += 1) {
    const odd = i % 2 === 1;
    const d: DayFacts =
      i === 0
        ? {
            tibS: 28_800,
            tstS: 24_480,
            deepS: 4_320,
            remS: 5_472,
            sptS: 27_360,
            hrvMs: 42,
            rhrBpm: 55,
            ...(mood === undefined ? {} : { mood }),
          }
        : {
            hrvMs: odd ? 55 : 45,
            rhrBpm: odd ? 54 : 52,
            ...(i <= 13 ? { tstS: 27_000 } : {}),
            ...(i === 1 ? { load: 60 } : i <= 28 ? { load: 30 } : {}),
          };
    days.push(Object.fromEntries(Object.entries(d).filter(([k]) => !(o.drop ?? []).includes(k as keyof DayFacts))));
  }
  return days;
}

test('the worked example gives 65.3308, every step and the points as listed (A39)', (t) => {
  const days = example();
  const s = energyScore(days, sleepNeedH(35));
  near(t, s.score, 65.3308);
  t.is(s.band, 'good');
  t.is(s.status, 'ok');
  near(t, s.points.sleep, 26.1817);
  near(t, s.points.hrv, 13.6697);
  near(t, s.points.rhr, 3.8128);
  near(t, s.points.activity, 15);
  near(t, s.points.mood, 6.6667);
  near(t, s.subscores.sleep, 74.8048);
  near(t, s.subscores.hrv, 54.6789);
  near(t, s.subscores.rhr, 25.4184);
  near(t, s.subscores.activity, 100);
  near(t, s.subscores.mood, 66.6667);
  near(t, s.inputs.sleepEfficiencyPct, 85);
  near(t, s.inputs.restorativeShare, 0.4);
  near(t, s.inputs.sleepDebtH, 4.55616);
  near(t, s.inputs.hrvBaselineMean, 3.906998, 1e-6);
  near(t, s.inputs.hrvBaselineSd, 0.101182, 1e-6);
  near(t, s.inputs.hrvLn7, 3.882808, 1e-6);
  near(t, s.inputs.hrvZ7, -0.239071, 1e-6);
  near(t, s.inputs.hrvZ1, -1.6735, 1e-6);
  near(t, s.inputs.hrvZ, -0.812843, 1e-6);
  near(t, s.inputs.rhrBaselineMean, 53, 1e-9);
  near(t, s.inputs.rhrBaselineSd, 1.008439, 1e-6);
  near(t, s.inputs.rhrZ, -1.983263, 1e-6);
  near(t, s.inputs.loadAcute, 37.5, 1e-9);
  near(t, s.inputs.loadChronic, 32.068966, 1e-6);
  near(t, s.inputs.loadRatio, 1.169355, 1e-6);
  near(t, s.inputs.loadWeek, 240, 1e-9);
  t.is(s.confidenceLevel, 'high');
  near(
    t,
    components.reduce((sum, c) => sum + (s.points[c] ?? 0), 0),
    s.score!,
    1e-9,
  );
});

test('missing components hand their weight to the others, or leave the day without a score (A40)', (t) => {
  const noMood = energyScore(example({ mood: undefined }), 8);
  near(t, noMood.score, 65.1824);
  near(t, noMood.weights.sleep, 0.3889);
  near(t, noMood.weights.hrv, 0.2778);
  near(t, noMood.weights.rhr, 0.1667);
  near(t, noMood.weights.activity, 0.1667);
  t.deepEqual(noMood.missing, [{ component: 'mood', reason: 'not_logged' }]);
  near(t, energyScore(example({ drop: ['hrvMs', 'rhrBpm'] }), 8).score, 79.7472);
  const rest = energyScore(example({ drop: ['hrvMs', 'rhrBpm', 'tstS'] }), 8);
  t.is(rest.status, 'insufficient_data');
  t.is(rest.score, undefined);
  t.deepEqual(rest.missing, [
    { component: 'sleep', reason: 'no_data' },
    { component: 'hrv', reason: 'no_data' },
    { component: 'rhr', reason: 'no_data' },
  ]);
});

test('a better mood changes its own points alone, and the parts of the change add up (A41)', (t) => {
  const before = energyScore(example(), 8);
  const after = energyScore(example({ mood: 9 }), 8);
  near(t, after.score, 67.5531);
  near(t, after.points.mood, 8.8889);
  const c = changeOf({ score: after.score!, points: after.points }, { score: before.score!, points: before.points });
  near(t, c.parts.mood?.points, 2.2222);
  near(
    t,
    c.score,
    Object.values(c.parts).reduce((s, p) => s + p.points, 0),
    1e-9,
  );
  const gone = energyScore(example({ mood: undefined }), 8);
  t.deepEqual(changeOf({ score: gone.score!, points: gone.points }, { score: before.score!, points: before.points }).parts.mood, {
    points: -before.points.mood!,
    reweighted: true,
  });
});

test('the score without its sleep part is the one of correlations (60.2295)', (t) => {
  const s = energyScore(example({ drop: ['tstS'] }), 8);
  near(t, s.score, 60.2295);
});

test('thirteen baseline nights are calibrating; fourteen count half for the confidence (A42)', (t) => {
  const nights = (n: number): DayFacts[] => example().map((d, i) => (i > n ? {} : d));
  const thirteen = energyScore(nights(13), 8);
  t.deepEqual(
    thirteen.missing.filter((m) => m.component === 'hrv'),
    [{ component: 'hrv', reason: 'calibrating' }],
  );
  const fourteen = energyScore(nights(14), 8);
  t.not(fourteen.points.hrv, undefined);
  near(t, fourteen.confidence, 0.35 + 0.25 * 0.5 + 0.15 * 0.5 + 0.15 + 0.1, 1e-9);
});

test('a source that fell silent is stale, one that has not reported today has no data', (t) => {
  const silent = example().map((d, i) => (i < 3 ? { ...d, hrvMs: undefined } : d));
  t.is(energyScore(silent, 8).missing.find((m) => m.component === 'hrv')?.reason, 'stale_source');
  const late = example().map((d, i) => (i < 1 ? { ...d, hrvMs: undefined } : d));
  t.is(energyScore(late, 8).missing.find((m) => m.component === 'hrv')?.reason, 'no_data');
});

test('sleep debt of three histories (A43)', (t) => {
  const fill = (h: number, n: number): number[] => Array.from({ length: n }, () => h);
  near(t, sleepDebtH(fill(7, 14), 8), 7.712321, 1e-6);
  t.is(sleepDebtH(fill(8, 14), 8), 0);
  near(t, sleepDebtH([...fill(9, 3), ...fill(7, 11)], 8), 3.647321, 1e-6);
  t.is(sleepDebtH(fill(7, 4), 8), undefined);
});

test('duration sub-scores of eight nights (A44)', (t) => {
  const expected: [number, number][] = [
    [4, 16.67],
    [5, 37.5],
    [6, 58.33],
    [7, 79.17],
    [7.5, 89.58],
    [9, 100],
    [11, 87.5],
    [12, 75],
  ];
  for (const [h, d] of expected) near(t, durationScore(h / 8), d, 0.005);
});

test('loads after a hard week and after a week of rest (A45)', (t) => {
  const history = (early: number, late: number): DayFacts[] => [
    {},
    ...Array.from({ length: 28 }, (_, i) => ({ load: i < 7 ? late : early })),
  ];
  const hard = loads(history(30, 90))!;
  near(t, hard.acute, 81.991);
  near(t, hard.chronic, 53.6159);
  near(t, hard.ratio, 1.5292);
  near(t, loadBalanceScore(hard.ratio), 77.0771);
  const rest = loads(history(40, 0))!;
  near(t, rest.acute, 5.3394);
  near(t, rest.chronic, 24.2561);
  near(t, rest.ratio, 0.2201);
  near(t, loadBalanceScore(rest.ratio), 71.0062);
});

test('a day without load is rest when it was covered, and is carried when nothing was heard', (t) => {
  const known = Array.from({ length: 14 }, () => ({ load: 30 }));
  near(t, loads([{}, {}, {}, ...known])!.acute, 30, 1e-9);
  near(t, loads([{}, { covered: true }, ...known])!.acute, 22.5, 1e-9);
});

test('efficiency, needs and bands stand at their borders', (t) => {
  t.is(sleepEfficiency(27_540, 32_400), 85);
  t.is(sleepEfficiency(1, 0), undefined);
  t.deepEqual([17, 18, 64, 65].map(sleepNeedH), [9, 8, 8, 7.5]);
  t.deepEqual([80, 79.99, 60, 59.99, 40, 39.99].map(bandOf), ['high', 'good', 'good', 'fair', 'fair', 'low']);
  t.is(hrvLn7([{ hrvMs: 40 }, { hrvMs: 40 }]), undefined);
  t.is(
    baseline60([{ hrvMs: 40 }], (d) => d.hrvMs),
    undefined,
  );
});

const maybe = (arb: fc.Arbitrary<number>): fc.Arbitrary<number | undefined> => fc.option(arb, { nil: undefined });
const anyDay = fc.record(
  {
    tstS: maybe(fc.integer({ min: 0, max: 50_000 })),
    tibS: maybe(fc.integer({ min: 0, max: 60_000 })),
    deepS: maybe(fc.integer({ min: 0, max: 10_000 })),
    remS: maybe(fc.integer({ min: 0, max: 10_000 })),
    hrvMs: maybe(fc.double({ min: 3, max: 400, noNaN: true })),
    rhrBpm: maybe(fc.double({ min: 25, max: 120, noNaN: true })),
    load: maybe(fc.double({ min: 0, max: 2000, noNaN: true })),
    mood: maybe(fc.integer({ min: 1, max: 10 })),
  },
  { requiredKeys: [] },
);

test('points add up to a score between 0 and 100 whatever the history (property)', (t) => {
  fc.assert(
    fc.property(fc.array(anyDay, { minLength: 1, maxLength: 61 }), (days) => {
      const s = energyScore(days, 8);
      const sum = components.reduce((acc, c) => acc + (s.points[c] ?? 0), 0);
      if (s.status === 'ok') return s.score! >= 0 && s.score! <= 100 && Math.abs(sum - s.score!) < 1e-9;
      return s.score === undefined && s.missing.length > 0;
    }),
    { numRuns: 300 },
  );
  t.pass();
});
