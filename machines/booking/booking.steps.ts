/** What the actions of a booking do: pure functions of its context and the event, each named after its action. */
import { isoOf } from '../../calc/time/civil.ts';
import { from, now } from '../../actors/scope.ts';
import {
  bookingRow,
  claimIdOf,
  endOf,
  itemOf,
  startOf,
  type BookingContext,
  type ClaimOf,
  type Refused,
  type Wish,
} from './booking.state.ts';
import { BACKSTOP_MS } from './resource.state.ts';
import { ConflictView, fingerprintOf, type BookingItem, type BookingRequest, type BookingState, type Reschedule } from './schema.ts';
import { reject, reply, row, tell, type Output, type Step } from './step.ts';

type Context = BookingContext;
type Done = Step<Context>;

export const ACQUIRE_MS = 10_000;

const NO_UNIT = null;
const resource = (id: string): string => `resource:${id}`;
const isStaff = (): boolean => !['user', 'anonymous'].includes(from().kind) || from().roles.some((r) => r === 'staff' || r === 'admin');

/** The request without the envelope. */
export const bodyOf = (e: BookingRequest & { type?: string; $?: unknown }): BookingRequest => {
  const { type: _t, $: _s, ...body } = e;
  return body;
};

export const accepted = (c: Context, replayed: boolean): Output => reply({ bookingId: c.id, attempt: c.attempt, replayed });

// ---------------------------------------------------------------------------------------------------------------- request

export function begin(c: Context, e: BookingRequest): Done {
  const when = startOf(e);
  if (!when.ok) return { out: [reject(when.code, when.details)] };
  const attempt = c.attempt + 1;
  const at = now();
  const next: Context = {
    ...c,
    userId: (isStaff() ? e.userId : undefined) ?? (from().kind === 'user' ? from().id : ''),
    fingerprint: fingerprintOf(bodyOf(e)),
    source: e.source ?? null,
    start: when.start,
    end: endOf(when.start, e.durationMin),
    timeZone: when.timeZone,
    localStart: when.localStart,
    party: e.party,
    holdOnly: e.holdOnly ?? false,
    holdTtlS: e.holdTtlS ?? 600,
    attempt,
    claim: { id: claimIdOf(c.id, attempt, e.resourceId), resourceId: e.resourceId, unit: NO_UNIT, phase: 'asked' },
    expiresAt: null,
    refused: null,
    outcome: 'rejected',
    pendingCancel: false,
    createdAt: c.createdAt === 0 ? at : c.createdAt,
    updatedAt: at,
  };
  return { set: next, out: [accepted(next, false)] };
}

export function refuseTime(_c: Context, e: BookingRequest | Reschedule): Done {
  const when = startOf(e);
  return when.ok ? {} : { out: [reject(when.code, when.details)] };
}

/** Asks the resource for the booking's own claim. Without `holdOnly` it may be confirmed at once, which saves a round trip. */
export function askHold(c: Context): Done {
  return c.claim === null ? {} : { out: [hold(c, c.claim, c.start, c.end, !c.holdOnly)] };
}

function hold(c: Context, claim: ClaimOf, start: number, end: number, confirm: boolean): Output {
  return tell(resource(claim.resourceId), 'claim.hold', {
    claimId: claim.id,
    bookingId: c.id,
    start,
    end,
    qty: c.party,
    backstopAt: now() + ACQUIRE_MS + c.holdTtlS * 1_000 + BACKSTOP_MS,
    confirm,
  });
}

export function granted(c: Context, e: { unit: number; confirmed: boolean }): Done {
  if (c.claim === null) return {};
  return { set: { claim: { ...c.claim, unit: e.unit, phase: e.confirmed ? 'sure' : 'held' }, expiresAt: now() + c.holdTtlS * 1_000 } };
}

// --------------------------------------------------------------------------------------------------------------- refusals

