import test from 'ava';
import * as fc from 'fast-check';
import { receive, receiver } from '#sdk/receiver';
import type { Input, Output, Receiver } from '#sdk/receiver';
import type { Action, Faults } from './model.ts';
import { run } from './model.ts';

const simple = [
  'publish',
  'deliver',
  'drop',
  'repeat',
  'swap',
  'serve',
  'serveStale',
  'cut',
  'connect',
  'crash',
  'head',
  'timer',
  'evict',
  'retain',
];
const commit = fc.record({
  type: fc.constant('commit' as const),
  key: fc.constantFrom('a', 'b', 'c'),
  value: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constant(null)),
  item: fc.boolean(),
});
const action = fc.oneof(
  { weight: 6, arbitrary: commit },
  {
    weight: 12,
    arbitrary: fc.constantFrom(...simple, 'publish', 'deliver', 'deliver', 'serve', 'serve').map((type) => ({ type }) as Action),
  },
  { weight: 1, arbitrary: fc.constant<Action>({ type: 'restore' }) },
);
const actions = fc.array(action, { minLength: 1, maxLength: 120 }) as fc.Arbitrary<Action[]>;

test('views are always published ones and log items come once and in order, whatever the network and the owners do (R4)', (t) => {
  fc.assert(
    fc.property(actions, (list) => run(list)),
    { numRuns: 1_500 },
  );
  t.pass();
});

const isHead = (i: Input): boolean => i.type === 'pub' && i.pub.k === 'h';

/** Each safeguard removed in turn; the model has to notice every one of them. */
const mutants: { readonly [name: string]: Faults } = {
  'without tail probes': { receive: (r, i) => (isHead(i) ? [r, []] : receive(r, i)), probe: false },
  'whose owners announce nothing after a crash': { announce: false },
  'without the rule for heads': { receive: (r, i) => (isHead(i) ? [r, []] : receive(r, i)) },
  'without the rule for stale answers': {
    receive: (r, i) => {
      const stale = i.type === 'answer' && i.answer.kind !== 'signal' && i.answer.e === r.cursor?.e && i.answer.s < r.cursor.s;
      return receive(stale ? { ...r, cursor: undefined, asked: undefined } : r, i);
    },
  },
  'with snapshots of what is not published': { eager: true },
  'merging a delta into whatever there is': {
    receive: (r, i) => receive(r, i.type === 'pub' && i.pub.k === 'd' ? { ...i, pub: { ...i.pub, p: r.cursor?.s ?? 0 } } : i),
  },
  'without the rule for other epochs': {
    receive: (r, i) =>
      receive(r, i.type === 'pub' && i.pub.k !== 'x' && i.pub.k !== 'h' ? { ...i, pub: { ...i.pub, e: r.cursor?.e ?? i.pub.e } } : i),
  },
  'without the rule for duplicates': {
    receive: (r, i) =>
      receive(
        i.type === 'pub' && i.pub.k === 'i' && r.cursor !== undefined && i.pub.s <= r.cursor.s
          ? { ...r, cursor: { e: r.cursor.e, s: i.pub.p } }
          : r,
        i,
      ),
  },
  'taking items after a gap': {
    receive: (r, i) => receive(i.type === 'pub' && i.pub.k === 'i' && r.cursor ? { ...r, cursor: { ...r.cursor, s: i.pub.p } } : r, i),
  },
};

for (const [name, mutant] of Object.entries(mutants)) {
  test(`the model notices a receiver ${name}`, (t) => {
    const found = fc.check(
      fc.property(actions, (list) => run(list, mutant)),
      { numRuns: 6_000, endOnFailure: true, seed: 42 },
    );
    t.true(found.failed);
  });
}

// ---------------------------------------------------------------------------------------------- acceptance cases by number

const E = 'abcdefgh';
const delta = (p: number, s: number, d: unknown = { [`k${s}`]: s }): Input => ({
  type: 'pub',
  pub: { t: 't', e: E, k: 'd', p, s, d, at: s },
});

/** Applies inputs in turn; gives the end and everything that was put out. */
function play(from: Receiver, ...inputs: readonly Input[]): { r: Receiver; out: Output[] } {
  let r = from;
  const out: Output[] = [];
  for (const input of inputs) {
    const [next, more] = receive(r, input);
    r = next;
    out.push(...more);
  }
  return { r, out };
}

const snap = (s: number, d: unknown = { n: s }, e = E): Input => ({
  type: 'answer',
  answer: { ok: true, t: 't', kind: 'state', e, s, m: 'snap', d },
});
const at = (s: number): Receiver => play(receiver, { type: 'ask' }, snap(s)).r;
const subs = (out: readonly Output[]): Output[] => out.filter((o) => o.type === 'sub');
const views = (out: readonly Output[]): unknown[] => out.flatMap((o) => (o.type === 'view' ? [o.view] : []));

test('a delta on the cursor is applied (case 14)', (t) => {
  const { r, out } = play(at(7), delta(7, 9));
  t.deepEqual(r.cursor, { e: E, s: 9 });
  t.deepEqual(views(out), [{ n: 7, k9: 9 }]);
});

test('a publication at or before the cursor is ignored (case 15)', (t) => {
  const { r, out } = play(at(9), delta(7, 9));
  t.deepEqual(r.cursor, { e: E, s: 9 });
  t.deepEqual(out, [{ type: 'count', what: 'dups' }]);
});

