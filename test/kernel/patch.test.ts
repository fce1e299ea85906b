import test from 'ava';
import * as fc from 'fast-check';
import { apply, diff, emptyState, fold, PatchError, samePatch } from '../../actors/patch.ts';
import type { Maps, Patch } from '../../actors/patch.ts';
import type { ActorState, Json } from '../../actors/types.ts';

type Dict = { readonly [key: string]: Json };

const maps: Maps = { flat: 1, deep: 2 };
const key = fc.constantFrom('a', 'b', 'c', '1', '10', 'ü', 'a b');
const scalar = fc.oneof(fc.integer(), fc.boolean(), fc.constant(null), fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true }));
const json: fc.Arbitrary<Json> = fc
  .oneof(scalar, fc.array(scalar, { maxLength: 3 }), fc.dictionary(key, scalar, { maxKeys: 3 }))
  .map(clean);
const flat = fc.dictionary(key, json, { maxKeys: 5 });
const deep = fc.dictionary(key, fc.oneof({ weight: 5, arbitrary: flat }, { weight: 1, arbitrary: json }), { maxKeys: 4 });

/** JSON has no -0 and no prototypes to speak of. */
function clean(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}

const context: fc.Arbitrary<Dict> = fc
  .record(
    {
      flat: fc.oneof({ weight: 6, arbitrary: flat }, { weight: 1, arbitrary: json }),
      deep: fc.oneof({ weight: 6, arbitrary: deep }, { weight: 1, arbitrary: json }),
      plain: json,
      n: fc.integer(),
    },
    { requiredKeys: [] },
  )
  .map((c) => clean(c) as Dict);

/** One random change of a context, made as an assigner makes it: what changes is copied, the rest is shared. */
type Edit = (c: Dict) => Dict;
const isDict = (v: Json | undefined): v is Dict => typeof v === 'object' && v !== null && !Array.isArray(v);
const without = (d: Dict, k: string): Dict => Object.fromEntries(Object.entries(d).filter(([other]) => other !== k));
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.tuple(fc.constantFrom('flat', 'deep', 'plain', 'n'), json).map(([k, v]): Edit => (c) => ({ ...c, [k]: v })),
  fc.constantFrom('flat', 'deep', 'plain').map(
    (k): Edit =>
      (c) =>
        without(c, k),
  ),
  fc.tuple(fc.constantFrom('flat', 'deep'), key, json).map(([k, sub, v]): Edit => (c) => ({
    ...c,
    [k]: { ...(isDict(c[k]) ? c[k] : {}), [sub]: v },
  })),
  fc.tuple(fc.constantFrom('flat', 'deep'), key).map(
    ([k, sub]): Edit =>
      (c) =>
        isDict(c[k]) ? { ...c, [k]: without(c[k], sub) } : c,
  ),
  fc.tuple(key, key, json).map(([sub, inner, v]): Edit => (c) => {
    const days = isDict(c['deep']) ? c['deep'] : {};
    const day = days[sub];
    return { ...c, deep: { ...days, [sub]: { ...(isDict(day) ? day : {}), [inner]: v } } };
  }),
  fc.tuple(key, key).map(([sub, inner]): Edit => (c) => {
    const days = isDict(c['deep']) ? c['deep'] : {};
    const day = days[sub];
    return isDict(day) ? { ...c, deep: { ...days, [sub]: without(day, inner) } } : c;
  }),
  fc.constantFrom('flat', 'deep').map((k): Edit => (c) => ({ ...c, [k]: {} })),
);

const edits = fc.array(edit, { maxLength: 6 });
const edited = (c: Dict, list: readonly Edit[]): Dict => list.reduce((last, e) => e(last), c);
const state = (c: Dict): ActorState => ({ ...emptyState, value: 'on', context: c });
const runs = { numRuns: 1_000 };
const pathsOf = (p: Patch): string[][] => [
  ...(p.c?.set ?? []).map((entry) => entry.slice(0, -1) as string[]),
  ...(p.c?.del ?? []).map((path) => [...path]),
];

