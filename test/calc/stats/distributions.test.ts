import test from 'ava';
import * as fc from 'fast-check';
import { betaQuantile, incompleteBeta } from '../../../calc/stats/beta.ts';
import { lnBeta, lnGamma } from '../../../calc/stats/gamma.ts';
import { erfc, normalQuantile, normalSf } from '../../../calc/stats/normal.ts';
import { tCdf, tQuantile, tSf } from '../../../calc/stats/student-t.ts';

const P = [0.9, 0.95, 0.975, 0.995, 0.9995];

/** scipy.stats.t.ppf, scipy 1.10 */
const T: readonly (readonly number[])[] = [
  [1, 3.077684, 6.313752, 12.706205, 63.656741, 636.619249],
  [2, 1.885618, 2.919986, 4.302653, 9.924843, 31.599055],
  [3, 1.637744, 2.353363, 3.182446, 5.840909, 12.923979],
  [4, 1.533206, 2.131847, 2.776445, 4.604095, 8.610302],
  [5, 1.475884, 2.015048, 2.570582, 4.032143, 6.868827],
  [9, 1.383029, 1.833113, 2.262157, 3.249836, 4.780913],
  [19, 1.327728, 1.729133, 2.093024, 2.860935, 3.883406],
  [28, 1.312527, 1.701131, 2.048407, 2.763262, 3.673906],
  [29, 1.311434, 1.699127, 2.04523, 2.756386, 3.659405],
  [30, 1.310415, 1.697261, 2.042272, 2.749996, 3.645959],
  [120, 1.288646, 1.657651, 1.97993, 2.617421, 3.373454],
];
const NORMAL = [1.281552, 1.644854, 1.959964, 2.575829, 3.290527];

test('quantiles of Student t equal those of scipy to six places', (t) => {
  for (const [df, ...row] of T) row.forEach((expected, i) => t.true(Math.abs(tQuantile(P[i]!, df!) - expected) < 6e-7, `${df} ${P[i]}`));
  NORMAL.forEach((expected, i) => t.true(Math.abs(normalQuantile(P[i]!) - expected) < 6e-7));
  t.true(Math.abs(tQuantile(0.975, 2.5) - 3.574655) < 6e-7);
  t.true(Math.abs(tQuantile(0.9999999, 5) - 39.34182) < 6e-7);
  t.true(Math.abs(tCdf(2, 5) - 0.949030260585) < 5e-13);
});

test('one and two degrees of freedom follow their closed forms', (t) => {
  for (const x of [0.001, 0.3, 1, 2.5, 40, 1e6]) {
    t.true(Math.abs(tSf(x, 1) / (Math.atan(1 / x) / Math.PI) - 1) < 1e-12, `cauchy ${x}`);
    const two = 1 / ((2 + x * x) * (1 + x / Math.sqrt(2 + x * x)));
    t.true(Math.abs(tSf(x, 2) / two - 1) < 1e-12, `df 2 ${x}`);
  }
});

test('the t distribution is exactly antisymmetric, zero at one half, and the normal in the limit', (t) => {
  t.is(tQuantile(0.5, 3), 0);
  t.is(tQuantile(0.25, 7), -tQuantile(0.75, 7));
  t.is(tQuantile(0.975, 2e7), normalQuantile(0.975));
  t.true(Math.abs(tQuantile(0.975, 9e6) - normalQuantile(0.975)) < 1e-6);
  t.throws(() => tSf(1, 0), { instanceOf: RangeError });
  t.throws(() => tSf(Number.NaN, 3), { instanceOf: RangeError });
  t.throws(() => tQuantile(1, 3), { instanceOf: RangeError });
});

test('a quantile of t is undone by its distribution to 1e-9', (t) => {
  fc.assert(
    fc.property(fc.double({ min: 1e-8, max: 1 - 1e-8, noNaN: true }), fc.double({ min: 1, max: 1e6, noNaN: true }), (p, df) => {
      const back = tCdf(tQuantile(p, df), df);
      return Math.abs(back - p) < 1e-9;
    }),
    { numRuns: 300 },
  );
  t.pass();
});

test('the normal tail keeps its relative accuracy far out', (t) => {
  t.true(Math.abs(erfc(0.5) - 0.4795001221869535) < 1e-15);
  t.true(Math.abs(erfc(3) / 2.209049699858544e-5 - 1) < 1e-13);
  t.true(Math.abs(normalSf(10) / 7.61985302416052e-24 - 1) < 1e-11);
  fc.assert(
    fc.property(fc.double({ min: 1e-12, max: 1 - 1e-12, noNaN: true }), (p) => Math.abs(1 - normalSf(normalQuantile(p)) - p) < 1e-12),
    { numRuns: 300 },
  );
});

test('gamma and beta functions meet their exact values', (t) => {
  t.true(Math.abs(lnGamma(0.5) - Math.log(Math.sqrt(Math.PI))) < 1e-14);
  let factorial = 0;
  for (let n = 1; n <= 30; n += 1) {
    factorial += Math.log(n);
    t.true(Math.abs(lnGamma(n + 1) - factorial) <= 2e-14 * Math.max(1, factorial), String(n));
  }
  for (const [a, b] of [
    [0.5, 0.5],
    [2, 3],
    [12, 0.5],
    [15, 30],
    [1e6, 0.5],
  ] as const) {
    const up = lnBeta(a + 1, b) - lnBeta(a, b); // B(a+1, b) = B(a, b) a / (a + b)
    t.true(Math.abs(up - Math.log(a / (a + b))) < 1e-9, `${a} ${b}`);
  }
});

test('the incomplete beta function is a distribution with the reflection I_x(a,b) = 1 - I_(1-x)(b,a)', (t) => {
  t.true(Math.abs(incompleteBeta(0.3, 2, 3) - 0.3483) < 1e-14); // polynomial: 6x² - 8x³ + 3x⁴
  const shape = fc.double({ min: 0.2, max: 200, noNaN: true });
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), shape, shape, (x, a, b) => {
      const left = incompleteBeta(x, a, b);
      return left >= 0 && left <= 1 + 1e-12 && Math.abs(left + incompleteBeta(1 - x, b, a, x) - 1) < 1e-9;
    }),
    { numRuns: 300 },
  );
  t.true(Math.abs(betaQuantile(0.5, 2, 2) - 0.5) < 1e-12);
  t.true(Math.abs(betaQuantile(0.975, 1, 1) - 0.975) < 1e-12);
  t.true(Math.abs(incompleteBeta(betaQuantile(0.025, 3, 8), 3, 8) - 0.025) < 1e-12);
});
