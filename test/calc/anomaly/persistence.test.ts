import test from 'ava';
import { cusumShift, cusumStep, noCusum } from '../../../calc/anomaly/cusum.ts';
import { ewz, ewzLearn, ewzRead } from '../../../calc/anomaly/ewz.ts';
import { meanShift } from '../../../calc/anomaly/shift.ts';
import { noEw } from '../../../calc/stats/ewm.ts';
import { NonFiniteError } from '../../../calc/stats/finite.ts';
import { tSf } from '../../../calc/stats/student-t.ts';
import { normals } from '../../support/normal.ts';

const Z20 = [0, 0.2, -0.1, 0.1, -0.3, 0.25, 0, -0.2, 0.15, -0.1, 1, 1.2, 0.9, 1.1, 0.7, 1.25, 1, 0.8, 1.15, 0.9];
const near = (a: number, b: number, eps: number): boolean => Math.abs(a - b) < eps;

test('CUSUM walks through Z20 as in the reference, with its change-point', (t) => {
  let s = noCusum;
  const high = Z20.map((z) => (s = cusumStep(s, z)).high);
  t.true(high.slice(0, 10).every((x) => x === 0));
  [0.5, 1.2, 1.6, 2.2, 2.4, 3.15, 3.65, 3.95, 4.6, 5].forEach((x, i) => t.true(near(high[10 + i]!, x, 1e-12), String(i)));
  t.is(
    high.findIndex((x) => x > 4),
    18,
  );
  t.is(20 - s.highRun, 10);
  t.is(s.low, 0);
  t.true(near(cusumShift(s), 0.5 + 5 / 10, 1e-12));
});

test('CUSUM at half the deviation alarms at index 13', (t) => {
  let s = noCusum;
  const high = Z20.map((z) => (s = cusumStep(s, z / 0.5)).high);
  [1.5, 3.4, 4.7, 6.4, 7.3, 9.3, 10.8, 11.9, 13.7, 15].forEach((x, i) => t.true(near(high[10 + i]!, x, 1e-12), String(i)));
  t.is(
    high.findIndex((x) => x > 5),
    13,
  );
});

test('a lone spike never looks persistent, two in a row do', (t) => {
  const one = cusumStep(noCusum, 50);
  t.is(one.high, 3.5);
  t.is(cusumStep(one, 50).high, 7);
  t.is(cusumStep(one, 50, 0.5, 5).high, 5);
  t.true(cusumShift(cusumStep(noCusum, -2)) < 0);
  t.throws(() => cusumStep(noCusum, Number.NaN), { instanceOf: NonFiniteError });
});

test('the windowed mean shift equals the reference', (t) => {
  const s = meanShift(Z20.slice(0, 10), Z20.slice(10, 15));
  t.true(near(s.delta, 0.98, 1e-12));
  t.true(near(s.referenceSd ** 2, 0.031666667, 1e-9));
  t.true(near(s.t, 9.533603196, 1e-9));
  t.true(near(s.df, 7.542080158, 1e-9));
  t.true(near((2 * tSf(s.t, s.df)) / 1.800113e-5, 1, 1e-6));
  t.is(s.strength, 1);
  t.is(meanShift([1, 1, 1], [1, 1, 1], 0.1).strength, 0);
  t.is(meanShift([1, 1, 1], [2, 2, 2], 0.1).strength, 1);
  t.throws(() => meanShift([1], [1, 2]), { instanceOf: RangeError });
});

test('the run length of CUSUM in control is that of the Markov chain within 5 % (k 0.5, h 4)', (t) => {
  const draw = normals(1);
  let points = 0;
  for (let run = 0; run < 20_000; run += 1) {
    let high = 0;
    let low = 0;
    do {
      const z = draw(); // unclipped, as the chain
      high = Math.max(0, high + z - 0.5);
      low = Math.max(0, low - z - 0.5);
      points += 1;
    } while (high <= 4 && low <= 4);
  }
  t.true(near(points / 20_000 / 167.7, 1, 0.05), String(points / 20_000));
});

