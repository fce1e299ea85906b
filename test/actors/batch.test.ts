/** What is committed together and what falls together, for any groups of any actors. */
import test from 'ava';
import * as fc from 'fast-check';
import { OpenBatch, prefixOf } from '../../actors/batch.ts';
import { registryOf } from '../../actors/companion.ts';
import { componentsOf } from '../../actors/components.ts';
import { companion } from '../../actors/define.ts';
import type { EventRows } from '../../actors/store/store.ts';
import type { CommitUnit, Group, UnitOwner } from '../../actors/unit.ts';

const names = companion({
  table: 'names',
  key: ['name'],
  mode: 'guarded',
  columns: { name: 'text' },
  refuse: { code: 'TAKEN', alarm: false },
});
const registry = registryOf([{ kind: 'room', companions: { names } }]);
const nobody: UnitOwner = {
  actorId: '',
  kind: '',
  cid: undefined,
  settled: () => undefined,
  rollback: () => undefined,
  cut: () => undefined,
};
const owners = Array.from({ length: 6 }, (_, i): UnitOwner => ({ ...nobody, actorId: `a${i}`, kind: 'room' }));
const everything = { rows: 512, companions: 4_096, bytes: 1_000_000, alone: () => false };
const nothing = { outboxDone: [], timersGone: [] };

function rowsOf(owner: UnitOwner, seq: number, taken?: string): EventRows {
  const { actorId } = owner;
  return {
    journal: { actorId, seq, at: seq, type: 'x', event: '{}', patch: '{}', reply: null, idem: null, mver: 1, meta: null },
    kind: 'room',
    timers: [],
    outbox: [],
    outboxDone: [],
    companions: taken === undefined ? [] : [{ into: 'names', op: 'insert', n: 1, row: { name: taken } }],
  };
}

/** Units in order; each inner list is a group of actors, by number, or one actor alone. `names`: what a unit takes, by its place. */
function unitsOf(groups: readonly (readonly number[])[], taken: ReadonlyMap<number, string> = new Map()): CommitUnit[] {
  const seqs = new Map<number, number>();
  const units: CommitUnit[] = [];
  for (const actors of groups) {
    const group: Group | undefined =
      actors.length > 1 ? { members: new Set(actors.map((a) => owners[a]!)), events: actors.length } : undefined;
    for (const a of actors) {
      const seq = (seqs.get(a) ?? 0) + 1;
      seqs.set(a, seq);
      const event = rowsOf(owners[a]!, seq, taken.get(units.length));
      units.push({ owner: owners[a]!, events: [event], bytes: 10, companions: event.companions.length, group });
    }
  }
  return units;
}

const open = (units: readonly CommitUnit[]): OpenBatch => {
  const batch = new OpenBatch();
  for (const unit of units) batch.push(unit);
  return batch;
};
const actor = fc.nat({ max: owners.length - 1 });
const history = fc.array(fc.array(actor, { minLength: 1, maxLength: 8 }), { maxLength: 40 });
const whole = (units: readonly CommitUnit[], all: readonly CommitUnit[]): boolean =>
  units.every(({ group }) => group === undefined || all.filter((u) => u.group === group).every((u) => units.includes(u)));

test('the cut of a batch keeps order and never falls inside a group, whatever its share', (t) => {
  fc.assert(
    fc.property(history, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 10, max: 300 }), (groups, rows, bytes) => {
      const units = unitsOf(groups);
      const batch = open(units);
      const sent: CommitUnit[] = [];
      while (!batch.empty) {
        const { units: taken, broken } = batch.take({ ...everything, rows, bytes }, registry, '1', nothing);
        t.false(broken);
        t.true(taken.length > 0 && whole(taken, units));
        const alone = taken[0]!.group;
        t.true(taken.length <= rows || taken.every((u) => u.group === alone));
        sent.push(...taken);
      }
      t.deepEqual([batch.rows, batch.bytes], [0, 0]);
      t.true(sent.length === units.length && sent.every((u, i) => u === units[i]));
    }),
    { numRuns: 1_000 },
  );
});

