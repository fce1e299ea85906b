import * as fc from 'fast-check';
import test from 'ava';
import { Keys, MARK, marksOf, REMEMBERED } from '../../actors/keys.ts';
import type { Known } from '../../actors/rows.ts';

const known = (seq: number): Known => ({ type: 'x.do', chk: seq, reply: { ok: true, seq, reply: { n: seq } } });
/** beginning with the number, as marks are beginnings */
const idem = (n: number): string => `${n.toString(16).padStart(MARK, '0')}${'f'.repeat(32 - MARK)}`;
const upTo = (n: number, from = 1): string[] => Array.from({ length: Math.max(0, n - from + 1) }, (_, i) => idem(from + i));

test('the latest 256 keys are known, with their answers or as marks, whatever becomes marks in between', (t) => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.integer({ min: 1, max: 150 }), fc.constant('marks' as const)), { maxLength: 12 }), (acts) => {
      let keys = new Keys();
      let n = 0;
      let marked = 0;
      for (const act of acts) {
        if (act === 'marks') {
          const marks = keys.marks(n) ?? '';
          t.is(marks, marksOf('', upTo(n)), 'those of all keys, as far as they are remembered');
          keys = new Keys(marks);
          marked = n;
        } else for (let i = 0; i < act; i += 1) keys.remember(idem((n += 1)), known(n));
      }
      for (let i = Math.max(1, n - REMEMBERED + 1); i <= n; i += 1) {
        t.true(keys.knows(idem(i)));
        if (i > marked) t.deepEqual(keys.get(idem(i)), known(i));
      }
      t.false(keys.knows(idem(n + 1)));
      t.true(keys.size >= Math.min(n, REMEMBERED) && keys.size < 2 * REMEMBERED);
    }),
    { numRuns: 300 },
  );
});

test('a mark that stands across two others is none', (t) => {
  const keys = new Keys(marksOf('', ['0123456789abcdef', '0123456789abcdef', 'fedcba9876543210']));
  t.true(keys.marked('fedcba9876543210'.padEnd(32, '1')));
  t.false(keys.marked('89abcdef01234567'.padEnd(32, '1')));
  t.false(keys.marked('89abcdeffedcba98'.padEnd(32, '1')));
});

test('keys of later events have no marks, and where too few others are remembered there are none at all', (t) => {
  const keys = new Keys(marksOf('', upTo(10)));
  for (let n = 11; n <= 20; n += 1) keys.remember(idem(n), known(n));
  t.is(keys.marks(15), marksOf('', upTo(15)));
  for (let n = 21; n <= 300; n += 1) keys.remember(idem(n), known(n));
  t.is(keys.marks(300), marksOf('', upTo(300)));
  t.is(keys.marks(299), undefined, '44 to 299 are wanted, and 44 is forgotten');
});
