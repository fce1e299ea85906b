import test from 'ava';
import * as fc from 'fast-check';
import { checkRows, planBatch, registryOf } from '../../actors/companion.ts';
import { companion } from '../../actors/define.ts';
import type { RowOp } from '../../actors/define.ts';
import { createMemoryStore } from '../../actors/store/mem.ts';
import { StoreError } from '../../actors/store/store.ts';
import type { CompanionChange, EventRows } from '../../actors/store/store.ts';
import type { Json } from '../../actors/types.ts';

const claims = companion({
  table: 'claims',
  key: ['claim_id'],
  mode: 'guarded',
  columns: { claim_id: 'int', place: 'int', state: 'text' },
  frozen: ['place'],
  refuse: { code: 'CLAIM_CONFLICT', alarm: true },
});
const names = companion({
  table: 'names',
  key: ['name'],
  mode: 'guarded',
  columns: { name: 'text', note: 'text?' },
  refuse: { code: 'NAME_TAKEN', alarm: false },
});
const totals = companion({
  table: 'totals',
  key: ['day'],
  mode: 'upsert',
  columns: { day: 'int', minutes: 'int', label: 'text' },
  add: ['minutes'],
});
const notes = companion({ table: 'notes', key: ['note_id'], mode: 'append', columns: { note_id: 'int', body: 'jsonb' } });

const kind = {
  kind: 'room',
  companions: { claims, names, totals, notes },
  limits: { mailbox: 1, stateBytes: 1, rows: 256, timers: 1, calls: 1, eventBytes: 1, tells: 1, hotTopics: 1 },
};
const registry = registryOf([kind]);
const actor = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

type Change = [into: string, op: RowOp, row: { [column: string]: Json }];

function event(n: number, seq: number, changes: Change[] = [], more: Partial<EventRows> = {}): EventRows {
  return {
    journal: { actorId: actor(n), seq, at: seq, type: 'x', event: '{}', patch: '{}', reply: null, idem: null, mver: 1, meta: null },
    kind: 'room',
    timers: [],
    outbox: [],
    outboxDone: [],
    companions: changes.map(([into, op, row], i) => ({ into, op, n: i + 1, row })),
    ...more,
  };
}

const net = (events: EventRows[]) => {
  const { take, batch, violations } = planBatch(events, registry, '1');
  return {
    take,
    violations,
    rows: batch.companions.flatMap(({ rows }) => rows.map(({ op, seq, wrote, row }) => ({ op, seq, wrote, row }))),
  };
};

test('a claim inserted and released in one batch is one released row, blamed on the insert (K41)', (t) => {
  const insert: Change = ['claims', 'insert', { claim_id: 1, place: 7, state: 'held' }];
  const plan = net([event(1, 1, [insert]), event(1, 2, [['claims', 'update', { claim_id: 1, state: 'released' }]])]);
  t.deepEqual(plan, {
    take: 2,
    violations: [],
    rows: [{ op: 'insert', seq: 1, wrote: 2, row: { claim_id: 1, place: 7, state: 'released' } }],
  });
  t.deepEqual(net([event(1, 1, [insert]), event(1, 2, [['claims', 'delete', { claim_id: 1 }]])]).rows, []);
});

test('a second insert of a key is a violation of the later event, and the batch ends before it', (t) => {
  const row = { claim_id: 1, place: 7, state: 'held' };
  const plan = planBatch([event(1, 1, [['claims', 'insert', row]]), event(1, 2, [['claims', 'insert', row]]), event(2, 1)], registry, '1');
  t.is(plan.take, 1);
  t.deepEqual(plan.violations, [[actor(1), 2, 1]]);
  t.is(plan.companion, 'room/claims');
});

test('an insert after a delete of the same key waits for the next batch, with every row of its event', (t) => {
  const events = [
    event(1, 1, [['claims', 'delete', { claim_id: 1 }]]),
    event(1, 2, [
      ['notes', 'insert', { note_id: 1, body: null }],
      ['claims', 'insert', { claim_id: 1, place: 8, state: 'held' }],
    ]),
  ];
  t.is(net(events).take, 1);
  t.deepEqual(net(events).rows, [{ op: 'delete', seq: 1, wrote: 1, row: { claim_id: 1 } }]);
  t.is(net(events.slice(1)).rows.length, 2);
});

