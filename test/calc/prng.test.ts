import test from 'ava';
import { seeded, sfc32 } from '../../calc/prng.ts';

const words = (next: () => number, n: number): number[] => Array.from({ length: n }, () => next() * 2 ** 32);

// Check values from an independent implementation in Python 3.11 with masked integers, after Doty-Humphrey's sfc32 (PractRand 0.95):
//   t = a + b + d; d += 1; a = b ^ (b >> 9); b = c + (c << 3); c = rotl(c, 21) + t
test('sfc32 gives the published stream', (t) => {
  t.deepEqual(words(sfc32([1, 2, 3, 4]), 6), [0x7, 0x22, 0x3600060, 0xb421d78, 0xcc849c75, 0x17ce4c72]);
  const far = sfc32([0x9e3779b9, 0x243f6a88, 0xb7e15162, 0xdeadbeef]);
  t.is(words(far, 1_000).at(-1), 0xf67d3d95);
});

test('a digest seeds independent streams, and dashes do not matter', (t) => {
  const digest = 'ea3fd43be1e57d62e163dae19fc740bd6d660eec497235fd0ef859e2bd9fa328'; // SHA-256 of "user:42"
  t.deepEqual(words(seeded(digest), 3), [3396369928, 3682947447, 673207887]);
  t.deepEqual(words(seeded(digest, 7), 3), [3363914661, 3627143616, 1620242311]);
  const uuid = 'ea3fd43b-e1e5-7d62-e163-dae19fc740bd';
  t.deepEqual(words(seeded(uuid), 3), [3396369928, 3682947447, 673207887]);
});

test('numbers stay in [0, 1) and fill it evenly', (t) => {
  const next = sfc32([1, 2, 3, 4]);
  const buckets = Array.from({ length: 16 }, () => 0);
  for (let i = 0; i < 160_000; i += 1) {
    const x = next();
    if (x < 0 || x >= 1) t.fail(`out of range: ${x}`);
    buckets[Math.floor(x * 16)]! += 1;
  }
  // 15 degrees of freedom: above 37.7 with probability 0.001
  const chi = buckets.reduce((sum, n) => sum + (n - 10_000) ** 2 / 10_000, 0);
  t.true(chi < 37.7, `chi-square ${chi}`);
});