/** 300 runs of 1,200 normal points over the adapting baseline, and 300 runs with a shift of two deviations at point 90. */
function simulate(halfLife: number, limit: number): { cusumRate: number; zRate: number; median: number; p95: number; found: number } {
  const cfg = { halfLife, minLearn: 14 };
  let cusumAlarms = 0;
  let zAlarms = 0;
  const delays: number[] = [];
  for (let run = 0; run < 300; run += 1) {
    const draw = normals(run + 17);
    let ew = noEw;
    let s = noCusum;
    let exceeded = 0;
    for (let i = 0; i < 1_200; i += 1) {
      const x = draw();
      const z = ewzRead(ew, x, cfg).z ?? 0;
      if (ew.n >= 14) {
        s = cusumStep(s, z);
        if (Math.max(s.high, s.low) > limit) {
          cusumAlarms += 1;
          s = noCusum;
        }
        exceeded = Math.abs(z) >= 3 ? exceeded + 1 : 0;
        if (exceeded === 2 || Math.abs(z) >= 4) {
          zAlarms += 1;
          exceeded = 0;
        }
      }
      ew = ewzLearn(ew, x, cfg);
    }
  }
  for (let run = 0; run < 300; run += 1) {
    const draw = normals(run + 9_001);
    let ew = noEw;
    let s = noCusum;
    for (let i = 0; i < 200; i += 1) {
      const x = draw() + (i >= 90 ? 2 : 0);
      const z = ewzRead(ew, x, cfg).z ?? 0;
      if (i === 90) s = noCusum;
      if (ew.n >= 14) s = cusumStep(s, z);
      if (Math.max(s.high, s.low) > limit) {
        if (i >= 90) {
          delays.push(i - 89);
          break;
        }
        s = noCusum;
      }
      ew = ewzLearn(ew, x, cfg);
    }
  }
  delays.sort((a, b) => a - b);
  const per = 1_000 / (300 * (1_200 - 14));
  const at = (p: number): number => delays[Math.floor(p * delays.length)] ?? Infinity;
  return {
    cusumRate: cusumAlarms * per,
    zRate: zAlarms * per,
    median: at(0.5),
    p95: at(0.95),
    found: delays.filter((d) => d <= 14).length / 300,
  };
}

for (const [halfLife, limit, cusumRate, zRate, median, p95, found] of [
  [14, 5, 1.28, 0.28, 4, 9, 0.99],
  [28, 5, 1.72, 0.15, 4, 7, 1],
  [28, 6, 0.48, 0.15, 5, 8, 0.997],
  [28, 8, 0.03, 0.15, 7, 12, 0.987],
  [56, 5, 2.06, 0.13, 4, 7, 1],
] as const) {
  test(`the adapting baseline keeps the acceptance band at half-life ${halfLife}, limit ${limit}`, (t) => {
    const r = simulate(halfLife, limit);
    const counted = Math.sqrt(300 * 1.186); // rates below 0.1 are a handful of events: allow three standard errors of the count
    t.true(
      Math.abs(r.cusumRate - cusumRate) <= Math.max(0.3 * cusumRate, (3 * Math.sqrt(cusumRate)) / counted),
      `false CUSUM ${r.cusumRate}`,
    );
    t.true(Math.abs(r.zRate - zRate) <= Math.max(0.3 * zRate, (3 * Math.sqrt(zRate)) / counted), `false z ${r.zRate}`);
    t.true(Math.abs(r.median - median) <= 1, `median ${r.median}`);
    t.true(Math.abs(r.p95 - p95) <= 0.3 * p95, `p95 ${r.p95}`);
    t.true(r.found >= found - 0.01, `found ${r.found}`);
  });
}

test('a point is scored with the baseline before it, and an outlier moves it by three deviations at most', (t) => {
  const cfg = { halfLife: 14, minLearn: 14 };
  const draw = normals(5);
  let s = ewz.init(cfg);
  for (let i = 0; i < 40; i += 1) s = ewz.step(s, 50 + draw(), i, cfg).state;
  const spike = ewz.step(s, 500, 40, cfg);
  t.true(spike.score > 0.999999 && spike.parts.z! > 100);
  t.true(spike.state.mean < s.mean + 3 * spike.parts.sd);
  t.is(ewz.step(noEw, 3, 0, cfg).parts.z, null);
  t.is(ewz.step(noEw, 3, 0, cfg).score, 0);
  t.throws(() => ewzRead(noEw, Infinity, cfg), { instanceOf: NonFiniteError });
});
