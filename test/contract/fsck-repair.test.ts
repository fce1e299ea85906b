/** What the check of a store can put right, over every driver: rows that follow from a whole history. */
import test from 'ava';
import { setup } from 'xstate';
import { z } from 'zod';
import { defineActor, kernel } from '../../actors/define.ts';
import { fsck } from '../../actors/fsck.ts';
import type { Violation } from '../../actors/fsck.ts';
import { applyRepair, repairText } from '../../actors/repair.ts';
import { runtimeOf } from '../../actors/runtime.ts';
import type { JournalStore } from '../../actors/store/store.ts';
import { actor, event, openStores, plan, slot, state } from '../support/store-cases.ts';
import { roomKind } from '../support/stores.ts';

const { each } = await openStores(test);

const room = defineActor({
  kind: 'room',
  version: 1,
  context: z.record(z.string(), z.unknown()),
  machine: setup({ actions: { ...kernel.actions } }).createMachine({ id: 'room', initial: 'open', context: {}, states: { open: {} } }),
  commands: {},
  companions: roomKind.companions,
  projections: roomKind.projections,
});
const kinds = new Map([['room', runtimeOf(room)]]);
const FAR = 10_000_000;
const by = { by: 'op', reason: 'a test', random: () => 0.5 };

async function check(store: JournalStore): Promise<Violation[]> {
  const found: Violation[] = [];
  await fsck(store, kinds, { now: FAR, found: (v) => found.push(v) });
  return found;
}

const born = (n: number, more: object = {}) =>
  event(n, 1, [], { journal: { patch: JSON.stringify({ v: 'open', c: { set: [['n', n]] }, ...more }) } });
const armed = { t: { set: { a: [1, 90_000, 'late'] } } };
const entry = (n: number, lastSeq: number) => ({ actorId: actor(n), state: 'open', lastSeq, lastAt: 1_001, done: false, mver: 1 });

each(
  'rows that follow from the histories are put right, with an audit entry each, and a second check is clean',
  async (t, s, store, lane) => {
    const late = { actorId: actor(2), timerId: 'a', set: { slot: slot(2), due: 95_000, armedSeq: 1, type: 'late' } };
    const extra = { actorId: actor(3), timerId: 'b', set: { slot: slot(3), due: 99_000, armedSeq: 1, type: 'late' } };
    await lane.commit(plan([born(1, armed), { ...born(2, armed), timers: [late] }, { ...born(3), timers: [extra] }, born(4), event(4, 2)]));
    await store.saveSnapshots([{ actorId: actor(4), seq: 1, at: 1_001, mver: 1, state: JSON.stringify(state('open')), heads: {} }]);
    await store.touch([1, 2, 3].map((n) => entry(n, 1)));
    await store.projections.begin('room/faces', 1);
    const face = (n: number) => ({ actorId: actor(n), seq: 1, row: { name: `r${n}`, n, at: 1_001 } });
    await store.projections.write('room/faces', [1, 2].map(face));
    await store.projections.write('room/faces', [{ ...face(2), row: { ...face(2).row, n: 99 } }]);
    await store.projections.finish('room/faces', 1, 5_000);
    await store.projections.advance(
      [1, 2, 3, 4].map((n) => slot(n)),
      FAR,
    );
    const found = await check(store);
    t.deepEqual(
      found.map((v) => `${v.ref} ${v.repair === undefined ? v.what : repairText(v.repair)}`),
      [
        'room:r1 write the row of the timer a',
        'room:r2 write the row of the timer a',
        'room:r2 write the row of room/faces anew',
        'room:r3 remove the row of the timer b',
        'room:r3 write the row of room/faces anew',
        'room:r4 write the snapshot at 1 anew',
        'room:r4 set the directory to event 2, open',
        'room:r4 write the row of room/faces anew',
      ],
      s.name,
    );
    for (const { repair } of found) if (repair !== undefined) await applyRepair(store, repair, by);
    t.deepEqual(await check(store), []);
    const audits = await store.admin.audits({ action: 'fsck.repair', limit: 99 });
    t.is(audits.length, found.length);
    t.like(audits.at(-1), {
      admin: 'op',
      actorId: actor(1),
      reason: 'a test',
      detail: { of: 'timer', what: 'write the row of the timer a' },
    });
  },
);

each('nothing is made to fit a history that has lost its end', async (t, s, store, lane) => {
  await lane.commit(plan([born(1, armed)]));
  await store.touch([entry(1, 4)]);
  const found = await check(store);
  t.deepEqual(
    found.map((v) => [v.what, v.repair]),
    [
      ['the directory has seen event 4, and the history ends at 1', undefined],
      ['the timer a is armed and has no row', undefined],
    ],
    s.name,
  );
});
