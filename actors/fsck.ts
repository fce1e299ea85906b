/**
 * Checks what a store shows of the invariants of kernel specification 16.1. Reads only, one page at a time, while no server runs; an actor that
 * moves on meanwhile could be reported. Machines are not run: what events give is the matter of the replay check.
 */
import { builtins } from './companion.ts';
import { apply, emptyState, sameJson, unknownKeys } from './patch.ts';
import type { Patch } from './patch.ts';
import { notShown, shownUpTo } from './fsck-shown.ts';
import type { ShownUpTo } from './fsck-shown.ts';
import { slotOf } from './ids.ts';
import type { Repair } from './repair.ts';
import { LAZY_MS } from './rows.ts';
import type { Runtime } from './runtime.ts';
import { ENDED } from './store/lifecycle.ts';
import { ACTOR_TABLES, actorPages, beginningOf } from './store/scan.ts';
import type { RecordedRow, ScannedActor, ScannedSnapshot, ScanStore } from './store/scan.ts';
import type { JournalStore } from './store/store.ts';
import type { ActorState, Json } from './types.ts';

/** `erased` stands for 13.5: nothing is left of an erased actor, or of one that is gone. */
export type Invariant = 'I1' | 'I2' | 'I3' | 'I6' | 'I7' | 'I8' | 'I12' | 'I13' | 'I14' | 'erased';

export interface Violation {
  readonly invariant: Invariant;
  /** `kind:id`, or the actor id where the directory knows no name */
  readonly ref: string;
  /** for people; names of keys, no values of the state */
  readonly what: string;
  /** what would put it right, where that follows from a history in which nothing else is wrong */
  readonly repair?: Repair;
}

export interface Checked {
  readonly actors: number;
  readonly erased: number;
  readonly rows: number;
  /** actors of kinds or versions that this build does not run: their companion rows were not compared */
  readonly foreign: number;
}

export interface FsckOptions {
  /** epoch ms; what retention may have removed depends on it */
  readonly now: number;
  /** only actors of this kind; default all, and rows that belong to nobody */
  readonly kind?: string;
  readonly found: (v: Violation) => void;
}

type Source = Pick<JournalStore, 'scan' | 'refs' | 'projections'>;
type Report = (invariant: Invariant, what: string, repair?: Repair) => void;

/** invariants of the history itself */
const HISTORY: ReadonlySet<Invariant> = new Set(['I1', 'I2', 'I3', 'I12']);
const ACTORS = 256;
const PAGE = 500;
const DAY_MS = 86_400_000;

/** Where a history ends. `state` is undefined when it cannot be told from what is kept. */
interface Tail {
  seq: number;
  at: number;
  mver: number;
  state: ActorState | undefined;
  rows: number;
  /** `at` of the last item of each log topic, as far as the history is kept */
  readonly published: Map<string, number>;
}

async function* rowsOf(scan: ScanStore, actorId: string): AsyncGenerator<RecordedRow> {
  for (let after = 0; ;) {
    const rows = await scan.rows(actorId, { after, limit: PAGE });
    yield* rows;
    after = rows.at(-1)?.seq ?? after;
    if (rows.length < PAGE) return;
  }
}

/** I1 of one row: what is above the floor has no gap, and time does not go back. */
function checkOrder(report: Report, tail: Tail | undefined, row: RecordedRow): void {
  if (tail === undefined) return;
  if (row.seq !== tail.seq + 1) {
    report('I1', `event ${row.seq} follows event ${tail.seq}`);
    tail.state = undefined;
  }
  if (row.at < tail.at) report('I1', `time goes back by ${tail.at - row.at} ms at event ${row.seq}`);
}

function applied(report: Report, state: ActorState, row: RecordedRow): ActorState | undefined {
  try {
    const unknown = unknownKeys(row.patch as object);
    if (unknown.length === 0) return apply(state, row.patch as Patch);
    report('I2', `the patch of event ${row.seq} has keys that this build does not know: ${unknown.join(', ')}`);
  } catch (error) {
    report('I2', `the patch of event ${row.seq} cannot be applied: ${error instanceof Error ? error.message : String(error)}`);
  }
  return undefined;
}

