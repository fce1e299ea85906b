/** What the clients were told, against what the journal says. Linear in the number of commands: the `seq` of a reply is the witness of the order. */
import { idemOf } from '../../actors/ids.ts';
import type { Op, Seen } from './load.ts';

/** One row of the journal. */
export interface Recorded {
  readonly ref: string;
  readonly seq: number;
  readonly type: string;
  /** hex; null for events that no command caused */
  readonly idem: string | null;
}

export interface Fault {
  readonly invariant: string;
  readonly what: string;
}

const keyOf = (ref: string, idem: string): string => `${ref} ${idem}`;
const idemOfOp = (op: Op): string => idemOf({ kind: 'anonymous', id: 'anonymous', roles: [] }, op.key);

function grouped<T extends { readonly ref: string }>(list: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of list) {
    const group = groups.get(item.ref);
    if (group === undefined) groups.set(item.ref, [item]);
    else group.push(item);
  }
  return groups;
}

/** I1, I3 and I4. */
export function checkHistory(ops: readonly Op[], rows: readonly Recorded[]): Fault[] {
  const faults: Fault[] = [];
  const byKey = new Map<string, Recorded[]>();
  for (const [ref, list] of grouped(rows)) {
    const sorted = list.toSorted((a, b) => a.seq - b.seq);
    for (const [i, row] of sorted.entries()) {
      if (row.seq !== i + 1) faults.push({ invariant: 'I1', what: `${ref}: event ${row.seq} stands at place ${i + 1}` });
      if (row.idem === null) continue;
      const key = keyOf(ref, row.idem);
      byKey.set(key, [...(byKey.get(key) ?? []), row]);
    }
  }
  for (const op of ops) {
    const found = byKey.get(keyOf(op.ref, idemOfOp(op))) ?? [];
    const named = `${op.ref} ${op.type} ${JSON.stringify(op.payload)}`;
    if (found.length > 1) faults.push({ invariant: 'I3', what: `${named} is ${found.length} times in the journal` });
    if (op.outcome === 'done' && found.length === 0)
      faults.push({ invariant: 'I3', what: `${named} was acknowledged and is not in the journal` });
    if (op.outcome === 'done' && found[0] !== undefined && (found[0].seq !== op.seq || found[0].type !== op.type))
      faults.push({ invariant: 'I3', what: `${named} was acknowledged as event ${op.seq} and is event ${found[0].seq} ${found[0].type}` });
    // A refusal is not remembered: an earlier copy that nobody answered may be taken in later, when the actor's state allows it (kernel 7.1).
    if (op.outcome === 'refused' && op.attempts === 1 && found.length > 0)
      faults.push({ invariant: 'I11', what: `${named} was refused (${op.code}) and is in the journal` });
  }
  return [...faults, ...checkOrder(ops)];
}

/** I4: what was answered before another was sent has the lower number. */
function checkOrder(ops: readonly Op[]): Fault[] {
  const faults: Fault[] = [];
  for (const [ref, list] of grouped(ops.filter((op) => op.outcome === 'done'))) {
    let latest: Op | undefined;
    for (const op of list.toSorted((a, b) => (a.seq ?? 0) - (b.seq ?? 0))) {
      if (latest !== undefined && op.ended < latest.began)
        faults.push({
          invariant: 'I4',
          what: `${ref}: event ${op.seq} was answered before event ${latest.seq} was sent, and stands behind it`,
        });
      if (latest === undefined || op.began > latest.began) latest = op;
    }
  }
  return faults;
}

/** A linearizable read shows what was acknowledged before it was asked, and nothing that was sent after it was answered. */
export function checkReads(reads: readonly Seen[], ops: readonly Op[]): Fault[] {
  const faults: Fault[] = [];
  const done = grouped(ops.filter((op) => op.outcome === 'done'));
  for (const [ref, list] of grouped(reads)) {
    const byEnd = (done.get(ref) ?? []).toSorted((a, b) => a.ended - b.ended);
    let i = 0;
    let floor = 0;
    for (const read of list.toSorted((a, b) => a.began - b.began)) {
      for (let op = byEnd[i]; op !== undefined && op.ended < read.began; op = byEnd[(i += 1)]) floor = Math.max(floor, op.seq ?? 0);
      if (read.seq < floor)
        faults.push({ invariant: 'linearizable', what: `${ref}: a read gave event ${read.seq} after event ${floor} was acknowledged` });
    }
    const bySeq = (done.get(ref) ?? []).toSorted((a, b) => (a.seq ?? 0) - (b.seq ?? 0));
    let j = 0;
    let sent = 0;
    for (const read of list.toSorted((a, b) => a.seq - b.seq)) {
      for (let op = bySeq[j]; op !== undefined && (op.seq ?? 0) <= read.seq; op = bySeq[(j += 1)]) sent = Math.max(sent, op.began);
      if (sent > read.ended)
        faults.push({ invariant: 'linearizable', what: `${ref}: a read gave event ${read.seq} before a command in it was sent` });
    }
  }
  return faults;
}
