/**
 * Replay check: what the journal holds is folded, and every event that this version of the machine has handled is handled once more from what
 * was recorded of it. Patch, reply and outputs must come out the same; a difference is an impure machine, or a change of behaviour without a
 * new version (kernel specification 12.4).
 */
import { replyOf } from './command.ts';
import { companionName, planBatch } from './companion.ts';
import type { Registry } from './companion.ts';
import { derivedIdem, slotOf } from './ids.ts';
import type { Kernel } from './kernel.ts';
import { apply, emptyState, sameJson, samePatch } from './patch.ts';
import type { Patch } from './patch.ts';
import { outboxRows } from './rows.ts';
import type { Address, Live, Runtime } from './runtime.ts';
import { birth, step } from './step.ts';
import type { Step, StepInput } from './step.ts';
import { beginningOf } from './store/scan.ts';
import type { RecordedRow, ScannedActor, ScanStore } from './store/scan.ts';
import type { EventRows, JournalStore, NetRow } from './store/store.ts';
import type { ActorState, Json, Principal, Stamp } from './types.ts';

export interface Mismatch {
  readonly ref: string;
  readonly seq: number;
  readonly type: string;
  readonly what: 'patch' | 'reply' | 'outbox' | 'row' | 'fault';
  readonly recorded: Json;
  readonly computed: Json;
}

export interface Replay {
  /** rows that were handled once more */
  readonly checked: number;
  /** rows of other versions and of the kernel itself, which are only folded */
  readonly folded: number;
  readonly state: ActorState;
  readonly mismatches: readonly Mismatch[];
}

interface Meta {
  readonly from?: string;
  readonly roles?: readonly string[];
  readonly cause?: string;
  readonly late?: number;
  readonly ran?: false;
}

const metaOf = (row: RecordedRow | undefined): Meta => (row?.meta ?? {}) as Meta;

function senderOf({ from = 'system:kernel', roles = [] }: Meta): Principal {
  const colon = from.indexOf(':');
  return { kind: from.slice(0, colon) as Principal['kind'], id: from.slice(colon + 1), roles };
}

function stampOf(row: RecordedRow, meta: Meta): Stamp {
  return {
    at: row.at,
    seq: row.seq,
    from: senderOf(meta),
    ...(meta.cause === undefined ? {} : { cause: meta.cause }),
    ...(meta.late === undefined ? {} : { late: meta.late }),
  };
}

/** Written by the kernel without the machine: migrations, the end of an actor, acts of operators. */
export const isKernelRow = (type: string): boolean => type.startsWith('thrum.') && type !== 'thrum.init' && type !== 'thrum.undelivered';

const resultOf = /^xstate\.(?:done|error)\.actor\.(.+)$/;

/** The timer whose firing the row is, by the key that names it for ever; the live call whose result it is. */
function causeOf(at: Address, old: ActorState, row: RecordedRow): Pick<StepInput, 'timer' | 'call'> {
  const timer = Object.entries(old.timers).find(([id, t]) => derivedIdem(at.actorId, 'timer', id, t.seq) === row.idem);
  if (timer !== undefined) return { timer: timer[0] };
  const call = resultOf.exec(row.type)?.[1];
  return call !== undefined && old.calls[call] !== undefined ? { call } : {};
}

/**
 * Handles a recorded event once more.
 *
 * @param old  state before the event, as the journal has it
 * @param next row after a birth: the command that caused it
 * @throws what the machine throws
 */
export function recompute(rt: Runtime, at: Address, old: ActorState, row: RecordedRow, next?: RecordedRow): Step {
  if (row.type === 'thrum.init') {
    const command = { ...(next?.event as object), type: next?.type ?? '' };
    return birth(rt, at, rt.def.createInput?.(command) ?? {}, stampOf(row, metaOf(next)));
  }
  const meta = metaOf(row);
  const live: Live = { snap: rt.runner.restore(old), state: old, seq: row.seq - 1, at: row.at, size: 0 };
  const payload = row.event as object;
  const input = { type: row.type, payload, stamp: stampOf(row, meta), ...causeOf(at, old, row) };
  return step(rt, at, live, meta.ran === false ? { ...input, run: false } : input);
}

function replyTo(rt: Runtime, row: RecordedRow, done: Step): Json {
  const declared = rt.def.commands[row.type];
  if (declared === undefined || row.idem === null) return null;
  const reply = replyOf(declared, done);
  return plain(reply.ok ? reply.reply : { $refused: reply.error });
}

/** As the journal would give it back. */
export const plain = (value: unknown): Json => JSON.parse(JSON.stringify(value)) as Json;

/** The check of one actor, row by row. */
class Check {
  readonly mismatches: Mismatch[] = [];
  readonly steps: Step[] = [];
  checked = 0;
  folded = 0;
  state: ActorState;
  readonly #rt: Runtime;
  readonly #at: Address;

  constructor(rt: Runtime, at: Address, base: ActorState) {
    this.#rt = rt;
    this.#at = at;
    this.state = base;
  }

