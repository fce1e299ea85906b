import test from 'ava';
import { KernelProblem } from '../../actors/errors.ts';
import { explain } from '../../actors/microsteps.ts';
import { apply, emptyState } from '../../actors/patch.ts';
import type { Patch } from '../../actors/patch.ts';
import { runtimeOf } from '../../actors/runtime.ts';
import type { RecordedRow } from '../../actors/store/scan.ts';
import { createTraces } from '../../actors/tracing.ts';
import type { Json } from '../../actors/types.ts';
import { counter } from '../support/kinds.ts';
import '../support/purity.ts';

const rt = runtimeOf(counter);
const traced = createTraces();
const ref = 'counter:a';
const row = (seq: number, type: string, more: Partial<RecordedRow> = {}): RecordedRow => {
  return { seq, at: 1_000, type, event: {}, patch: {}, reply: null, mver: counter.version, meta: null, idem: null, ...more };
};
const birth = explain(traced(rt), ref, emptyState, [row(1, 'thrum.init'), row(2, 'counter.add', { event: { by: 1 } })]);
const born = apply(emptyState, birth.patch as Patch);
const add = row(2, 'counter.add', { event: { by: 2 } });

test('the machine that works is not the one that tells, and the latter is made once', (t) => {
  t.is(traced(rt), traced(rt));
  t.not(traced(rt).rt.runner.machine, counter.machine);
});

test('an event agrees with the journal when the journal has what it gives, and else does not', (t) => {
  const { patch, agrees, microsteps } = explain(traced(rt), ref, born, [add]);
  t.false(agrees);
  t.is(microsteps[0]?.event, 'counter.add');
  t.true(explain(traced(rt), ref, born, [{ ...add, patch }]).agrees);
  const other = { ...(patch as { [key: string]: Json }), c: { set: [['n', 3]] } };
  t.false(explain(traced(rt), ref, born, [{ ...add, patch: other }]).agrees);
});

test('a machine that throws is told with what it did until then, and does not spoil the next answer', (t) => {
  const told = explain(traced(rt), ref, born, [row(2, 'counter.throw')]);
  t.like(told, { agrees: false, patch: null, fault: told.fault });
  t.regex(told.fault ?? '', /the guard exploded/);
  const next = explain(traced(rt), ref, born, [add]);
  t.deepEqual(
    next.microsteps.map((m) => m.event),
    ['counter.add'],
  );
});

test('what no machine handled, or another version of it, is not explained', (t) => {
  const refused = (rows: RecordedRow[]) => t.throws(() => explain(traced(rt), ref, born, rows), { instanceOf: KernelProblem })?.code;
  t.is(refused([{ ...add, mver: counter.version + 1 }]), 'NOT_ALLOWED');
  t.is(refused([row(2, 'thrum.migrated')]), 'NOT_ALLOWED');
  t.is(refused([]), 'NOT_FOUND');
});
