/** What a resource actor knows, and the pure functions of it that its statechart is made of. */
import { z } from 'zod';
import { allocate, usedPeak } from '../../calc/booking/allocate.ts';
import { isSlotAvailableWithDuration, STATE_WORDS, type Availability, type Calendar } from '../../calc/booking/availability.ts';
import { ALL_UNITS, allClaims, claimsIn, NO_UNIT, type Claim, type Days, type Entry } from '../../calc/booking/days.ts';
import { isOpen } from '../../calc/booking/opening.ts';
import { DAY, isoOf, MINUTE } from '../../calc/time/civil.ts';
import { longId } from '../../calc/uuid.ts';
import { ResourceConfig, type ConflictView, type ResourceStatus } from './schema.ts';

const Minutes = z.number().int();
const EntrySchema = z.tuple([Minutes, Minutes, z.number().int(), z.number().int(), z.enum(['h', 'c', 'b']), z.string()]);
const Buffered = z.tuple([...EntrySchema.def.items, Minutes, Minutes]);

export const ResourceContext = z.object({
  id: z.string(),
  /** integer that stands for the resource in `booking_claims`; 0 before creation */
  no: z.number().int(),
  config: ResourceConfig,
  rev: z.number().int(),
  /** active claims: day since 1970-01-01 UTC -> claim -> entry */
  days: z.record(z.string(), z.record(z.string(), EntrySchema.or(Buffered) as z.ZodType<Entry>)),
  /** held claims: claim -> [when to ask the coordinator, epoch minute of its start] */
  holds: z.record(z.string(), z.tuple([z.number(), z.number()])),
  /** claims that were released before their hold arrived -> when */
  gone: z.record(z.string(), z.number()),
  /** first local day whose utilization is not closed yet */
  openDay: z.number().int(),
  createdAt: z.number(),
});
export type ResourceContext = z.infer<typeof ResourceContext>;

/** Most active claims of one resource; beyond that, split it. */
export const MAX_CLAIMS = 4_000;
export const BACKSTOP_MS = 120_000;
const MAX_TOMBS = 1_000;

/** A claim as the coordinator asks for it. Times in epoch ms, without buffers. */
export const HoldRequest = z.strictObject({
  claimId: z.string().length(22),
  bookingId: z.uuid(),
  start: z.number().int(),
  end: z.number().int(),
  qty: z.number().int().min(1),
  before: z.number().int().min(0).default(0),
  after: z.number().int().min(0).default(0),
  backstopAt: z.number().int(),
  /** one-phase: grant it as confirmed */
  confirm: z.boolean().default(false),
});
export type HoldRequest = z.infer<typeof HoldRequest>;

export const calendarOf = (c: ResourceContext, status: ResourceStatus): Calendar => ({ status, rules: c.config, days: c.days });

/** A pool counts seats; a unit is taken by one party, whatever its size. */
const seatsOf = (c: ResourceContext, party: number): number => (c.config.capacityMode === 'pool' ? party : 1);

/** Section 4.1 on this resource alone. A booking's own claims never stand in its way. */
export function check(
  c: ResourceContext,
  status: ResourceStatus,
  q: { start: number; durationMin: number; qty?: number; before?: number; after?: number; bookingId?: string | undefined },
  now: number,
): Availability {
  return isSlotAvailableWithDuration((id) => (id === c.id ? calendarOf(c, status) : undefined), c.id, q.start, q.durationMin, {
    now,
    qty: seatsOf(c, q.qty ?? 1),
    bufferBeforeMin: q.before ?? 0,
    bufferAfterMin: q.after ?? 0,
    ...(q.bookingId === undefined ? {} : { ignoreBookingId: q.bookingId }),
  });
}

export const checkHold = (c: ResourceContext, r: HoldRequest, now: number): Availability =>
  check(c, 'active', { ...r, durationMin: (r.end - r.start) / MINUTE }, now);

