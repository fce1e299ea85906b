/** Between the states in memory and the rows of the journal. */
import type { Activation } from './activation.ts';
import type { ActorKind, Companion } from './define.ts';
import type { Envelope } from './envelope.ts';
import { unstorable } from './columns.ts';
import { KernelProblem, refusal } from './errors.ts';
import { derivedIdem, uuidOf } from './ids.ts';
import { migrationStep } from './migrate.ts';
import { apply, emptyState, unknownKeys } from './patch.ts';
import type { Patch } from './patch.ts';
import { aheadOf } from './orphans.ts';
import type { Live, Runtime } from './runtime.ts';
import { MachineFault } from './step.ts';
import type { Step } from './step.ts';
import type { CompanionChange, EffectId, EventRows, Loaded, OutboxRow, RingEntry, TimerChange } from './store/store.ts';
import type { ActorState, Json, Principal, Refusal, Reply } from './types.ts';

/** An accepted command that may be repeated. */
export interface Known {
  readonly type: string;
  readonly chk: number;
  readonly reply: Reply;
}

/** What the journal holds as reply: the reply itself, or a refusal that was journaled because the event changed something. */
function storedReply(seq: number, reply: Json): Reply {
  if (typeof reply === 'object' && reply !== null && '$refused' in reply) {
    return { ok: false, seq, error: (reply as { $refused: unknown }).$refused as Refusal };
  }
  return { ok: true, seq, reply };
}

export const knownOf = (r: RingEntry): Known => ({ type: r.type, chk: r.chk, reply: storedReply(r.seq, r.reply) });

/** A postponed timer keeps its earlier row; a row due this soon is left to the wake-up instead of being deleted. */
export const LAZY_MS = 60_000;

