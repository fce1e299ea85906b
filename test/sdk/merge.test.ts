import test from 'ava';
import { merge } from '#sdk/merge';

/** RFC 7396, appendix A: original, patch, result. */
const cases: readonly (readonly [unknown, unknown, unknown])[] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, null, null],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

for (const [original, patch, result] of cases) {
  test(`${JSON.stringify(original)} patched with ${JSON.stringify(patch)} (RFC 7396 appendix A)`, (t) => {
    const before = structuredClone(original);
    t.deepEqual(merge(original, patch), result);
    t.deepEqual(original, before, 'the original is not changed');
  });
}

test('parts that a patch leaves alone are shared with the result', (t) => {
  const original = { a: { deep: 1 }, b: { deep: 2 } };
  t.is((merge(original, { b: { deep: 3 } }) as typeof original).a, original.a);
});

test('a key called __proto__ is data and reaches no prototype', (t) => {
  const merged = merge({}, JSON.parse('{"__proto__": {"polluted": true}}') as unknown) as { polluted?: boolean };
  t.false('polluted' in {});
  t.deepEqual(Object.keys(merged), ['__proto__']);
});