/** The claim that a hold becomes; undefined when no unit is free. */
export function place(c: ResourceContext, r: HoldRequest): Claim | undefined {
  const span = [r.start / MINUTE - r.before, r.end / MINUTE + r.after] as const;
  const unit = c.config.capacityMode === 'pool' ? NO_UNIT : allocate(c.config, c.days, span, { ignoreBookingId: r.bookingId });
  if (unit === undefined) return undefined;
  const { claimId, bookingId, before, after } = r;
  const qty = seatsOf(c, r.qty);
  return { claimId, bookingId, s: span[0], e: span[1], unit, qty, state: r.confirm ? 'c' : 'h', before, after };
}

export const countClaims = (days: Days): number => {
  let n = 0;
  for (const _ of allClaims(days)) n += 1;
  return n;
};

/** With one more tombstone; the oldest go first. */
export function withTomb(gone: ResourceContext['gone'], claimId: string, at: number): ResourceContext['gone'] {
  const kept = Object.entries(gone).sort((a, b) => a[1] - b[1]);
  return { ...Object.fromEntries(kept.slice(Math.max(0, kept.length - MAX_TOMBS + 1))), [claimId]: at };
}

/** A claim's row of `booking_claims`. Blocks of the whole resource and pool claims have no unit and escape the exclusion constraint. */
export function claimRow(c: ResourceContext, claim: Claim): object {
  return {
    claim_id: longId(claim.claimId),
    resource_no: c.no,
    booking_id: claim.bookingId,
    unit: claim.unit === ALL_UNITS || claim.unit === NO_UNIT ? null : claim.unit,
    qty: claim.qty,
    during: `[${isoOf(claim.s * MINUTE)},${isoOf(claim.e * MINUTE)})`,
    state: STATE_WORDS[claim.state],
    purpose: purposeOf(claim),
  };
}

export const claimChange = (claim: Claim, state: 'confirmed' | 'released' | 'done'): object => ({
  claim_id: longId(claim.claimId),
  state,
  purpose: purposeOf(claim),
});

const purposeOf = (claim: Claim): string => (claim.state === 'b' ? 'block' : 'booking');

/** Claims that ended more than a day ago; they leave the state and stay in the table. */
export const pastClaims = (days: Days, now: number, most: number): Claim[] => {
  const out: Claim[] = [];
  for (const claim of allClaims(days)) if (out.length < most && claim.e * MINUTE < now - DAY && claim.state !== 'h') out.push(claim);
  return out;
};

/** Bookings that a new configuration leaves outside opening hours or above a lowered capacity. They are kept. */
export function strandedBy(c: ResourceContext, config: ResourceConfig, now: number): ConflictView[] {
  const out: ConflictView[] = [];
  for (const claim of allClaims(c.days)) {
    if (claim.state === 'b' || claim.e * MINUTE <= now) continue;
    const open = isOpen(config, (claim.s + claim.before) * MINUTE, (claim.e - claim.after) * MINUTE);
    const fits =
      config.capacityMode === 'pool'
        ? usedPeak(c.days, config.capacity, [claim.s, claim.e]) <= config.capacity
        : claim.unit < config.capacity;
    if (!open || !fits) out.push(conflictOf(claim));
  }
  return out.sort((a, b) => (a.s < b.s ? -1 : 1)).slice(0, 100);
}

export const conflictOf = (claim: Claim): ConflictView => ({
  s: isoOf(claim.s * MINUTE),
  e: isoOf(claim.e * MINUTE),
  state: STATE_WORDS[claim.state],
  bookingId: claim.bookingId,
});

export const claimsBetween = (days: Days, start: number, end: number): Claim[] =>
  claimsIn(days, [Math.floor(start / MINUTE), Math.ceil(end / MINUTE)]);

/** Longest time until the first hold has to be asked about, ms; undefined without holds. */
export function backstopIn(c: ResourceContext, now: number): number | undefined {
  const dues = Object.values(c.holds).map(([due]) => due);
  return dues.length === 0 ? undefined : Math.max(1, Math.min(...dues) - now);
}
