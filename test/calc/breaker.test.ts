import test from 'ava';
import { assert, constantFrom, integer, property, array, record } from 'fast-check';
import { counted, totalOf, trips, waitMs } from '../../calc/breaker/window.ts';
import type { Buckets, Rules } from '../../calc/breaker/window.ts';
import { ruleSets } from '../../machines/breaker/rules.ts';

const { remote, provider, dependency } = ruleSets;
const none = { calls: 0, failures: 0, slow: 0 };

test('remote: half of ten calls, eight of ten slow, or five failures in a row are too much (readings 4.3)', (t) => {
  t.false(trips(remote, { calls: 9, failures: 9, slow: 9 }, 4));
  t.true(trips(remote, { calls: 10, failures: 5, slow: 0 }, 0));
  t.false(trips(remote, { calls: 10, failures: 4, slow: 7 }, 0));
  t.true(trips(remote, { calls: 10, failures: 0, slow: 8 }, 0));
  t.true(trips(remote, none, 5));
});

test('provider: twenty failures in the window are too much, however many calls (biosync B3.7)', (t) => {
  t.false(trips(provider, { calls: 19, failures: 19, slow: 19 }, 19));
  t.true(trips(provider, { calls: 5_000, failures: 20, slow: 0 }, 0));
});

test('dependency: half of twenty calls are too much (experience 10)', (t) => {
  t.false(trips(dependency, { calls: 19, failures: 19, slow: 0 }, 19));
  t.true(trips(dependency, { calls: 20, failures: 10, slow: 0 }, 0));
});

test('the wait doubles from 15 s to 5 min and is spread by a fifth', (t) => {
  t.deepEqual(
    [1, 2, 3, 4, 5, 6, 40].map((n) => waitMs(remote, n, 0.5)),
    [15_000, 30_000, 60_000, 120_000, 240_000, 300_000, 300_000],
  );
  t.is(waitMs(remote, 1, 0), 12_000);
  t.is(waitMs(remote, 1, 0.999_999_9), 18_000);
  t.is(waitMs(provider, 7, 0.1), 30_000);
});

test('the window holds what happened in its last six buckets and nothing older', (t) => {
  const call = record({ after: integer({ min: 0, max: 40_000 }), calls: integer({ min: 0, max: 9 }) });
  assert(
    property(array(call, { maxLength: 40 }), constantFrom<Rules>(remote, dependency), (calls, rules) => {
      let now = 1_000_000;
      let buckets: Buckets = {};
      const all: { at: number; calls: number }[] = [];
      for (const one of calls) {
        now += one.after;
        all.push({ at: now, calls: one.calls });
        buckets = counted(buckets, rules, now, { ...none, calls: one.calls });
      }
      const { calls: held } = totalOf(buckets, rules, now);
      const within = (ms: number): number => all.reduce((sum, one) => sum + (now - one.at < ms ? one.calls : 0), 0);
      return Object.keys(buckets).length <= 6 && held <= within(rules.windowMs) && held >= within(rules.windowMs * (5 / 6));
    }),
  );
  t.pass();
});
