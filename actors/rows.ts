/** Between the states in memory and the rows of the journal. */
import type { Activation } from './activation.ts';
import type { ActorKind, Companion } from './define.ts';
import type { Envelope } from './envelope.ts';
import { KernelProblem, refusal } from './errors.ts';
import { derivedIdem } from './ids.ts';
import { apply, emptyState, unknownKeys } from './patch.ts';
import type { Patch } from './patch.ts';
import type { Live, Runtime } from './runtime.ts';
import type { Step } from './step.ts';
import type { EffectId, EventRows, Loaded, RingEntry, TimerChange } from './store/store.ts';
import type { Json, Refusal, Reply } from './types.ts';

/** An accepted command that may be repeated. */
export interface Known {
  readonly seq: number;
  readonly type: string;
  readonly chk: number;
  readonly reply: Reply;
}

/** What the journal holds as reply: the reply itself, or a refusal that was journaled because the event changed something. */
export function storedReply(seq: number, reply: Json): Reply {
  if (typeof reply === 'object' && reply !== null && '$refused' in reply) {
    return { ok: false, seq, error: (reply as { $refused: unknown }).$refused as Refusal };
  }
  return { ok: true, seq, reply };
}

/** A postponed timer keeps its earlier row; a row due this soon is left to the wake-up instead of being deleted. */
const LAZY_MS = 60_000;

function timerRows(a: Activation, s: Step, e: Envelope | undefined): TimerChange[] {
  const changes: TimerChange[] = [];
  const { actorId, slot } = a.at;
  for (const [timerId, [armedSeq, due, type]] of Object.entries(s.patch.t?.set ?? {})) {
    const standing = a.rowsDue.get(timerId);
    const fired = e?.kind === 'timer' && e.timer.id === timerId;
    if (standing !== undefined && standing <= due && !fired) continue;
    a.rowsDue.set(timerId, due);
    changes.push({ actorId, timerId, set: { slot, due, armedSeq, type } });
  }
  for (const timerId of s.patch.t?.del ?? []) {
    const standing = a.rowsDue.get(timerId);
    const fired = e?.kind === 'timer' && e.timer.id === timerId;
    if (!fired && standing !== undefined && standing < s.next.at + LAZY_MS) continue;
    a.rowsDue.delete(timerId);
    changes.push({ actorId, timerId });
  }
  return changes;
}

function finishedBy(s: Step, e: Envelope | undefined, withdrawn: (invoke: string, seq: number) => EffectId | undefined): EffectId[] {
  const done: EffectId[] = [];
  if (e?.kind === 'result') done.push(e.call.id);
  if (e?.kind === 'undelivered') done.push(e.done);
  for (const { invoke, seq } of s.stopped) {
    const id = withdrawn(invoke, seq);
    if (id !== undefined) done.push(id);
  }
  return done;
}

/** The rows of one event. Without envelope it is the birth of the actor, `thrum.init`. */
export function eventRows(
  a: Activation,
  s: Step,
  e: Envelope | undefined,
  reply: Reply,
  withdrawn: (invoke: string, seq: number) => EffectId | undefined,
): EventRows {
  const { def } = a.rt;
  const { actorId, slot, id } = a.at;
  const meta = e === undefined ? null : metaText(e, s);
  return {
    kind: def.kind,
    journal: {
      actorId,
      seq: s.next.seq,
      at: s.next.at,
      type: s.type,
      event: e?.text ?? '{}',
      patch: s.patchText,
      reply:
        e === undefined || e.kind === 'timer' || e.kind === 'result'
          ? null
          : JSON.stringify(reply.ok ? reply.reply : { $refused: reply.error }),
      idem: idemOfEvent(actorId, e),
      mver: def.version,
      meta,
    },
    ...(e === undefined ? { born: { actorId, kind: def.kind, id, slot, mver: def.version } } : {}),
    timers: s.patch.t === undefined && e?.kind !== 'timer' ? [] : timerRows(a, s, e),
    outbox: [
      ...s.tells.map((t) => ({
        ...t.id,
        slot,
        op: 'tell' as const,
        target: t.to,
        payload: JSON.stringify({ type: t.type, payload: t.payload }),
        nextAt: s.next.at,
      })),
      ...s.effects.map((c) => ({
        ...c.id,
        slot,
        op: 'effect' as const,
        target: c.invoke,
        payload: JSON.stringify({ src: c.src, input: c.input }),
        nextAt: s.next.at,
      })),
    ],
    outboxDone: finishedBy(s, e, withdrawn),
    companions: s.companions,
  };
}