  report(row: Pick<RecordedRow, 'seq' | 'type'>, what: Mismatch['what'], recorded: Json, computed: Json): void {
    this.mismatches.push({ ref: this.#at.ref, seq: row.seq, type: row.type, what, recorded, computed });
  }

  row(row: RecordedRow, next: RecordedRow | undefined): void {
    const old = this.state;
    this.state = apply(old, row.patch as Patch);
    if (row.mver !== this.#rt.def.version || isKernelRow(row.type)) {
      this.folded += 1;
      return;
    }
    this.checked += 1;
    try {
      const done = recompute(this.#rt, this.#at, old, row, next);
      const patch = plain(done.patch);
      if (!samePatch(patch as Patch, row.patch as Patch)) this.report(row, 'patch', row.patch, patch);
      const reply = replyTo(this.#rt, row, done);
      if (!sameJson(reply, row.reply)) this.report(row, 'reply', row.reply, reply);
      if (done.tells.length + done.effects.length + done.companions.length > 0) this.steps.push(done);
    } catch (error) {
      this.report(row, 'fault', row.patch, error instanceof Error ? error.message : String(error));
    }
  }
}

/**
 * Folds rows onto a state and handles each once more.
 *
 * @param rows ascending, without gap, beginning after `base`
 */
export function replayRows(rt: Runtime, at: Address, base: ActorState, rows: readonly RecordedRow[]): Replay {
  const check = new Check(rt, at, base);
  for (const [i, row] of rows.entries()) check.row(row, rows[i + 1]);
  return check;
}

/** Rows of companion tables that the steps give, net of each event. Jobs are left out: their runner goes on with the row. */
function* companionRows(rt: Runtime, at: Address, steps: readonly Step[], registry: Registry): Generator<[string, NetRow[]]> {
  const byName = new Map<string, NetRow[]>();
  for (const s of steps) {
    const companions = s.companions.filter((c) => c.into !== 'jobs');
    if (companions.length === 0) continue;
    const journal = { actorId: at.actorId, seq: s.stamp.seq } as EventRows['journal'];
    const events: EventRows[] = [{ journal, kind: rt.def.kind, timers: [], outbox: [], outboxDone: [], companions }];
    for (const { companion, rows } of planBatch(events, registry, '0').batch.companions) {
      byName.set(companion, [...(byName.get(companion) ?? []), ...rows]);
    }
  }
  yield* byName;
}

const PAGE = 500;

type Source = Pick<JournalStore, 'scan' | 'load'>;

/** What is still there of the outputs must be what the events give. */
async function checkOutputs(scan: ScanStore, rt: Runtime, at: Address, check: Check, registry: Registry): Promise<void> {
  const { steps } = check;
  if (steps.length === 0) return;
  const standing = new Map((await scan.outbox(at.actorId)).map((row) => [`${row.seq}/${row.n}`, row]));
  for (const s of standing.size === 0 ? [] : steps) {
    for (const { seq, n, op, target, payload } of outboxRows(s, at.slot)) {
      const row = standing.get(`${seq}/${n}`);
      const computed = { op, target, payload: JSON.parse(payload) as Json };
      if (row === undefined) continue;
      const recorded = { op: row.op, target: row.target, payload: row.payload };
      if (!sameJson(recorded, computed)) check.report({ seq, type: s.type }, 'outbox', recorded, computed);
    }
  }
  for (const [name, rows] of companionRows(rt, at, steps, registry)) {
    for (const [seq, n] of await scan.differing(name, rows)) {
      const s = steps.find((one) => one.stamp.seq === seq);
      const row = s?.companions.find((c) => c.n === n && companionName(rt.def.kind, c.into) === name);
      check.report({ seq, type: s?.type ?? '' }, 'row', name, row?.row ?? null);
    }
  }
  steps.length = 0;
}

/** Where the check of an actor begins: before its first row, or at a snapshot when the beginning is no longer kept. */
async function baseOf(source: Source, actorId: string): Promise<{ state: ActorState; seq: number }> {
  const [first] = await source.scan.rows(actorId, { after: 0, limit: 1 });
  if (first === undefined || first.seq === 1) return { state: emptyState, seq: 0 };
  const oldest = await beginningOf(source.scan, actorId, first.seq);
  if (oldest !== undefined) return oldest;
  const snapshot = (await source.load([actorId])).get(actorId)?.snapshot;
  return { state: snapshot?.state ?? emptyState, seq: snapshot?.seq ?? 0 };
}

/** Checks one actor of a store. @throws StoreError */
export async function replayActor(
  source: Source,
  rt: Runtime,
  registry: Registry,
  actor: Pick<ScannedActor, 'actorId' | 'kind' | 'id'>,
): Promise<Replay> {
  const { actorId, kind, id } = actor;
  const at: Address = { ref: `${kind}:${id}`, id, actorId, slot: slotOf(actorId) };
  const base = await baseOf(source, actorId);
  const check = new Check(rt, at, base.state);
  let after = base.seq;
  for (;;) {
    const rows = await source.scan.rows(actorId, { after, limit: PAGE });
    for (const [i, row] of rows.entries()) check.row(row, rows[i + 1]);
    await checkOutputs(source.scan, rt, at, check, registry);
    after = rows.at(-1)?.seq ?? after;
    if (rows.length < PAGE) return check;
  }
}

/** rows of one sample: some ms of work on the loop that serves everybody */
const SAMPLE_ROWS = 64;

/** Checks the first rows after the snapshot of an actor that is being activated; counts and reports what differs. Never throws. */
export async function sampleReplay(k: Pick<Kernel, 'store' | 'metrics' | 'log'>, rt: Runtime, at: Address): Promise<void> {
  try {
    const snapshot = (await k.store.load([at.actorId])).get(at.actorId)?.snapshot;
    const rows = await k.store.scan.rows(at.actorId, { after: snapshot?.seq ?? 0, limit: SAMPLE_ROWS });
    if (snapshot === undefined && rows[0]?.seq !== 1) return;
    const replay = rt.runner.untapped(() => replayRows(rt, at, snapshot?.state ?? emptyState, rows));
    for (const m of replay.mismatches) {
      k.metrics.replayMismatches.add();
      const fields = { ref: m.ref, seq: m.seq, type: m.type, what: m.what, alert: 'warning' };
      k.log.error(fields, 'an event does not give what was recorded of it');
    }
  } catch (error) {
    k.log.warn({ ref: at.ref, err: error }, 'a sample of the replay check could not be read');
  }
}