test('summed columns of two puts add up, and a put after a delete waits because its sum would begin anew', (t) => {
  const put = (minutes: number): Change => ['totals', 'put', { day: 1, minutes, label: `m${minutes}` }];
  t.deepEqual(net([event(1, 1, [put(5)]), event(1, 2, [put(7)])]).rows, [
    { op: 'put', seq: 1, wrote: 2, row: { day: 1, minutes: 12, label: 'm7' } },
  ]);
  t.is(net([event(1, 1, [['totals', 'delete', { day: 1 }]]), event(1, 2, [put(7)])]).take, 1);
});

test('where the database is the judge no row is reduced away', (t) => {
  const events = [event(1, 1, [['names', 'insert', { name: 'a' }]]), event(1, 2, [['names', 'delete', { name: 'a' }]])];
  t.is(net(events).take, 1);
});

test('another actor on the same key waits for the next batch, even at the same seq', (t) => {
  const events = [
    event(1, 1, [['claims', 'insert', { claim_id: 1, place: 1, state: 'x' }]]),
    event(2, 1, [['claims', 'delete', { claim_id: 1 }]]),
  ];
  t.deepEqual(net(events), { take: 1, violations: [], rows: net(events.slice(0, 1)).rows });
});

test('timers come to one change each, and outbox rows that end in their own batch are not written', (t) => {
  const id = { actorId: actor(1), seq: 1, n: 1 };
  const set = { slot: 0, due: 9, armedSeq: 1, type: 'after' };
  const plan = planBatch(
    [
      event(1, 1, [], {
        timers: [
          { actorId: actor(1), timerId: 'a', set },
          { actorId: actor(1), timerId: 'b', set },
        ],
        outbox: [{ ...id, slot: 0, op: 'effect', target: 'e', payload: '{}', nextAt: 0 }],
      }),
      event(1, 2, [], { timers: [{ actorId: actor(1), timerId: 'a' }], outboxDone: [id] }),
    ],
    registry,
    '1',
    { outboxDone: [{ ...id, n: 2 }], timersGone: [{ actorId: actor(1), timerId: 'b', armedSeq: 0 }] },
  );
  t.deepEqual(plan.batch.timersSet, [{ actorId: actor(1), timerId: 'b', set }]);
  t.deepEqual(plan.batch.timersGone, [{ actorId: actor(1), timerId: 'a' }]);
  t.deepEqual(plan.batch.outbox, []);
  t.deepEqual(plan.batch.outboxDone, [{ ...id, n: 2 }]);
});

test('rows that do not fit their declaration are faults, too many or too large ones a limit', (t) => {
  const code = (...changes: Change[]) => checkRows(kind, event(1, 1, changes).companions)?.code;
  t.is(code(['claims', 'insert', { claim_id: 1, place: 2, state: 'x' }]), undefined);
  t.is(code(['claims', 'insert', { claim_id: 1, place: 2 }]), 'ACTOR_FAULT');
  t.is(code(['claims', 'insert', { claim_id: 1.5, place: 2, state: 'x' }]), 'ACTOR_FAULT');
  t.is(code(['claims', 'insert', { claim_id: 1, place: 2, state: 'x\u0000' }]), 'ACTOR_FAULT');
  t.is(code(['claims', 'insert', { claim_id: 1, place: 2, state: '\ud800' }]), 'ACTOR_FAULT');
  t.is(code(['claims', 'insert', { claim_id: 1, place: 2, state: '\\u0000 😀' }]), undefined);
  t.is(code(['claims', 'insert', { claim_id: 1, place: 2, state: 'x', more: 1 }]), 'ACTOR_FAULT');
  t.is(code(['claims', 'update', { claim_id: 1, place: 2, state: 'x' }]), 'ACTOR_FAULT');
  t.is(code(['claims', 'put', { claim_id: 1, place: 2, state: 'x' }]), 'ACTOR_FAULT');
  t.is(code(['nowhere', 'insert', {}]), 'ACTOR_FAULT');
  t.is(code(['claims', 'delete', { claim_id: 1 }], ['claims', 'insert', { claim_id: 1, place: 2, state: 'x' }]), 'ACTOR_FAULT');
  t.is(code(['notes', 'insert', { note_id: 1, body: 'x'.repeat(16_384) }]), 'LIMIT_EXCEEDED');
  t.is(code(...Array.from({ length: 257 }, (_, i): Change => ['notes', 'insert', { note_id: i, body: null }])), 'LIMIT_EXCEEDED');
});