function idemOfEvent(actorId: string, e: Envelope | undefined): string | null {
  if (e?.kind === 'timer') return derivedIdem(actorId, 'timer', e.timer.id, e.timer.seq);
  return e?.idem ?? null;
}

function metaText(e: Envelope, s: Step): string {
  const { from } = e;
  return JSON.stringify({
    from: `${from.kind}:${from.id}`,
    ...(from.roles.length === 0 ? {} : { roles: from.roles }),
    ...(e.cause === undefined ? {} : { cause: e.cause }),
    ...(s.stamp.late === undefined ? {} : { late: s.stamp.late }),
    chk: e.chk,
  });
}

/** @throws KernelProblem VERSION_AHEAD, FORMAT_AHEAD or MIGRATION_FAILED when this build cannot run the history */
export function restoreLive(rt: Runtime, found: Loaded): { live: Live; heads: { readonly [view: string]: number } | undefined } {
  const newest = Math.max(found.snapshot?.mver ?? 0, ...found.tail.map((row) => row.mver));
  if (newest > rt.def.version) throw new KernelProblem(refusal('VERSION_AHEAD', undefined, { version: newest }));
  if (newest < rt.def.version) throw new KernelProblem(refusal('MIGRATION_FAILED', `no migration from version ${newest}`));
  let state = found.snapshot?.state ?? emptyState;
  for (const row of found.tail) {
    const unknown = unknownKeys(row.patch as object);
    if (unknown.length > 0) throw new KernelProblem(refusal('FORMAT_AHEAD', undefined, { keys: unknown }));
    state = apply(state, row.patch as Patch);
  }
  const seq = found.tail.at(-1)?.seq ?? found.snapshot?.seq ?? 0;
  const live: Live = {
    snap: rt.runner.restore(state),
    state,
    seq,
    at: found.lastAt,
    size: Buffer.byteLength(JSON.stringify(state.context)),
  };
  const heads = found.tail.length === 0 && found.snapshot?.heads ? found.snapshot.heads : undefined;
  return { live, heads };
}

/** What the refusal of a companion row means to the caller; without `error` the declaration names no code and it is a fault. */
export function refusedRow(
  def: ActorKind,
  events: readonly EventRows[],
  verdict: { readonly companion: string | undefined; readonly n: number | undefined },
): { name: string; declared: Companion['refuse']; error: Refusal | undefined } {
  const name = verdict.companion?.split('/').at(-1) ?? '';
  const table = def.companions?.[name];
  const declared = table?.refuse;
  if (table === undefined || declared === undefined) return { name, declared, error: undefined };
  const row = events.flatMap((event) => event.companions).find((c) => c.n === verdict.n);
  const key = row === undefined ? {} : { key: Object.fromEntries(table.key.map((column) => [column, row.row[column] ?? null])) };
  return { name, declared, error: { code: declared.code, details: key as { [field: string]: Json } } };
}

/** The newest keys last, so that the oldest leave the ring first. */
export function ringOf(entries: readonly RingEntry[]): Map<string, Known> {
  return new Map(entries.toReversed().map((r) => [r.idem, { seq: r.seq, type: r.type, chk: r.chk, reply: storedReply(r.seq, r.reply) }]));
}
