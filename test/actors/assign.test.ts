import test from 'ava';
import * as fc from 'fast-check';
import { assign } from '../../actors/shard/assign.ts';
import type { Member } from '../../actors/shard/assign.ts';

const SLOTS = 1_024;
const counts = (result: readonly string[]): Map<string, number> => {
  const found = new Map<string, number>();
  for (const id of result) found.set(id, (found.get(id) ?? 0) + 1);
  return found;
};
const movedBetween = (a: readonly string[], b: readonly string[]): number => a.filter((id, slot) => id !== b[slot]).length;

const weights = fc.array(fc.constantFrom(1, 1, 1, 2, 0.5), { minLength: 1, maxLength: 9 });
const seeded = fc.tuple(fc.string({ minLength: 4, maxLength: 12 }), weights);
const membersOf = ([seed, list]: [string, number[]]): Member[] => list.map((weight, i) => ({ id: `${seed}-${i}`, weight }));

test('every slot has a node, no node more than 1.15 of its share, whatever the order in which the nodes are known', (t) => {
  fc.assert(
    fc.property(seeded, (input) => {
      const members = membersOf(input);
      const result = assign(members);
      const total = members.reduce((sum, m) => sum + m.weight, 0);
      const found = counts(result);
      t.is(result.length, SLOTS);
      for (const { id, weight } of members) t.true((found.get(id) ?? 0) <= Math.ceil((1.15 * SLOTS * weight) / total));
      t.is(
        [...found.values()].reduce((sum, n) => sum + n, 0),
        SLOTS,
      );
      t.deepEqual(assign(members.toReversed()), result);
    }),
    { numRuns: 60 },
  );
});

test('a node that comes to n others of its weight moves at most 1.3 / (n + 1) of the slots', (t) => {
  fc.assert(
    fc.property(fc.string({ minLength: 4, maxLength: 12 }), fc.integer({ min: 1, max: 11 }), (seed, n) => {
      const members = Array.from({ length: n + 1 }, (_, i): Member => ({ id: `${seed}-${i}`, weight: 1 }));
      const moved = movedBetween(assign(members.slice(0, n)), assign(members));
      t.true(moved <= (1.3 * SLOTS) / (n + 1), `${moved} of ${SLOTS} moved to the node ${n + 1}`);
    }),
    { numRuns: 80 },
  );
});

test('a node without weight gets nothing, and without any weight there is no assignment', (t) => {
  t.deepEqual(
    [
      ...counts(
        assign([
          { id: 'a', weight: 1 },
          { id: 'b', weight: 0 },
        ]),
      ),
    ],
    [['a', SLOTS]],
  );
  t.deepEqual(assign([{ id: 'a', weight: 0 }]), []);
  t.deepEqual(assign([]), []);
});
