import test from 'ava';
import * as fc from 'fast-check';
import { classify, ordered, SEVERITY_DEFAULTS } from '../../../calc/anomaly/severity.ts';
import type { SeverityInput } from '../../../calc/anomaly/severity.ts';
import { admit } from '../../../calc/anomaly/admit.ts';
import { flat } from '../../../calc/anomaly/flat.ts';
import { gapRatio, gapStep, noGap } from '../../../calc/anomaly/gap.ts';

const cases: readonly (readonly [SeverityInput, string])[] = [
  [{ z: 3, residualDelta: 0.05 }, 'high'],
  [{ z: 2.99, residualDelta: 0.05 }, 'medium'],
  [{ z: 1, residualDelta: 0.4 }, 'critical'],
  [{ z: 2.6, residualDelta: 0.16, persistence: 1 }, 'high'],
  [{ z: 3.2, residualDelta: 0.1, n: 8 }, 'medium'],
  [{ z: 0.3, residualDelta: 0.02 }, 'none'],
  [{ z: -4, residualDelta: -0.05 }, 'critical'],
  [{ z: null, residualDelta: 0.2 }, 'medium'],
  [{ z: 21.2, residualDelta: 0.514, n: 9 }, 'critical'],
  [{ z: 9, residualDelta: 0.5, partial: true }, 'none'],
];

for (const [input, tier] of cases) {
  test(`severity of ${JSON.stringify(input)} is ${tier}`, (t) => {
    t.is(classify(input).tier, tier as never);
  });
}

test('a larger deviation never has a lower tier, and each reason names its rule', (t) => {
  const size = fc.double({ min: 0, max: 8, noNaN: true });
  fc.assert(
    fc.property(size, size, fc.boolean(), (a, b, persistent) => {
      const level = (z: number): number => classify({ z, residualDelta: null, persistence: persistent ? 1 : 0 }).level;
      return level(Math.max(a, b)) >= level(Math.min(a, b)) && level(-a) === level(a);
    }),
  );
  t.deepEqual(
    classify({ z: 3.2, residualDelta: 0.1, n: 8 }).reasons.map((r) => r.rule),
    ['z', 'residualDelta', 'n'],
  );
  t.is(classify({ z: 5, residualDelta: null }).recommendedAction, 'page_now');
  t.true(ordered(SEVERITY_DEFAULTS));
  t.false(ordered({ ...SEVERITY_DEFAULTS, z: [2, 2, 3, 4] }));
});

test('only a new, finite, plausible point is fed', (t) => {
  const s = { lastT: 1_000, lastValue: 5, lo: 0, hi: 10 };
  const now = 10_000;
  t.is(admit(s, { t: 2_000, v: 6 }, now), 'point');
  t.is(admit({ ...s, lastT: null }, { t: 0, v: 6 }, now), 'point');
  t.is(admit(s, { t: 1_000, v: 5 }, now), 'duplicate');
  t.is(admit(s, { t: 1_000, v: 6 }, now), 'late');
  t.is(admit(s, { t: 999, v: 6 }, now), 'late');
  t.is(admit(s, { t: 2_000, v: null }, now), 'missing');
  t.is(admit(s, { t: 2_000, v: 11 }, now), 'invalid');
  t.is(admit(s, { t: 2_000, v: 6, quality: 'partial' }, now), 'invalid');
  t.is(admit(s, { t: now + 300_001, v: 6 }, now), 'future');
  t.is(admit(s, { t: now + 300_000, v: 6 }, now), 'point');
});

test('a sensor that repeats one value scores higher with every repetition', (t) => {
  const cfg = { flatAfter: 2 };
  let s = flat.init(cfg);
  const scores = [7, 7, 7, 7, 8].map((x, i) => {
    const step = flat.step(s, x, i, cfg);
    s = step.state;
    return step.score;
  });
  t.deepEqual(scores, [0, 0.5, 1, 1, 0]);
});

test('a gap is measured in expected pauses, which one holiday hardly changes', (t) => {
  t.is(gapRatio(noGap, 5), 0);
  let s = noGap;
  for (let i = 0; i < 20; i += 1) s = gapStep(s, i * 100);
  t.is(gapRatio(s, 1_900 + 250), 2.5);
  const after = gapStep(s, 1_900 + 10_000);
  t.is(after.expectedMs, 120);
  t.deepEqual(gapStep(after, 3), after);
});
