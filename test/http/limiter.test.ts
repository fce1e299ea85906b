import test from 'ava';
import * as fc from 'fast-check';
import { Bucket, memoryLimiter } from '../../server/limits/limiter.ts';

test('a bucket gives its burst at once and then its rate', (t) => {
  const bucket = new Bucket({ perSecond: 2, burst: 3 }, 0);
  t.deepEqual(
    [0, 0, 0, 0].map((at) => bucket.take(at).ok),
    [true, true, true, false],
  );
  t.deepEqual(bucket.take(0), { ok: false, retryAfterMs: 500 });
  t.true(bucket.take(500).ok);
  t.false(bucket.take(500).ok);
});

test('waiting as long as was said is always enough', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 100 }), fc.array(fc.nat(300)), (perSecond, burst, gaps) => {
      let now = 0;
      const bucket = new Bucket({ perSecond, burst }, now);
      for (const gap of gaps) {
        now += gap;
        const verdict = bucket.take(now);
        if (verdict.ok) continue;
        now += verdict.retryAfterMs;
        if (!bucket.take(now).ok) return false;
      }
      return true;
    }),
  );
  t.pass();
});

test('keys do not share their buckets', (t) => {
  const limiter = memoryLimiter({ perSecond: 1, burst: 1 }, () => 0);
  t.true(limiter.take('a').ok);
  t.false(limiter.take('a').ok);
  t.true(limiter.take('b').ok);
  limiter.giveBack('a');
  t.true(limiter.take('a').ok);
});