function timerRows(a: Activation, s: Step, e: Envelope | undefined): TimerChange[] {
  const changes: TimerChange[] = [];
  const { actorId, slot } = a.at;
  for (const [timerId, [armedSeq, due, type]] of Object.entries(s.patch.t?.set ?? {})) {
    const standing = a.rowsDue.get(timerId);
    const fired = e?.kind === 'timer' && e.timer.id === timerId;
    if (standing !== undefined && standing <= due && !fired) {
      // Another node may be about to move the row, or to remove it, by a state that this event leaves: written in place it is not the row that woke that node.
      if (a.placement !== undefined) changes.push({ actorId, timerId, set: { slot, due: standing, armedSeq, type } });
      continue;
    }
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

const none: readonly never[] = [];

/** Outbox rows that the event finishes: the one whose result it is, and those of the states that it leaves. */
function finishedBy(a: Activation, s: Step, e: Envelope | undefined): readonly EffectId[] {
  const own = e?.kind === 'result' ? [e.call.id] : e?.kind === 'undelivered' ? [e.done] : none;
  if (s.stopped.length === 0) return own;
  const left = s.stopped.map(({ invoke, seq }) => a.callId(invoke, seq)).filter((id) => id !== undefined);
  return [...own, ...left];
}

/** @param ahead ms by which effects are kept from other nodes */
export function outboxRows(s: Step, slot: number, ahead = 0): readonly OutboxRow[] {
  if (s.tells.length === 0 && s.effects.length === 0) return none;
  const nextAt = s.next.at;
  const tells = s.tells.map(({ id, to, type, payload }): OutboxRow => {
    return { ...id, slot, op: 'tell', target: to, payload: kept(JSON.stringify({ type, payload }), 'message', s.type), nextAt };
  });
  const effects = s.effects.map(({ id, invoke, src, input }): OutboxRow => {
    return {
      ...id,
      slot,
      op: 'effect',
      target: invoke,
      payload: kept(JSON.stringify({ src, input }), 'effect', s.type),
      nextAt: nextAt + ahead,
    };
  });
  return [...tells, ...effects];
}

/** JSON text that a machine has made. @throws MachineFault when the database could not keep it, as when text was cut within a character */
function kept(text: string, what: string, type: string): string {
  if (unstorable(text)) throw new MachineFault(`the ${what} of '${type}' holds U+0000 or half of a character`);
  return text;
}

function replyText(e: Envelope | undefined, reply: Reply): string | null {
  if (e === undefined || e.kind === 'timer' || e.kind === 'result' || e.kind === 'migration') return null;
  return kept(JSON.stringify(reply.ok ? reply.reply : { $refused: reply.error }), 'reply', e.type);
}

/** The rows of one event. Without envelope it is the birth of the actor, `thrum.init`. */
function eventRows(a: Activation, s: Step, e: Envelope | undefined, reply: Reply): EventRows {
  const { kind, version: mver } = a.rt.def;
  const { actorId, slot, id } = a.at;
  const rows: { -readonly [K in keyof EventRows]: EventRows[K] } = {
    kind,
    journal: {
      actorId,
      seq: s.next.seq,
      at: s.next.at,
      type: s.type,
      event: e?.text ?? '{}',
      patch: kept(s.patchText, 'change', s.type),
      reply: replyText(e, reply),
      idem: idemOfEvent(actorId, e),
      mver,
      meta: e === undefined ? null : kept(metaText(e, s), 'sender', s.type),
    },
    outbox: outboxRows(s, slot, aheadOf(a.placement)),
    // after all that can throw, because the activation notes what it writes
    timers: s.patch.t === undefined && e?.kind !== 'timer' ? none : timerRows(a, s, e),
    outboxDone: finishedBy(a, s, e),
    companions: e?.from.kind === 'operator' ? [...s.companions, audited(actorId, s, e)] : s.companions,
  };
  if (e === undefined) rows.born = { actorId, kind, id, slot, mver };
  return rows;
}

/** The rows of an accepted event; the first of two steps is the birth of the actor. @throws MachineFault when the database could not keep them */
export function journaled(a: Activation, e: Envelope, steps: readonly Step[], reply: Reply): EventRows[] {
  const own = eventRows(a, steps.at(-1) as Step, e, reply);
  return steps.length === 1 ? [own] : [eventRows(a, steps[0] as Step, undefined, reply), own];
}

/** What an operator does to an actor is written down by the statement that commits it. */
function audited(actorId: string, s: Step, e: Envelope): CompanionChange {
  const { from } = e;
  const seq = s.next.seq;
  const act = e.kind === 'timer' ? e.timer.act : undefined;
  const [action, detail]: [string, { [key: string]: Json }] =
    e.kind === 'timer' ? [`timer.${act?.verb ?? 'fire'}`, { timer: e.timer.id }] : ['poke', { type: e.type }];
  const row = {
    audit_id: act?.id ?? uuidOf(derivedIdem(actorId, seq, 'audit')),
    admin: from.id,
    action,
    reason: from.reason ?? null,
    before_seq: seq - 1,
    detail,
  };
  return { into: 'audit', op: 'insert', n: s.companions.length + 1, row };
}

function idemOfEvent(actorId: string, e: Envelope | undefined): string | null {
  if (e?.kind === 'timer') return derivedIdem(actorId, 'timer', e.timer.id, e.timer.seq);
  return e?.idem ?? null;
}

const senders = new WeakMap<Principal, string>();

/** `"from":"user:42","roles":["staff"]`, written once per principal. */
function senderText(from: Principal): string {
  let text = senders.get(from);
  if (text === undefined) {
    text = `"from":${JSON.stringify(`${from.kind}:${from.id}`)}`;
    if (from.roles.length > 0) text += `,"roles":${JSON.stringify(from.roles)}`;
    if (from.reason !== undefined) text += `,"reason":${JSON.stringify(from.reason)}`;
    senders.set(from, text);
  }
  return text;
}

function metaText(e: Envelope, s: Step): string {
  let text = `{${senderText(e.from)},"chk":${e.chk}`;
  if (e.cause !== undefined) text += `,"cause":${JSON.stringify(e.cause)}`;
  if (s.stamp.late !== undefined) text += `,"late":${s.stamp.late}`;
  // A replay must not ask the machine either.
  if (!s.ran) text += ',"ran":false';
  return `${text}}`;
}

/** Why nothing is known of an actor with this directory status. */
export function endedBy(status: string | undefined): Refusal | undefined {
  if (status === 'gone') return refusal('NOT_FOUND');
  return status === 'erased' ? refusal('ACTOR_ERASED') : undefined;
}

/** Why an actor with this directory status runs no commands. */
export function closedBy(status: string | undefined): Refusal | undefined {
  if (status === 'quarantined') return refusal('ACTOR_QUARANTINED', undefined, undefined, 30_000);
  if (status === 'paused') return refusal('ACTOR_PAUSED', undefined, undefined, 30_000);
  return endedBy(status);
}

/** The state at the tail of what was loaded, and the version that wrote it. @throws KernelProblem FORMAT_AHEAD */
export function tailOf(found: Loaded): { state: ActorState; seq: number; at: number; mver: number } {
  let state = found.snapshot?.state ?? emptyState;
  for (const row of found.tail) {
    const unknown = unknownKeys(row.patch as object);
    if (unknown.length > 0) throw new KernelProblem(refusal('FORMAT_AHEAD', undefined, { keys: unknown }));
    state = apply(state, row.patch as Patch);
  }
  const last = found.tail.at(-1) ?? found.snapshot;
  return { state, seq: last?.seq ?? 0, at: found.lastAt, mver: last?.mver ?? 0 };
}

/** What an activation begins with; `migration` leads to `live` and is not committed yet. */
export interface Restored {
  readonly live: Live;
  readonly heads: { readonly [view: string]: number } | undefined;
  readonly migration: { readonly step: Step; readonly from: number } | undefined;
}

/** @throws KernelProblem VERSION_AHEAD, FORMAT_AHEAD or MIGRATION_FAILED when this build cannot run the history */
export function restoreLive(rt: Runtime, found: Loaded, wall: number): Restored {
  const tail = tailOf(found);
  const { state, seq, at, mver } = tail;
  const { version } = rt.def;
  if (mver !== version) {
    if (found.status === 'quarantined' && found.mver === version) throw new KernelProblem(refusal('MIGRATION_FAILED'));
    const step = migrationStep(rt, tail, mver, wall);
    return { live: step.next, heads: undefined, migration: { step, from: mver } };
  }
  const live: Live = { snap: rt.runner.restore(state), state, seq, at, size: Buffer.byteLength(JSON.stringify(state.context)) };
  const heads = found.tail.length === 0 && found.snapshot?.heads ? found.snapshot.heads : undefined;
  return { live, heads, migration: undefined };
}

/** Whether another version than the one that failed on a quarantined actor may try it. */
export const isReleased = ({ def }: Runtime, found: Loaded): boolean =>
  found.status === 'quarantined' && found.mver !== def.version && def.quarantine !== 'hold';

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