test('applying the difference gives the new state, also from JSON, and twice is once', (t) => {
  fc.assert(
    fc.property(context, edits, (c, list) => {
      const [old, next] = [state(c), state(edited(c, list))];
      const patch = diff(old, next, maps);
      const read = JSON.parse(JSON.stringify(patch)) as Patch;
      t.deepEqual(apply(old, patch), next);
      t.deepEqual(apply(old, read), next);
      t.deepEqual(apply(apply(old, read), read), next);
    }),
    runs,
  );
});

test('between any two states, however far apart, and the fold of a history is its last state', (t) => {
  fc.assert(
    fc.property(fc.array(context, { minLength: 2, maxLength: 5 }), (list) => {
      const states = list.map(state);
      const patches = states.slice(1).map((next, i) => diff(states[i]!, next, maps));
      t.deepEqual(fold(states[0]!, patches), states.at(-1));
    }),
    runs,
  );
});

test('a state differs from itself by nothing', (t) => {
  fc.assert(
    fc.property(context, (c) => {
      t.deepEqual(diff(state(c), state(c), maps), {});
    }),
    runs,
  );
});

test('no path of a patch is the beginning of another, so their order does not matter', (t) => {
  fc.assert(
    fc.property(context, edits, (c, list) => {
      const patch = diff(state(c), state(edited(c, list)), maps);
      const paths = pathsOf(patch);
      for (const [i, a] of paths.entries()) {
        for (const [j, b] of paths.entries())
          if (i !== j)
            t.false(
              a.every((part, at) => b[at] === part),
              `${a.join()} begins ${b.join()}`,
            );
      }
      const turned: Patch = {
        ...patch,
        ...(patch.c === undefined ? {} : { c: { set: [...(patch.c.set ?? [])].reverse(), del: [...(patch.c.del ?? [])].reverse() } }),
      };
      t.deepEqual(apply(state(c), turned), apply(state(c), patch));
    }),
    runs,
  );
});

test('what the new state shares with the old by reference, the applied patch shares too', (t) => {
  fc.assert(
    fc.property(context, edits, (c, list) => {
      const next = edited(c, list);
      const applied = apply(state(c), diff(state(c), state(next), maps)).context;
      for (const k of Object.keys(next)) {
        if (isDict(next[k]) && next[k] === c[k]) t.is(applied[k], c[k]);
        if (!(k in maps) || !isDict(next[k]) || !isDict(c[k])) continue;
        for (const sub of Object.keys(next[k])) {
          if (isDict(next[k][sub]) && next[k][sub] === c[k][sub]) t.is((applied[k] as Dict)[sub], c[k][sub]);
        }
      }
      t.pass();
    }),
    runs,
  );
});

test('a change of one entry of a map of depth two is a patch of exactly one entry (K51)', (t) => {
  fc.assert(
    fc.property(
      fc.dictionary(key, fc.dictionary(key, fc.integer(), { minKeys: 1 }), { minKeys: 1 }),
      fc.nat(),
      fc.boolean(),
      (days, pick, gone) => {
        const day = Object.keys(days)[pick % Object.keys(days).length]!;
        const claim = Object.keys(days[day]!)[pick % Object.keys(days[day]!).length]!;
        const changed = gone ? without(days[day]!, claim) : { ...days[day], [claim]: -0.5 };
        const patch = diff(state({ deep: days }), state({ deep: { ...days, [day]: changed } }), maps);
        t.deepEqual(patch, { c: gone ? { del: [['deep', day, claim]] } : { set: [['deep', day, claim, -0.5]] } });
      },
    ),
    runs,
  );
});