/** Which parts of two states differ, as `value` or `context.n`. */
function differences(a: ActorState, b: ActorState): string[] {
  const [x, y] = [a, b] as unknown as { readonly [part: string]: Json | undefined }[];
  const keys = (v: object | undefined): string[] => Object.keys(v ?? {});
  const parts = [...new Set([...keys(x), ...keys(y)])].filter((part) => !sameJson(x?.[part], y?.[part]));
  return parts.flatMap((part) => {
    if (part !== 'context') return [part];
    const names = [...new Set([...keys(a.context), ...keys(b.context)])];
    return names.filter((name) => !sameJson(a.context[name], b.context[name])).map((name) => `context.${name}`);
  });
}

/** I1, I2, I12: the history of an actor folded from its first event, or from the snapshot with which it begins. */
async function checkHistory(scan: ScanStore, { actorId, lastSeq }: ScannedActor, report: Report): Promise<Tail | undefined> {
  let tail: Tail | undefined;
  let snapshot: ScannedSnapshot | undefined;
  for await (const row of rowsOf(scan, actorId)) {
    checkOrder(report, tail, row);
    if (tail === undefined) {
      snapshot = await beginningOf(scan, actorId, row.seq);
      if (row.seq > 1 && snapshot === undefined) {
        report('I2', `the history begins with event ${row.seq}, and no snapshot stands for what was before`);
        snapshot = await scan.snapshot(actorId, row.seq);
      }
      tail = { seq: 0, at: 0, mver: 0, state: row.seq === 1 ? emptyState : undefined, rows: 0, published: new Map() };
      if (snapshot !== undefined && snapshot.seq < row.seq) {
        tail.state = snapshot.state;
        snapshot = await scan.snapshot(actorId, row.seq);
      }
    }
    Object.assign(tail, { seq: row.seq, at: row.at, mver: row.mver, rows: tail.rows + 1 });
    for (const view of Object.keys((row.patch as Patch).l ?? {})) tail.published.set(view, row.at);
    if (tail.state !== undefined) tail.state = applied(report, tail.state, row);
    if (snapshot === undefined || snapshot.seq > row.seq) continue;
    if (snapshot.seq === row.seq) {
      const parts = tail.state === undefined ? [] : differences(tail.state, snapshot.state);
      if (parts.length > 0)
        report('I2', `the snapshot at ${row.seq} differs from the history in ${parts.join(', ')}`, snapshotOf(actorId, row, tail.state));
      tail.state ??= snapshot.state;
    }
    snapshot = await scan.snapshot(actorId, row.seq + 1);
  }
  snapshot = await scan.snapshot(actorId, (tail?.seq ?? 0) + 1);
  if (snapshot !== undefined) report('I12', `there is a snapshot at ${snapshot.seq}, and the history ends at ${tail?.seq ?? 0}`);
  if (tail === undefined) report('I1', 'there is no history');
  else if (lastSeq > tail.seq) report('I1', `the directory has seen event ${lastSeq}, and the history ends at ${tail.seq}`);
  return tail;
}

/** The snapshot that the history gives at an event. */
const snapshotOf = (actorId: string, { seq, at, mver }: RecordedRow, state: ActorState | undefined): Repair | undefined =>
  state && { of: 'snapshot', row: { actorId, seq, at, mver, state: JSON.stringify(state), heads: {} } };

/** I6: rows may be early, and a cancelled timer may keep a row that was due within a minute. */
async function checkTimers(scan: ScanStore, actorId: string, { at }: Tail, state: ActorState, report: Report): Promise<void> {
  const rows = new Map((await scan.timers(actorId)).map(({ timerId, due }) => [timerId, due]));
  for (const [timerId, { due, seq: armedSeq, type }] of Object.entries(state.timers)) {
    const row = rows.get(timerId);
    const repair: Repair = { of: 'timer', set: { actorId, timerId, set: { slot: slotOf(actorId), due, armedSeq, type } } };
    if (row === undefined) report('I6', `the timer ${timerId} is armed and has no row`, repair);
    else if (row > due) report('I6', `the row of the timer ${timerId} is ${row - due} ms late`, repair);
  }
  for (const [id, due] of rows) {
    const extra = state.timers[id] === undefined && due >= at + LAZY_MS;
    if (extra) report('I6', `there is a row for the timer ${id}, which is not armed`, { of: 'timer', gone: { actorId, timerId: id } });
  }
}

