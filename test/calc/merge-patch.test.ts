import test from 'ava';
import * as fc from 'fast-check';
import { diff, merge } from '../../calc/merge-patch.ts';

/** RFC 7396, appendix A: original, patch, result. */
const appendix: readonly [unknown, unknown, unknown][] = [
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

for (const [i, [original, patch, result]] of appendix.entries()) {
  test(`RFC 7396 appendix A, case ${i + 1}: ${JSON.stringify(original)} with ${JSON.stringify(patch)}`, (t) => {
    const before = structuredClone(original);
    t.deepEqual(merge(original, patch), result);
    t.deepEqual(original, before, 'the original is not changed');
  });
}

const key = fc.constantFrom('a', 'b', 'c', '1', 'ü');
const leaf = fc.oneof(fc.integer(), fc.string(), fc.boolean());
const { view } = fc.letrec<{ value: unknown; view: { [key: string]: unknown } }>((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, leaf, fc.array(leaf, { maxLength: 3 }), tie('view')),
  view: fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
}));
const runs = { numRuns: 1_000 };

test('merging the difference gives the other view, whatever the two are, and leaves them alone', (t) => {
  fc.assert(
    fc.property(view, view, (a, b) => {
      const [before, after] = [structuredClone(a), structuredClone(b)];
      t.deepEqual(merge(a, diff(a, b) ?? {}), b);
      t.deepEqual([a, b], [before, after]);
    }),
    runs,
  );
});

test('there is a difference exactly when two views are not equal, and it survives JSON', (t) => {
  fc.assert(
    fc.property(view, view, (a, b) => {
      const patch = diff(a, b);
      t.is(patch === undefined, JSON.stringify(sorted(a)) === JSON.stringify(sorted(b)));
      t.is(diff(a, structuredClone(a)), undefined);
      t.deepEqual(merge(a, JSON.parse(JSON.stringify(patch ?? {}))), b);
    }),
    runs,
  );
});

test('differences chain: what leads from a to b to c leads from a to c', (t) => {
  fc.assert(
    fc.property(view, view, view, (a, b, c) => {
      t.deepEqual(merge(merge(a, diff(a, b) ?? {}), diff(b, c) ?? {}), c);
    }),
    runs,
  );
});

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([x], [y]) => (x < y ? -1 : 1))
      .map(([k, v]) => [k, sorted(v)]),
  );
}