test('timers, calls, numbers of logs, value, status, output and history travel as well', (t) => {
  const timer = fc.record({ seq: fc.nat(), due: fc.nat(), type: fc.constantFrom('x', 'y') });
  const whole: fc.Arbitrary<ActorState> = fc.record({
    value: fc.oneof(fc.constantFrom('on', 'off'), fc.record({ left: fc.constantFrom('a', 'b'), right: fc.constantFrom('a', 'b') })),
    status: fc.constantFrom('active' as const, 'done' as const),
    context,
    timers: fc.dictionary(key, timer, { maxKeys: 3, noNullPrototype: true }),
    calls: fc.dictionary(key, fc.nat(), { maxKeys: 3, noNullPrototype: true }),
    logs: fc.record({ feed: fc.nat(), other: fc.nat() }),
  });
  const remembered = fc.dictionary(key, fc.array(key), { maxKeys: 2, noNullPrototype: true });
  fc.assert(
    fc.property(whole, whole, remembered, fc.option(remembered), json, (a, b, before, after, output) => {
      const old: ActorState = { ...a, history: before };
      const next: ActorState = { ...b, output, ...(after === null ? {} : { history: after }) };
      const read = JSON.parse(JSON.stringify(diff(old, next, maps))) as Patch;
      t.deepEqual(apply(old, read), next);
    }),
    runs,
  );
});

test('an emptied day stays, an absent one goes, as the assigner said', (t) => {
  const old = state({ deep: { monday: { c: 1 } } });
  const emptied = diff(old, state({ deep: { monday: {} } }), maps);
  const absent = diff(old, state({ deep: {} }), maps);
  t.deepEqual([emptied, absent], [{ c: { del: [['deep', 'monday', 'c']] } }, { c: { del: [['deep', 'monday']] } }]);
  t.deepEqual(apply(old, emptied).context, { deep: { monday: {} } });
  t.deepEqual(apply(old, absent).context, { deep: {} });
});

test('keys that reach a prototype are refused at every level, on both sides', (t) => {
  const named = (k: string, v: Json): Dict => Object.fromEntries([[k, v]]);
  for (const bad of ['__proto__', 'constructor', 'prototype']) {
    t.throws(() => diff(state({}), state(named(bad, 1)), maps), { instanceOf: PatchError });
    t.throws(() => diff(state({ flat: {} }), state({ flat: named(bad, 1) }), maps), { instanceOf: PatchError });
    t.throws(() => diff(state({ deep: { a: {} } }), state({ deep: { a: named(bad, 1) } }), maps), { instanceOf: PatchError });
    t.throws(() => apply(state({}), { c: { set: [[bad, 'polluted', true]] } }), { instanceOf: PatchError });
    t.throws(() => apply(state({ flat: {} }), { c: { set: [['flat', bad, true]] } }), { instanceOf: PatchError });
  }
  t.is(({} as { polluted?: boolean }).polluted, undefined);
});

/** The same with its keys in the opposite order; what is shared stays shared. */
function reversed(v: Json, seen: Map<object, Json>): Json {
  if (!isDict(v)) return v;
  const known = seen.get(v);
  if (known !== undefined) return known;
  const made = Object.fromEntries(
    Object.entries(v)
      .map(([k, below]): [string, Json] => [k, reversed(below, seen)])
      .toReversed(),
  );
  seen.set(v, made);
  return made;
}

test('a patch is the same as that of an equal context whose keys come in another order, and as no other', (t) => {
  fc.assert(
    fc.property(context, edits, fc.integer(), (c, list, n) => {
      const next = edited(c, list);
      const seen = new Map<object, Json>();
      const one = diff(state(c), state(next), maps);
      const two = diff(state(reversed(c, seen) as Dict), state(reversed(next, seen) as Dict), maps);
      t.true(samePatch(one, two));
      t.true(samePatch(one, clean(two) as Patch));
      fc.pre(next['n'] !== n && c['n'] !== n);
      t.false(samePatch(one, diff(state(c), state({ ...next, n }), maps)));
    }),
    runs,
  );
});
