import test from 'ava';
import * as fc from 'fast-check';
import { effectiveSize, ewAdd, lambdaOf, noEw } from '../../../calc/stats/ewm.ts';
import { NonFiniteError } from '../../../calc/stats/finite.ts';
import { mad, median, quantile } from '../../../calc/stats/quantile.ts';
import {
  add,
  deviation,
  differenceVariation,
  merge,
  momentsOf,
  noMoments,
  remove,
  variance,
  variation,
} from '../../../calc/stats/welford.ts';
import { zBound, zScores } from '../../../calc/stats/zscore.ts';

const U10 = [0.42, 0.45, 0.4, 0.47, 0.44, 0.43, 0.46, 0.95, 0.41, 0.44];
const near = (a: number, b: number, eps: number): boolean => Math.abs(a - b) < eps;
const values = (minLength = 1) => fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength, maxLength: 60 });

test('mean, deviation and variation of U10 equal the reference values', (t) => {
  const s = momentsOf(U10);
  t.true(near(s.mean, 0.487, 1e-15));
  t.true(near(deviation(s, 'population')!, 0.155695215084, 1e-12));
  t.true(near(deviation(s)!, 0.164117166818, 1e-12));
  t.true(near(variation(s, 'population')!, 0.319702700377, 1e-12));
  t.true(near(variation(s)!, 0.336996235766, 1e-12));
});

test('the z-score of every value of U10 equals the reference, all, loo and robust', (t) => {
  const population = zScores(U10, { baseline: 'all', varianceMode: 'population' });
  const expected = [-0.430328, -0.237644, -0.558784, -0.109188, -0.301872, -0.3661, -0.173416, 2.973759, -0.494556, -0.301872];
  expected.forEach((z, i) => t.true(near(population[i]!.z!, z, 6e-7), String(i)));
  t.true(near(zScores(U10, { baseline: 'all' })[7]!.z!, 2.821155, 6e-7));
  t.true(near(zBound(10, 'population'), 3, 1e-15));
  t.true(near(zBound(10, 'sample'), 2.84605, 6e-7));
  const loo = zScores(U10);
  t.true(near(loo[7]!.centre, 0.435555556, 1e-9) && near(loo[7]!.spread, 0.022973415, 1e-9));
  t.true(near(loo[7]!.z!, 21.243897, 1e-6) && near(loo[7]!.p! / 2.534362e-8, 1, 1e-6));
  t.is(loo[7]!.df, 8);
  t.true(near(loo[0]!.centre, 0.494444444, 1e-9) && near(loo[0]!.spread, 0.172272394, 1e-9));
  t.true(near(loo[0]!.z!, -0.409957, 1e-6) && near(loo[0]!.p!, 0.692596, 1e-6));
  t.true(near(zScores(U10, { baseline: 'robust' })[7]!.z!, 17.199489, 1e-6));
  t.true(near(median(U10), 0.44, 1e-15) && near(mad(U10), 0.02, 1e-15));
});

test('a flat baseline has no z-score, and too few values have none at all', (t) => {
  t.is(zScores([0.4, 0.4, 0.4, 0.5])[3]!.z, null);
  t.is(zScores([0.4, 0.4, 0.4], { baseline: 'robust' })[0]!.z, null);
  t.deepEqual(zScores([1, 2]), [null, null]);
  t.is(zScores([1, 2, 3, 9], { baseline: 'trailing', lookback: 3 })[1], null);
  t.true(near(zScores([1, 2, 3, 9], { baseline: 'trailing', lookback: 3 })[3]!.centre, 2, 1e-15));
});

test('exponentially weighted moments equal Welford while 1/n >= lambda', (t) => {
  const slow = U10.reduce((s, x) => ewAdd(s, x, 0.1), noEw);
  t.true(near(slow.mean, 0.487, 1e-12) && near(slow.v, 0.024241, 1e-12));
  const fast = [
    [0.437333, 0.00075289],
    [0.438133, 0.00052852],
    [0.435693, 0.00038385],
    [0.442985, 0.00039277],
    [0.59509, 0.05425835],
    [0.539563, 0.04517507],
    [0.509694, 0.03370423],
  ];
  let s = noEw;
  U10.forEach((x, i) => {
    s = ewAdd(s, x, 0.3);
    if (i >= 3) t.true(near(s.mean, fast[i - 3]![0]!, 6e-7) && near(s.v, fast[i - 3]![1]!, 6e-9), String(i));
  });
});

test('with lambda 0 the weighted variance is the population variance', (t) => {
  fc.assert(
    fc.property(values(), (xs) => {
      const s = momentsOf(xs);
      const e = xs.reduce((w, x) => ewAdd(w, x, 0), noEw);
      const size = 1 + Math.max(...xs.map((x) => x * x));
      return near(e.mean, s.mean, 1e-9 * size) && Math.abs(e.v - variance(s, 'population')!) <= 1e-12 * size;
    }),
  );
  t.is(effectiveSize(10, 0), 10);
  t.true(near(lambdaOf(1), 0.5, 1e-15));
});

test('moments are stable far from zero', (t) => {
  const s = momentsOf([1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16]);
  t.is(variance(s, 'population'), 22.5);
  t.is(variance(s), 30);
});

test('merging two samples equals one sample, and removal undoes addition', (t) => {
  fc.assert(
    fc.property(values(), values(), (a, b) => {
      const one = momentsOf([...a, ...b]);
      const two = merge(momentsOf(a), momentsOf(b));
      return two.n === one.n && near(two.mean, one.mean, 1e-6) && Math.abs(two.m2 - one.m2) <= 1e-9 * (1 + one.m2);
    }),
  );
  fc.assert(
    fc.property(values(2), fc.double({ min: -1e3, max: 1e3, noNaN: true }), (xs, x) => {
      const s = momentsOf(xs);
      const back = remove(add(s, x), x);
      return back.n === s.n && near(back.mean, s.mean, 1e-5) && Math.abs(back.m2 - s.m2) <= 1e-6 * (1 + s.m2 + x * x);
    }),
  );
  t.deepEqual(merge(noMoments, noMoments), noMoments);
  t.throws(() => remove(momentsOf([1]), 1), { instanceOf: RangeError });
});

test('a value that is not finite is refused with its index', (t) => {
  const error = t.throws(() => momentsOf([1, 2, Number.NaN]), { instanceOf: NonFiniteError });
  t.is(error.code, 'NON_FINITE');
  t.is(error.index, 2);
  t.throws(() => zScores([1, Infinity]), { instanceOf: NonFiniteError });
  t.throws(() => ewAdd(noEw, Number.NaN, 0.1), { instanceOf: NonFiniteError });
});

test('quantiles interpolate, and the variation of a mean near zero is null', (t) => {
  t.is(quantile([1, 2, 3, 4], 0.25), 1.75);
  t.is(quantile([5], 0.9), 5);
  t.throws(() => quantile([], 0.5), { instanceOf: RangeError });
  t.throws(() => quantile([1], 2), { instanceOf: RangeError });
  t.is(variation(momentsOf([-1, 1])), null);
  t.is(variation(momentsOf([1])), null);
  t.true(near(differenceVariation([1, 2, 3])!, Math.sqrt(2 / 4) / 2, 1e-15));
  t.is(differenceVariation([1]), null);
});
