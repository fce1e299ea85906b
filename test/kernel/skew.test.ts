import test from 'ava';
import { Skew } from '../../actors/skew.ts';
import { KeptLog } from '../support/kernel.ts';

test("the database's time is told in whole milliseconds, though the monotonic clock has fractions", (t) => {
  const clock = { wall: () => 5_000, mono: () => 10.7, setTimer: () => 0, clearTimer: () => undefined };
  const skew = new Skew(clock, new KeptLog());
  skew.told(5_000, 10.2);
  t.is(skew.now, 5_000);
  t.true(Number.isInteger(skew.now));
});