/** I7, I8: what is in the outbox was sent by a committed event, and every effect under way belongs to a live call. */
async function checkOutbox(scan: ScanStore, actorId: string, { seq: tail }: Tail, state: ActorState, report: Report): Promise<void> {
  const calls = new Set<string>();
  for (const { seq, n, op, target } of await scan.outbox(actorId)) {
    const invariant = op === 'tell' ? 'I7' : 'I8';
    if (seq < 1 || seq > tail) report(invariant, `the outbox row ${seq}/${n} belongs to no event; the history ends at ${tail}`);
    else if (op === 'effect' && state.calls[target] !== seq)
      report('I8', `the effect ${seq}/${n} belongs to the call ${target}, which is over`);
    if (op === 'effect') calls.add(`${target}/${seq}`);
  }
  for (const [invoke, seq] of Object.entries(state.calls)) {
    if (!calls.has(`${invoke}/${seq}`)) report('I8', `the call ${invoke} of event ${seq} is live and its effect is not in the outbox`);
  }
}

/** I14: numbers without gap above the floor, in the order of their events, up to the number in the state. */
async function checkItems(c: OneCheck, tail: Tail, state: ActorState): Promise<void> {
  const { scan, actor, report, rt, now } = c;
  const last = new Map<string, { n: number; seq: number }>();
  for (let after: { view: string; n: number } | undefined; ;) {
    const items = await scan.items(actor.actorId, { ...(after === undefined ? {} : { after }), limit: PAGE });
    for (const { view, n, seq } of items) {
      const before = last.get(view);
      if (before !== undefined && n !== before.n + 1) report('I14', `item ${n} of ${view} follows item ${before.n}`);
      if (before !== undefined && seq < before.seq)
        report('I14', `item ${n} of ${view} is of event ${seq}, and the one before of ${before.seq}`);
      if (seq > tail.seq) report('I14', `item ${n} of ${view} is of event ${seq}, and the history ends at ${tail.seq}`);
      last.set(view, { n, seq });
    }
    after = items.at(-1);
    if (items.length < PAGE) break;
  }
  for (const view of new Set([...Object.keys(state.logs), ...last.keys()])) {
    const counted = state.logs[view] ?? 0;
    const stored = last.get(view)?.n;
    const days = rt?.logs.get(view)?.retainDays;
    const kept = days !== undefined && (tail.published.get(view) ?? -Infinity) > now - days * DAY_MS;
    if (stored === undefined ? kept : stored !== counted) {
      report('I14', `the state counts ${counted} items of ${view}, and the last one in the table is ${stored ?? 'gone'}`);
    }
  }
}

/** I13: rows of audited companions. False when this build cannot tell, because another one wrote the state. */
async function checkCompanions({ scan, actor, report, rt }: OneCheck, { mver }: Tail, state: ActorState): Promise<boolean> {
  if (rt === undefined || mver !== rt.def.version) return false;
  const audited = Object.entries(rt.def.companions ?? {}).filter(([, c]) => c.audit !== undefined);
  if (audited.length === 0) return true;
  const snap = rt.runner.restore(state);
  for (const [name, c] of audited) {
    const rows = (c.audit?.rows(snap) ?? []) as { readonly [column: string]: Json }[];
    for (const { what, key } of await scan.audit(`${actor.kind}/${name}`, actor.actorId, c.of?.(snap) ?? {}, rows)) {
      report(
        'I13',
        `row ${key} of ${name} ${what === 'missing' ? 'is missing' : what === 'extra' ? 'is not in the state' : 'differs from the state'}`,
      );
    }
  }
  return true;
}

/** What an actor of which only the name is kept has no rows in; letters and rows of its companions may outlive it. */
const OF_A_STATE: ReadonlySet<string> = new Set(['thrum_snapshot', 'thrum_timer', 'thrum_outbox', builtins.items.table]);

