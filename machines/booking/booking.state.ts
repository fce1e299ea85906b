/** What a booking actor knows, and how it is shown. */
import { z } from 'zod';
import { personal } from '../../actors/define.ts';
import { instantOf, isoOf, isTimeZone, localTime, MINUTE, resolveLocal } from '../../calc/time/civil.ts';
import { shortId, URL_NAMESPACE, uuid5 } from '../../calc/uuid.ts';
import { BookingState, ConflictView, type BookingItem, type BookingView, type Reschedule } from './schema.ts';

/** `asked`: the hold is under way · `held` · `sure`: confirmed, or decided to be · `over`: released or never granted */
const Phase = z.enum(['asked', 'held', 'sure', 'over']);

const Claim = z.object({ id: z.string(), resourceId: z.string(), unit: z.number().int().nullable(), phase: Phase });
const Wish = z.object({
  claim: Claim,
  start: z.number(),
  end: z.number(),
  timeZone: z.string(),
  localStart: z.string(),
  reason: z.string().meta(personal).nullable(),
  by: z.string(),
});
const Change = z.object({
  at: z.number(),
  by: z.string(),
  kind: z.literal('reschedule'),
  from: z.object({ resourceId: z.string(), start: z.number(), end: z.number() }),
  to: z.object({ resourceId: z.string(), start: z.number(), end: z.number() }),
  reason: z.string().meta(personal).nullable(),
});

export const Refused = z.object({
  attempt: z.number().int(),
  code: z.string(),
  reason: z.string().nullable(),
  conflicts: z.array(ConflictView),
});
export type Refused = z.infer<typeof Refused>;

export const BookingContext = z.object({
  id: z.string(),
  /** user whose booking it is */
  userId: z.string(),
  /** the request in canonical text: the same key must bring the same */
  fingerprint: z.string(),
  source: z.string().nullable(),
  start: z.number(),
  end: z.number(),
  timeZone: z.string(),
  localStart: z.string(),
  party: z.number().int(),
  holdOnly: z.boolean(),
  holdTtlS: z.number().int(),
  /** number of the last acquisition */
  attempt: z.number().int(),
  claim: Claim.nullable(),
  /** where a reschedule under way wants to go */
  next: Wish.nullable(),
  expiresAt: z.number().nullable(),
  /** what `releasing` ends in */
  outcome: z.enum(['rejected', 'expired', 'cancelled']),
  refused: Refused.nullable(),
  /** a cancellation that has to wait for a decision that is already made */
  pendingCancel: z.boolean(),
  cancelledBy: z.string().nullable(),
  cancelReason: z.string().meta(personal).nullable(),
  sequence: z.number().int(),
  rescheduleCount: z.number().int(),
  changes: z.record(z.string(), Change),
  /** the row of the list exists: from the first hold on */
  listed: z.boolean(),
  createdAt: z.number(),
  updatedAt: z.number(),
});
export type BookingContext = z.infer<typeof BookingContext>;
export type ClaimOf = z.infer<typeof Claim>;
export type Wish = z.infer<typeof Wish>;

export const newBooking = (id: string): BookingContext => ({
  id,
  userId: '',
  fingerprint: '',
  source: null,
  start: 0,
  end: 0,
  timeZone: 'UTC',
  localStart: '',
  party: 1,
  holdOnly: false,
  holdTtlS: 600,
  attempt: 0,
  claim: null,
  next: null,
  expiresAt: null,
  outcome: 'rejected',
  refused: null,
  pendingCancel: false,
  cancelledBy: null,
  cancelReason: null,
  sequence: 0,
  rescheduleCount: 0,
  changes: {},
  listed: false,
  createdAt: 0,
  updatedAt: 0,
});

type When = Partial<Pick<Reschedule, 'start' | 'localStart' | 'timeZone' | 'disambiguation'>>;

export type Started =
  | { readonly ok: true; readonly start: number; readonly timeZone: string; readonly localStart: string }
  | {
      readonly ok: false;
      readonly code: 'NONEXISTENT_LOCAL_TIME' | 'AMBIGUOUS_LOCAL_TIME' | 'UNKNOWN_TIME_ZONE';
      readonly details: object;
    };

