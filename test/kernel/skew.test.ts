import test from 'ava';
import { Skew } from '../../actors/skew.ts';
import { KeptLog } from '../support/kernel.ts';
import { FakeClock } from '../support/clock.ts';

test("the database's time is told in whole milliseconds, though the monotonic clock has fractions", (t) => {
  const clock = new FakeClock();
  const skew = new Skew({ ...clock, wall: () => 5_000, mono: () => 10.7, setTimer: () => 0, clearTimer: () => undefined }, new KeptLog());
  skew.told(5_000, 10.2);
  t.is(skew.now, 5_000);
  t.true(Number.isInteger(skew.now));
});