/** Nothing but blank rows with their keys, the last of which says so. */
async function checkEnded({ scan, actor, report }: OneCheck): Promise<number> {
  const over = actor.status === 'gone';
  const last = over ? 'thrum.gone' : 'thrum.erased';
  let tail: Tail | undefined;
  let type = '';
  for await (const row of rowsOf(scan, actor.actorId)) {
    checkOrder(report, tail, row);
    const end = row.type === last;
    const blank = sameJson([row.event, row.patch, row.reply], [{}, {}, null]) && (end || row.meta === null);
    if (!blank) report('erased', `event ${row.seq} is not blank`);
    tail = { seq: row.seq, at: row.at, mver: row.mver, state: undefined, rows: (tail?.rows ?? 0) + 1, published: new Map() };
    ({ type } = row);
  }
  if (type !== last) report('erased', `the history ends with ${type || 'nothing'}`);
  const left = (await scan.left(actor.actorId, actor.kind)).filter((table) => !over || OF_A_STATE.has(table));
  if (left.length > 0) report('erased', `there are rows left in ${left.join(', ')}`);
  return tail?.rows ?? 0;
}

interface OneCheck {
  readonly scan: ScanStore;
  readonly actor: ScannedActor;
  readonly rt: Runtime | undefined;
  readonly now: number;
  readonly upTo: ShownUpTo;
  readonly report: Report;
}

async function checkActor(c: OneCheck): Promise<{ rows: number; foreign: boolean }> {
  const { scan, actor, report } = c;
  const { actorId } = actor;
  for (const seqs of await scan.repeated(actorId)) report('I3', `the events ${seqs.join(', ')} have one key`);
  if (ENDED.has(actor.status)) return { rows: await checkEnded(c), foreign: false };
  const tail = await checkHistory(scan, actor, report);
  if (tail?.state === undefined) return { rows: tail?.rows ?? 0, foreign: false };
  await checkTimers(scan, actorId, tail, tail.state, report);
  await checkOutbox(scan, actorId, tail, tail.state, report);
  await checkItems(c, tail, tail.state);
  const own = await checkCompanions(c, tail, tail.state);
  if (own && c.rt !== undefined)
    for await (const { what, repair } of notShown({ ...c, rt: c.rt, tail, state: tail.state })) report('I13', what, repair);
  return { rows: tail.rows, foreign: !own };
}

const strays = { journal: 'I1', snapshot: 'I12', timer: 'I6', outbox: 'I7', topic_item: 'I14' } as const;

/** Rows of actors that the directory does not know. */
async function checkStrays({ scan, refs }: Source, found: FsckOptions['found']): Promise<void> {
  for (const table of ACTOR_TABLES) {
    for (let after: string | undefined; ;) {
      const ids = await scan.holders(table, { ...(after === undefined ? {} : { after }), limit: ACTORS });
      const known = await refs(ids);
      for (const id of ids) {
        if (!known.has(id)) found({ invariant: strays[table], ref: id, what: `there are rows in thrum_${table} and no such actor` });
      }
      after = ids.at(-1);
      if (ids.length < ACTORS) break;
    }
  }
}

/** Checks every actor of a store, one after the other; memory is that of one page and one state. @throws StoreError */
export async function fsck(source: Source, kinds: ReadonlyMap<string, Runtime>, { now, kind, found }: FsckOptions): Promise<Checked> {
  const { scan } = source;
  const checked = { actors: 0, erased: 0, rows: 0, foreign: 0 };
  const upTo = await shownUpTo(source);
  for await (const actors of actorPages(scan, { kind, erased: true })) {
    for (const actor of actors) {
      const ref = `${actor.kind}:${actor.id}`;
      let whole = true;
      const report: Report = (invariant, what, repair) => {
        // What rests on a history that has lost something would be made to fit the loss.
        whole &&= !HISTORY.has(invariant) || repair !== undefined;
        found({ invariant, ref, what, ...(whole && repair !== undefined ? { repair } : {}) });
      };
      const { rows, foreign } = await checkActor({ scan, actor, rt: kinds.get(actor.kind), now, upTo, report });
      checked.actors += 1;
      checked.rows += rows;
      if (actor.status === 'erased') checked.erased += 1;
      if (foreign) checked.foreign += 1;
    }
  }
  if (kind === undefined) await checkStrays(source, found);
  return checked;
}
