import * as fc from 'fast-check';
import test from 'ava';
import { Keys, REMEMBERED } from '../../actors/keys.ts';
import type { Known } from '../../actors/rows.ts';

const known = (seq: number): Known => ({ seq, type: 'x.do', chk: seq, reply: { ok: true, seq, reply: { n: seq } } });
const idem = (n: number): string => n.toString(16).padStart(32, '0');

test('the latest 256 keys are remembered with their answers, whatever becomes text in between', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.integer({ min: 1, max: 150 }), fc.constantFrom('text' as const, 'ask' as const)), { maxLength: 12 }),
      (acts) => {
        let keys = new Keys();
        let n = 0;
        for (const act of acts) {
          if (act === 'text') {
            const { text, count } = keys.toText();
            t.true(count <= REMEMBERED);
            keys = Keys.ofText(text, count);
          } else if (act === 'ask') t.deepEqual(keys.get(idem(n)), n === 0 ? undefined : known(n));
          else for (let i = 0; i < act; i += 1) keys.remember(idem((n += 1)), known(n));
        }
        for (let i = Math.max(1, n - REMEMBERED + 1); i <= n; i += 1) t.deepEqual(keys.get(idem(i)), known(i));
        t.is(keys.get(idem(n + 1)), undefined);
        t.true(keys.size >= Math.min(n, REMEMBERED) && keys.size < 2 * REMEMBERED);
      },
    ),
    { numRuns: 300 },
  );
});

test('the text is not read for a key that it does not hold', (t) => {
  const keys = Keys.ofText('no JSON', 3);
  t.is(keys.size, 3);
  t.is(keys.get(idem(1)), undefined);
  keys.remember(idem(2), known(2));
  t.deepEqual(keys.get(idem(2)), known(2));
});