/** Why the resource refused, as its details say it; `undefined` details come from the kernel itself. */
export function refusedBy(c: Context, e: { code: string; details?: object }): Refused {
  const details = (e.details ?? {}) as { reason?: unknown; conflicts?: unknown };
  const conflicts = ConflictView.array().safeParse(details.conflicts ?? []);
  return {
    attempt: c.attempt,
    code: e.code === 'NOT_FOUND' ? 'RESOURCE_NOT_FOUND' : e.code,
    reason: typeof details.reason === 'string' ? details.reason : e.code === 'NOT_FOUND' ? 'resource_not_found' : null,
    conflicts: conflicts.success ? conflicts.data.slice(0, 5) : [],
  };
}

export function refuse(c: Context, e: { code: string; details?: object }): Done {
  return {
    set: { refused: refusedBy(c, e), claim: c.claim === null ? null : { ...c.claim, phase: 'over' }, updatedAt: now() },
  };
}

export const timeOut = (c: Context): Done => ({
  set: { outcome: 'rejected', refused: { attempt: c.attempt, code: 'TIMEOUT', reason: null, conflicts: [] } },
});

// ------------------------------------------------------------------------------------------------------- hold and confirm

export const decide = (c: Context): Done => ({ set: { claim: c.claim === null ? null : { ...c.claim, phase: 'sure' } } });

export const askConfirm = (c: Context): Done =>
  c.claim === null ? {} : { out: [tell(resource(c.claim.resourceId), 'claim.confirm', { claimId: c.claim.id })] };

export const lose = (c: Context): Done => ({
  set: {
    refused: { attempt: c.attempt, code: 'PARTICIPANT_LOST', reason: 'participant_lost', conflicts: [] },
    claim: c.claim === null ? null : { ...c.claim, phase: 'over' },
  },
});

export const expire = (): Done => ({ set: { outcome: 'expired' } });

// ---------------------------------------------------------------------------------------------------------------- release

export const cancelNow = (e: { reason?: string | undefined }): Done => ({
  set: { outcome: 'cancelled', cancelledBy: from().id, cancelReason: e.reason ?? null, pendingCancel: false },
});
export const cancelLater = (e: { reason?: string | undefined }): Done => ({
  set: { pendingCancel: true, cancelledBy: from().id, cancelReason: e.reason ?? null },
});

/** Gives back everything that was asked for, granted or not. */
export function askRelease(c: Context): Done {
  const out: Output[] = [];
  if (c.next !== null) out.push(giveBack(c.next.claim));
  if (c.claim !== null) out.push(giveBack(c.claim));
  return { out };
}

const giveBack = (claim: ClaimOf): Output => tell(resource(claim.resourceId), 'claim.release', { claimId: claim.id });

export const released = (c: Context): Done => ({ set: { claim: c.claim === null ? null : { ...c.claim, phase: 'over' }, next: null } });

// ------------------------------------------------------------------------------------------------------------- reschedule

export function wishOf(c: Context, e: Reschedule): Wish | undefined {
  const when = startOf({ ...e, timeZone: e.timeZone ?? c.timeZone });
  if (!when.ok || c.claim === null) return undefined;
  const resourceId = e.resourceId ?? c.claim.resourceId;
  return {
    claim: { id: claimIdOf(c.id, c.attempt + 1, resourceId), resourceId, unit: NO_UNIT, phase: 'asked' },
    start: when.start,
    end: e.durationMin === undefined ? when.start + c.end - c.start : endOf(when.start, e.durationMin),
    timeZone: when.timeZone,
    localStart: when.localStart,
    reason: e.reason ?? null,
    by: from().id,
  };
}

export function isSame(c: Context, e: Reschedule): boolean {
  if (e.start === undefined && e.localStart === undefined) return false;
  const wish = wishOf(c, e);
  return wish !== undefined && wish.start === c.start && wish.end === c.end && wish.claim.resourceId === c.claim?.resourceId;
}

export function wish(c: Context, e: Reschedule): Done {
  const next = wishOf(c, e);
  if (next === undefined) throw new Error('a reschedule was accepted without a time');
  const set = { next, attempt: c.attempt + 1, refused: null };
  return { set, out: [accepted({ ...c, ...set }, false)] };
}

export const askNext = (c: Context): Done => (c.next === null ? {} : { out: [hold(c, c.next.claim, c.next.start, c.next.end, false)] });

export const nextGranted = (c: Context, e: { unit: number }): Done =>
  c.next === null ? {} : { set: { next: { ...c.next, claim: { ...c.next.claim, unit: e.unit, phase: 'sure' } } } };