const change = fc.oneof(
  fc.record({ into: fc.constant('claims'), op: fc.constantFrom('insert', 'update', 'delete'), key: fc.nat(2), v: fc.nat(3) }),
  fc.record({ into: fc.constant('totals'), op: fc.constantFrom('put', 'delete'), key: fc.nat(2), v: fc.nat(3) }),
  fc.record({ into: fc.constant('notes'), op: fc.constant('insert'), key: fc.nat(9), v: fc.nat(3) }),
  fc.record({ into: fc.constant('names'), op: fc.constantFrom('insert', 'update', 'delete'), key: fc.nat(2), v: fc.nat(3) }),
);

function toChange({ into, op, key, v }: { into: string; op: string; key: number; v: number }): Change {
  const rows: { [into: string]: { [op: string]: { [column: string]: Json } } } = {
    claims: { insert: { claim_id: key, place: v, state: `s${v}` }, update: { claim_id: key, state: `s${v}` }, delete: { claim_id: key } },
    totals: { put: { day: key, minutes: v, label: `l${v}` }, delete: { day: key } },
    notes: { insert: { note_id: key, body: v } },
    names: { insert: { name: `n${key}`, note: `${v}` }, update: { name: `n${key}`, note: `${v}` }, delete: { name: `n${key}` } },
  };
  return [into, op as RowOp, rows[into]![op]!];
}

/** Commits in statements of at most `most` events; events whose rows are refused are left out, and seqs stay dense. */
async function run(input: { n: number; rows: CompanionChange[] }[], most: () => number) {
  const store = createMemoryStore({ registry });
  const lane = await store.openLane(0);
  const seqs = new Map<number, number>();
  const refused: number[] = [];
  let waiting = input.map((e, i) => ({ ...e, i }));
  while (waiting.length > 0) {
    const next = new Map(seqs);
    const events = waiting.slice(0, most()).map(({ n, rows }) => {
      next.set(n, (next.get(n) ?? 0) + 1);
      return { ...event(n, next.get(n)!), companions: rows };
    });
    const plan = planBatch(events, registry, '1');
    const drop = async (bad: readonly (readonly [string, number, number])[]) => {
      const [actorId, seq] = bad.toSorted((a, b) => a[1] - b[1])[0]!;
      const at = events.findIndex((e) => e.journal.actorId === actorId && e.journal.seq === seq);
      refused.push(waiting[at]!.i);
      waiting = waiting.filter((_, i) => i !== at);
    };
    try {
      await lane.commit(plan.batch);
      for (const e of events.slice(0, plan.take)) seqs.set(Number(e.journal.actorId.slice(-12)), e.journal.seq);
      if (plan.violations.length > 0) await drop(plan.violations);
      waiting = waiting.slice(plan.take);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      await drop(error.rows);
    }
  }
  const tables = ['claims', 'totals', 'notes', 'names'].map((name) => {
    const rows = store.rows(name).map((row) => JSON.stringify({ ...row, seq: 0 }));
    return rows.toSorted();
  });
  return { tables, refused: refused.toSorted((a, b) => a - b) };
}

test('the cut of a history into batches does not change the tables, if nothing is refused', async (t) => {
  const histories = fc.array(fc.record({ n: fc.integer({ min: 1, max: 2 }), change }), { maxLength: 14 });
  await fc.assert(
    fc.asyncProperty(histories, fc.infiniteStream(fc.integer({ min: 1, max: 6 })), async (history, sizes) => {
      const input = history.map(({ n, change }) => {
        const [into, op, row] = toChange(change);
        return { n, rows: [{ into, op, n: 1, row }] };
      });
      const single = await run(input, () => 1);
      const kept = input.filter((_, i) => !single.refused.includes(i));
      const one = await run(kept, () => 1);
      fc.pre(one.refused.length === 0);
      const cut = await run(kept, () => sizes.next().value as number);
      t.deepEqual(cut, one);
    }),
    { numRuns: 300 },
  );
});

test('with the database as judge the refusals, too, do not depend on the cut', async (t) => {
  const histories = fc.array(
    fc.record({ n: fc.integer({ min: 1, max: 3 }), op: fc.constantFrom('insert', 'update', 'delete'), key: fc.nat(2), v: fc.nat(3) }),
    { maxLength: 12 },
  );
  await fc.assert(
    fc.asyncProperty(histories, fc.infiniteStream(fc.integer({ min: 1, max: 6 })), async (history, sizes) => {
      const input = history.map(({ n, op, key, v }) => {
        const [into, rowOp, row] = toChange({ into: 'names', op, key, v });
        return { n, rows: [{ into, op: rowOp, n: 1, row }] };
      });
      t.deepEqual(await run(input, () => sizes.next().value as number), await run(input, () => 1));
    }),
    { numRuns: 300 },
  );
});
