import test from 'ava';
import { metricDefaults, cooldownMs } from '../../../calc/anomaly/metrics.ts';
import type { Detectors } from '../../../calc/anomaly/monitor.ts';
import {
  adopt,
  changePoint,
  forgive,
  learn,
  noDetectors,
  observe,
  rebuild,
  RECENT_POINTS,
  recentPoints,
} from '../../../calc/anomaly/monitor.ts';
import { normals } from '../../support/normal.ts';

const DAY = 86_400_000;
const utilization = metricDefaults('utilization');
const hrv = metricDefaults('hrv_rmssd');
const near = (a: number, b: number, eps: number): boolean => Math.abs(a - b) < eps;

/** A series of `n` days around `mean`. */
const quiet = (n: number, mean: number, sd: number, seed = 3) => {
  const draw = normals(seed);
  return Array.from({ length: n }, (_, i) => ({ t: i * DAY, v: mean + sd * draw() }));
};

test('a quiet series is clear, and a jump exceeds with its numbers in the unit of the metric', (t) => {
  const d = rebuild(quiet(40, 0.5, 0.05), utilization);
  const calm = observe(d, { t: 40 * DAY, v: 0.5 }, utilization, 0, true).reading;
  t.true(calm.clear && !calm.exceeds);
  t.true(calm.lower < 0.45 && calm.upper > 0.55);
  const jump = observe(d, { t: 40 * DAY, v: 0.95 }, utilization, 0, true).reading;
  t.true(jump.exceeds && jump.outlying && !jump.clear);
  t.is(jump.direction, 'high');
  t.is(jump.tier, 'critical');
  t.true(near(jump.delta, jump.value - jump.expected, 1e-15) && jump.z! > 5 && jump.score > 0.999);
});

test('HRV is modelled as its logarithm and reported in ms; only a fall matters', (t) => {
  const d = rebuild(quiet(40, 55, 5), hrv);
  const low = observe(d, { t: 40 * DAY, v: 33 }, hrv, 0, true).reading;
  t.true(low.exceeds && low.direction === 'low');
  t.true(near(low.expected, 55, 3) && low.lower < low.expected && low.expected - low.lower < low.upper - low.expected);
  const high = observe(d, { t: 40 * DAY, v: 95 }, hrv, 0, true).reading;
  t.true(!high.exceeds && high.clear && high.z! > 3);
});

test('nothing exceeds while the baseline is learned', (t) => {
  const d = rebuild(quiet(10, 0.5, 0.05), utilization);
  const r = observe(d, { t: 10 * DAY, v: 3 }, utilization, 0, false).reading;
  t.true(!r.exceeds && r.tier === 'none' && r.score === 0);
  t.is(observe(noDetectors, { t: 0, v: 0.4 }, utilization, 0, false).reading.expected, 0.4);
});

test('a flat baseline has no z-score: a movement of minDelta exceeds, a smaller one does not (cases 5, 6)', (t) => {
  const d = rebuild(
    Array.from({ length: 20 }, (_, i) => ({ t: i * DAY, v: 0.4 })),
    utilization,
  );
  const same = observe(d, { t: 20 * DAY, v: 0.4 }, utilization, 0, true).reading;
  t.true(same.z === null && !same.exceeds && same.clear);
  t.true(observe(d, { t: 20 * DAY, v: 0.5 }, utilization, 0, true).reading.exceeds);
  t.false(observe(d, { t: 20 * DAY, v: 0.42 }, utilization, 0, true).reading.exceeds);
});

test('z = 2 in every bucket over a frozen baseline is persistent at the fourth (case 13)', (t) => {
  let d = rebuild(quiet(60, 0.5, 0.05), utilization);
  const persistence: number[] = [];
  for (let i = 0; i < 6; i += 1) {
    const probe = observe(d, { t: (60 + i) * DAY, v: 0.5 }, utilization, 0, true).reading;
    const sd = (0.5 - probe.expected) / probe.z!;
    const { next, reading } = observe(
      { ...d, cusum: i === 0 ? { high: 0, low: 0, highRun: 0, lowRun: 0 } : d.cusum },
      { t: (60 + i) * DAY, v: probe.expected + 2 * sd },
      utilization,
      0,
      true,
    );
    d = next;
    persistence.push(reading.persistence);
  }
  t.true(near(persistence[0]!, 0.3, 1e-9) && near(persistence[2]!, 0.9, 1e-9));
  t.is(persistence[3], 1);
  t.is(changePoint(d, 'high'), 60 * DAY);
  t.is(changePoint(d, 'low'), undefined);
});

test('adopting a level starts the moments anew at the change-point', (t) => {
  let d: Detectors = rebuild(quiet(40, 0.3, 0.03), utilization);
  const draw = normals(8);
  for (let i = 0; i < 16; i += 1) d = observe(d, { t: (40 + i) * DAY, v: 0.6 + 0.03 * draw() }, utilization, 0, true).next;
  const adopted = adopt(d, 40 * DAY, utilization);
  t.is(adopted.ew.n, 16);
  t.true(near(adopted.ew.mean, 0.6, 0.03));
  t.is(adopted.cusum.high, 0);
  t.true(recentPoints(adopted).every((p) => p.z === null));
  t.true(observe(adopted, { t: 56 * DAY, v: 0.6 }, utilization, 0, true).reading.clear);
  const few = adopt(d, 55 * DAY, utilization);
  t.is(few.ew.n, 5);
  t.is(few.ew.v, d.ew.v);
});

test('forgiving an episode makes the same pattern less surprising', (t) => {
  let d = rebuild(quiet(40, 0.3, 0.03), utilization);
  for (let i = 0; i < 4; i += 1) d = learn(observe(d, { t: (40 + i) * DAY, v: 0.6 }, utilization, 0, true).next, utilization);
  const at = { t: 44 * DAY, v: 0.6 };
  const before = observe(d, at, utilization, 0, true).reading.z!;
  t.true(observe(forgive(d, 4, utilization), at, utilization, 0, true).reading.z! < before * 0.8);
});

test('the state of the detectors stays bounded and remembers the last points in order', (t) => {
  const d = rebuild(quiet(500, 0.5, 0.1), utilization);
  t.is(Object.keys(d.recent).length, RECENT_POINTS);
  t.deepEqual(
    recentPoints(d).map((p) => p.t / DAY),
    Array.from({ length: RECENT_POINTS }, (_, i) => 500 - RECENT_POINTS + i),
  );
  t.true(JSON.stringify(d).length < 4_096);
});

test('cool-down doubles with every false positive in a row up to eightfold; an unknown metric has plain defaults', (t) => {
  t.deepEqual(
    [0, 1, 2, 3, 4, 9].map((run) => cooldownMs(utilization, run) / DAY),
    [1, 2, 4, 8, 8, 8],
  );
  t.is(metricDefaults('steps').transform, 'none');
});