/** At one resource old and new change places in one transition; between two, the new claim is confirmed before the old one is released. */
export function askSwap(c: Context): Done {
  if (c.next === null || c.claim === null) return {};
  const { claim } = c.next;
  if (claim.resourceId === c.claim.resourceId) {
    return { out: [tell(resource(claim.resourceId), 'claim.swap', { newClaimId: claim.id, oldClaimId: c.claim.id })] };
  }
  return { out: [tell(resource(claim.resourceId), 'claim.confirm', { claimId: claim.id })] };
}

export function move(c: Context): Done {
  if (c.next === null || c.claim === null) return {};
  const { claim, start, end, timeZone, localStart, reason, by } = c.next;
  const old = { resourceId: c.claim.resourceId, start: c.start, end: c.end };
  const sequence = c.sequence + 1;
  const change = { at: now(), by, kind: 'reschedule' as const, from: old, to: { resourceId: claim.resourceId, start, end }, reason };
  const next: Context = {
    ...c,
    claim,
    start,
    end,
    timeZone,
    localStart,
    next: null,
    sequence,
    rescheduleCount: c.rescheduleCount + 1,
    changes: { ...c.changes, [sequence]: change },
    updatedAt: now(),
  };
  const other = { resourceId: old.resourceId, start: isoOf(old.start), end: isoOf(old.end) };
  return {
    set: next,
    out: [
      ...(claim.resourceId === old.resourceId ? [] : [giveBack(c.claim)]),
      ...note(next, 'rescheduled', { other, ...(reason === null ? {} : { reason }) }),
    ],
  };
}

/** The original booking stays as it was. `release`: the new claim was asked for and may have been granted. */
export function stay(c: Context, refused: Refused, release: boolean): Done {
  if (c.next === null) return {};
  const other = { resourceId: c.next.claim.resourceId, start: isoOf(c.next.start), end: isoOf(c.next.end) };
  return {
    set: { next: null, refused, updatedAt: now() },
    out: [...(release ? [giveBack(c.next.claim)] : []), ...note(c, 'reschedule_failed', { other, reason: refused.reason ?? refused.code })],
  };
}

export const abandoned = (c: Context, code: string): Refused => ({ attempt: c.attempt, code, reason: null, conflicts: [] });

// ------------------------------------------------------------------------------------------------------ list and log

/** A new state that people see: sequence, row of the list, item of the log. `quiet`: the log has the matter already. */
export function enter(c: Context, state: BookingState, type: BookingItem['type'] | undefined): Done {
  const next: Context = { ...c, sequence: c.sequence + (type === undefined ? 0 : 1), listed: true, updatedAt: now() };
  const reason = type === 'cancelled' && c.cancelReason !== null ? { reason: c.cancelReason } : {};
  return {
    set: { sequence: next.sequence, listed: true, updatedAt: next.updatedAt },
    out: [row('bookings', 'put', bookingRow(next, state)), ...(type === undefined ? [] : note(next, type, reason))],
  };
}

/** End of a booking that nobody has seen in a list needs no row. */
export const leave = (c: Context, state: BookingState, type: BookingItem['type'] | undefined): Done =>
  c.listed ? enter(c, state, type) : { set: { updatedAt: now() } };

const note = (c: Context, type: BookingItem['type'], more: Partial<BookingItem> = {}): Output[] =>
  c.userId === '' ? [] : [tell(`user:${c.userId}`, 'booking.noted', { item: itemOf(c, type, now(), more) })];

// ---------------------------------------------------------------------------------------------------------------- inquiry

/** What became of a claim: only a claim that the booking still wants is alive. */
export function answerInquiry(c: Context, e: { claimId: string }): Done {
  const claim = [c.claim, c.next?.claim].find((x) => x?.id === e.claimId);
  const fate =
    claim === undefined || claim === null || claim.phase === 'over' ? 'aborted' : claim.phase === 'sure' ? 'confirmed' : 'pending';
  return from().kind === 'actor' ? { out: [tell(from().id, 'claim.answer', { claimId: e.claimId, answer: fate })] } : {};
}