test('a gap leads to one request with the cursor, and nothing is delivered before it is closed (case 16)', (t) => {
  const { r, out } = play(at(9), delta(11, 12), delta(12, 13));
  t.deepEqual(subs(out), [{ type: 'sub', cursor: { e: E, s: 9 } }]);
  t.deepEqual(views(out), []);
  const closed = play(r, {
    type: 'answer',
    answer: { ok: true, t: 't', kind: 'state', e: E, s: 12, m: 'delta', d: [{ k11: 11 }, { k12: 12 }] },
  });
  t.deepEqual(views(closed.out), [
    { n: 9, k11: 11, k12: 12 },
    { n: 9, k11: 11, k12: 12, k13: 13 },
  ]);
});

test('a full view is applied whatever it follows (case 17)', (t) => {
  const { r } = play(at(9), { type: 'pub', pub: { t: 't', e: E, k: 'f', p: 11, s: 12, d: { all: 1 }, at: 1 } });
  t.deepEqual([r.view, r.cursor], [{ all: 1 }, { e: E, s: 12 }]);
});

test('a snapshot of the published view is followed by the delta on it (case 18)', (t) => {
  const { r } = play(receiver, { type: 'ask' }, snap(8), delta(8, 10));
  t.deepEqual(r.view, { n: 8, k10: 10 });
});

test('publications that arrive while the request is under way are judged by number when it is answered (case 19)', (t) => {
  const { r, out } = play(receiver, { type: 'ask' }, delta(5, 6), delta(6, 7), delta(7, 8), snap(7), delta(8, 9));
  t.deepEqual(r.cursor, { e: E, s: 9 });
  t.deepEqual(views(out), [{ n: 7 }, { n: 7, k8: 8 }, { n: 7, k8: 8, k9: 9 }]);
});

test('more publications than the buffer holds lead to a second request (R4)', (t) => {
  const many = Array.from({ length: 300 }, (_, i) => delta(i, i + 1));
  const { r, out } = play(receiver, { type: 'ask' }, ...many, snap(10));
  t.is(r.phase, 'asking');
  t.deepEqual(subs(out), [
    { type: 'sub', cursor: undefined },
    { type: 'sub', cursor: { e: E, s: 10 } },
  ]);
});

const log = (d: number[], s: number, more = false, gap?: { from: number; to: number }): Input => ({
  type: 'answer',
  answer: { ok: true, t: 't', kind: 'log', e: E, s, m: 'items', d, floor: 1, more, gap },
});
const items = (out: readonly Output[]): unknown[] => out.flatMap((o) => (o.type === 'items' ? o.items : []));

test('a log is paged until nothing is missing (case 22)', (t) => {
  const range = (a: number, b: number): number[] => Array.from({ length: b - a + 1 }, (_, i) => a + i);
  const start = play(receiver, { type: 'ask' }, log(range(21, 40), 40), { type: 'lost' });
  const { r, out } = play(
    start.r,
    { type: 'ask' },
    log(range(41, 540), 540, true),
    log(range(541, 1_040), 1_040, true),
    log(range(1_041, 1_300), 1_300),
  );
  t.deepEqual(items(out), range(41, 1_300));
  t.deepEqual(
    subs(out).map((o) => (o.type === 'sub' ? o.cursor?.s : 0)),
    [40, 540, 1_040],
  );
  t.is(r.phase, 'live');
});

test('items that retention removed are announced as a gap (case 23)', (t) => {
  const start = play(receiver, { type: 'ask' }, log([100], 100), { type: 'lost' });
  const { r, out } = play(start.r, { type: 'ask' }, log([500, 501], 501, false, { from: 101, to: 499 }));
  t.deepEqual(out.slice(1), [
    { type: 'gap', reason: 'retention', from: 101, to: 499 },
    { type: 'items', items: [500, 501], first: 500, at: undefined },
  ]);
  t.deepEqual(r.cursor, { e: E, s: 501 });
});

test('items that overlap the cursor are delivered from the first new one', (t) => {
  const { out } = play(receiver, { type: 'ask' }, log([1, 2, 3], 3), {
    type: 'pub',
    pub: { t: 't', e: E, k: 'i', p: 1, s: 5, d: [2, 3, 4, 5], at: 1 },
  });
  t.deepEqual(items(out), [1, 2, 3, 4, 5]);
});

test('a stale answer of a paused former owner changes nothing and is asked again (case 57)', (t) => {
  const { r, out } = play(at(12), delta(13, 14), snap(8));
  t.deepEqual([r.view, r.cursor], [{ n: 12 }, { e: E, s: 12 }]);
  t.true(out.some((o) => o.type === 'later' && o.ms === 500));
});

test('a new epoch replaces view and cursor (case 13)', (t) => {
  const { r, out } = play(
    at(12),
    { type: 'pub', pub: { t: 't', e: 'newepoch', k: 'd', p: 1, s: 2, d: {}, at: 1 } },
    snap(3, { fresh: 1 }, 'newepoch'),
  );
  t.deepEqual(subs(out), [{ type: 'sub', cursor: undefined }]);
  t.deepEqual([r.view, r.cursor], [{ fresh: 1 }, { e: 'newepoch', s: 3 }]);
});

test('a log whose history was replaced says so before its items (case 64)', (t) => {
  const start = play(receiver, { type: 'ask' }, log([1, 2, 3], 3), { type: 'lost' });
  const fresh: Input = {
    type: 'answer',
    answer: { ok: true, t: 't', kind: 'log', e: 'newepoch', s: 2, m: 'items', d: [1, 2], floor: 1, more: false },
  };
  const { out } = play(start.r, { type: 'ask' }, fresh);
  t.deepEqual(
    out.map((o) => o.type),
    ['sub', 'gap', 'items'],
  );
});