test('where one statement cannot hold an event the cut goes back to the beginning of its group', (t) => {
  // the second event that takes a name waits for the next statement
  const units = unitsOf(
    [[0], [1, 2], [3]],
    new Map([
      [0, 'x'],
      [2, 'x'],
    ]),
  );
  t.deepEqual(
    prefixOf(units, registry, '1').units.map((u) => u.owner.actorId),
    ['a0'],
  );
  const broken = prefixOf(
    unitsOf(
      [[0, 1], [2]],
      new Map([
        [0, 'x'],
        [1, 'x'],
      ]),
    ),
    registry,
    '1',
  );
  t.deepEqual([broken.broken, broken.units.map((u) => u.owner.actorId)], [true, ['a0', 'a1']]);
});

test('a unit that must go alone takes its group with it and nothing else', (t) => {
  const units = unitsOf([[0], [1, 2], [3]], new Map([[2, 'x']]));
  const batch = open(units);
  const share = { ...everything, alone: (u: CommitUnit) => u.companions > 0 };
  const taken = Array.from({ length: 3 }, () => batch.take(share, registry, '1', nothing).units.map((u) => u.owner.actorId));
  t.deepEqual(taken, [['a0'], ['a1', 'a2'], ['a3']]);
});

test('components part the actors of a batch, hold every group of them, and are no larger than that asks', (t) => {
  fc.assert(
    fc.property(history, (groups) => {
      const units = unitsOf(groups);
      const all = componentsOf(units);
      t.is(all.flatMap((c) => c.units).length, units.length);
      t.is(new Set(all.flatMap((c) => c.owners)).size, new Set(units.map((u) => u.owner)).size);
      t.is(all.flatMap((c) => c.owners).length, new Set(units.map((u) => u.owner)).size);
      for (const one of all) {
        t.true(whole(one.units, units));
        t.true(one.units.every((u) => one.owners.includes(u.owner)));
        const places = one.units.map((u) => units.indexOf(u));
        t.deepEqual(
          places,
          places.toSorted((a, b) => a - b),
        );
        // every actor is reached from the first by groups that share one
        const reached = new Set([one.owners[0]!]);
        for (let before = 0; before < reached.size;) {
          before = reached.size;
          for (const u of one.units)
            if ([...(u.group?.members ?? [])].some((m) => reached.has(m))) for (const m of u.group!.members) reached.add(m);
        }
        t.is(reached.size, one.owners.length);
      }
    }),
    { numRuns: 1_000 },
  );
});

test('who loses an actor loses its groups, and everything behind them; nothing else', (t) => {
  fc.assert(
    fc.property(history, fc.uniqueArray(actor, { minLength: 1, maxLength: 2 }), (groups, lost) => {
      const units = unitsOf(groups);
      const batch = open(units);
      const gone = new Set(lost.map((a) => owners[a]!));
      const cut = batch.withdraw(gone);
      const kept = batch.empty ? [] : [...batch.take(everything, registry, '1', nothing).units];
      t.true(whole(kept, units));
      t.true(kept.every((u) => !gone.has(u.owner)));
      const hit = new Set(gone);
      const expected = units.filter((u, i) => {
        if (units[i - 1]?.group !== u.group || u.group === undefined) {
          const group = u.group === undefined ? [u] : units.filter((x) => x.group === u.group);
          if (group.some((x) => hit.has(x.owner))) for (const x of group) hit.add(x.owner);
        }
        return !hit.has(u.owner);
      });
      t.true(kept.length === expected.length && kept.every((u, i) => u === expected[i]));
      for (const [owner, first] of cut) t.true(first === units.find((u) => u.owner === owner && !kept.includes(u)));
      t.is(batch.rows, 0);
    }),
    { numRuns: 1_000 },
  );
});
