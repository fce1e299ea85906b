import test from 'ava';
import * as fc from 'fast-check';
import type { LabelEntry, LabelLog, TuneLabel } from '../../../calc/anomaly/tune.ts';
import { cvFactor, effectiveThreshold, falseShare, LABELS_KEPT, noTune, relabel } from '../../../calc/anomaly/tune.ts';

const near = (a: number, b: number, eps: number): boolean => Math.abs(a - b) < eps;
const start = { tune: noTune, log: {} as LabelLog };
const all = (entries: readonly LabelEntry[]): typeof start => entries.reduce((s, e) => relabel(s.tune, s.log, e), start);

test('feedback moves the threshold through the reference values', (t) => {
  const labels: TuneLabel[] = ['fp', 'fp', 'tp', 'fp', 'tp', 'tp', 'tp', 'fp'];
  const expected = [3.282523, 3.498212, 3.478073, 3.638161, 3.621927, 3.607171, 3.593563, 3.709748];
  let s = start;
  labels.forEach((label, i) => {
    s = relabel(s.tune, s.log, { label, alert: `a${i}` });
    t.true(near(effectiveThreshold(3, null, s.tune.lnF), expected[i]!, 6e-7), String(i));
  });
});

test('a second label for an alert counts as if only it had been given (case 23)', (t) => {
  const label = fc.constantFrom<TuneLabel>('fp', 'tp');
  const entries = fc.array(fc.record({ label, alert: fc.integer({ min: 0, max: 20 }).map(String) }), { maxLength: 60 });
  fc.assert(
    fc.property(entries, (given) => {
      const last = new Map(given.map((e) => [e.alert, e.label])); // keeps the place of the first label, and the last value
      const once = all([...last].map(([alert, label]) => ({ alert, label })));
      return all(given).tune.lnF === once.tune.lnF && all(given).tune.fpRun === once.tune.fpRun;
    }),
  );
  t.pass();
});

test('the counts equal the labels, however many there are, and the log stays bounded', (t) => {
  let s = start;
  for (let i = 0; i < 200; i += 1) s = relabel(s.tune, s.log, { label: (['fp', 'tp', 'missed'] as const)[i % 3]!, alert: `a${i}` });
  t.is(Object.keys(s.log).length, LABELS_KEPT);
  t.is(s.tune.fp + s.tune.tp + s.tune.missed, 200);
  t.is(s.tune.fp + s.tune.tp + s.tune.missed, s.tune.base.k + Object.keys(s.log).length);
  t.true(effectiveThreshold(3, null, s.tune.lnF) >= 2);
});

test('a missed report lowers the threshold five times as much as a confirmed alert', (t) => {
  const missed = all([{ label: 'missed' }]).tune.lnF;
  const confirmed = all([{ label: 'tp', alert: 'a' }]).tune.lnF;
  t.true(near(missed, 5 * confirmed, 1e-15));
});

test('noisy series get a wider band, within bounds', (t) => {
  t.is(cvFactor(null), 1);
  t.is(cvFactor(0.3), 1);
  t.true(near(cvFactor(0.5), 1.1, 1e-15));
  t.is(cvFactor(3), 1.35);
  t.is(effectiveThreshold(6, 3, 1), 6);
  t.is(effectiveThreshold(1, null, 0), 2);
});

test('the share of false positives comes with its interval and a suggestion', (t) => {
  const none = falseShare(0, 0);
  t.is(none.share, null);
  t.true(near(none.lower, 0.025, 1e-9) && near(none.upper, 0.975, 1e-9));
  t.is(falseShare(9, 1).suggestion, 'raise z0');
  t.is(falseShare(0, 20).suggestion, 'z0 may be lowered');
  t.is(falseShare(1, 9).suggestion, undefined);
});