/** The instant that a request names, with the wall clock intent that is kept beside it. */
export function startOf(q: When): Started {
  const zone = q.timeZone ?? 'UTC';
  if (!isTimeZone(zone)) return { ok: false, code: 'UNKNOWN_TIME_ZONE', details: { timeZone: zone } };
  if (q.start !== undefined) {
    const start = instantOf(q.start);
    return { ok: true, start, timeZone: zone, localStart: localTime(zone, start).slice(0, 19) };
  }
  const found = resolveLocal(zone, q.localStart ?? '1970-01-01T00:00', q.disambiguation);
  if (found.ok) return { ok: true, start: found.at, timeZone: zone, localStart: localTime(zone, found.at).slice(0, 19) };
  return { ok: false, code: found.code, details: { candidates: found.candidates.map(isoOf) } };
}

/** End of a booking; a duration that is no number of minutes reaches the resource as it is and is refused there. */
export const endOf = (start: number, durationMin: number): number => start + durationMin * MINUTE;

const PRODUCT = 'thrum';
const idFrom = (what: string, ...parts: readonly string[]): string => uuid5(URL_NAMESPACE, [`${PRODUCT}:${what}`, ...parts].join('\n'));

/** The booking that a principal's idempotency key stands for (booking.md 10.2); without end, because the key never expires. */
export const bookingIdOf = (principalId: string, key: string): string => idFrom('booking', principalId, key);

/** The same for a block of a resource. */
export const blockIdOf = (resourceId: string, principalId: string, key: string): string => idFrom('block', resourceId, principalId, key);

/** The same booking and attempt always ask under the same claim id. */
export const claimIdOf = (bookingId: string, attempt: number, resourceId: string): string =>
  shortId(uuid5(bookingId, `${attempt}:primary:${resourceId}`));

/** State without the regions: `confirmed.upcoming`. */
export function stateOf(value: unknown): BookingState {
  const life = typeof value === 'object' && value !== null && 'life' in value ? value.life : 'new';
  const text = typeof life === 'string' ? life : Object.entries(life as Record<string, string>).map(([a, b]) => `${a}.${b}`)[0];
  return BookingState.parse(text);
}

export function viewOf(c: BookingContext, state: BookingState): BookingView {
  return {
    bookingId: c.id,
    resourceId: c.claim?.resourceId ?? 'primary',
    userId: c.userId,
    state,
    start: isoOf(c.start),
    end: isoOf(c.end),
    durationMin: (c.end - c.start) / MINUTE,
    timeZone: c.timeZone,
    localStart: c.localStart,
    party: c.party,
    ...(c.claim?.unit === null || c.claim?.unit === undefined || c.claim.unit < 0 ? {} : { unit: c.claim.unit }),
    ...(state === 'held.open' && c.expiresAt !== null ? { expiresAt: isoOf(c.expiresAt) } : {}),
    sequence: c.sequence,
    rescheduleCount: c.rescheduleCount,
    ...(c.next === null ? {} : { next: { resourceId: c.next.claim.resourceId, start: isoOf(c.next.start), end: isoOf(c.next.end) } }),
    ...(c.refused === null ? {} : { refusal: refusalView(c.refused) }),
    ...(c.source === null ? {} : { source: c.source }),
    createdAt: isoOf(c.createdAt),
    updatedAt: isoOf(c.updatedAt),
  };
}

const refusalView = (r: Refused): NonNullable<BookingView['refusal']> => ({
  code: r.code,
  ...(r.reason === null ? {} : { reason: r.reason }),
  ...(r.conflicts.length === 0 ? {} : { conflicts: r.conflicts }),
});

/** Row of the list `bookings`. */
export const bookingRow = (c: BookingContext, state: BookingState): object => ({
  booking_id: c.id,
  resource_id: c.claim?.resourceId ?? 'primary',
  user_id: c.userId,
  start_at: c.start,
  end_at: c.end,
  time_zone: c.timeZone,
  state,
  sequence: c.sequence,
  doc: viewOf(c, state),
  created_at: c.createdAt,
  updated_at: c.updatedAt,
});

export const itemOf = (c: BookingContext, type: BookingItem['type'], at: number, more: Partial<BookingItem> = {}): BookingItem => ({
  type,
  bookingId: c.id,
  resourceId: c.claim?.resourceId ?? 'primary',
  start: isoOf(c.start),
  end: isoOf(c.end),
  sequence: c.sequence,
  at: isoOf(at),
  ...more,
});
