/** Bookings, availability and resources over HTTP (booking.md 10). */
import type { Knex } from 'knex';
import { z } from 'zod';
import { bookingIdOf, startOf } from '../../../machines/booking/booking.state.ts';
import type { Outcome } from '../../../machines/booking/kind.ts';
import {
  AvailabilityResult,
  BookingRequest,
  BookingView,
  Cancel,
  ConflictView,
  fingerprintOf,
  Instant,
  Reschedule,
  ResourceId,
  type Accepted,
} from '../../../machines/booking/schema.ts';
import { AvailabilityView, Range } from '../../../machines/booking/views.ts';
import { DAY, instantOf } from '../../../calc/time/civil.ts';
import { KernelProblem } from '../../../actors/errors.ts';
import type { Clock, Json } from '../../../actors/types.ts';
import type { Settler } from '../../booking/settle.ts';
import { listBookings } from '../../db/models/booking.ts';
import type { NewId } from '../../ids.ts';
import { isProblem, Problem, problems } from '../../problems.ts';
import type { ProblemCode } from '../../problems.ts';
import { CursorTime, readCursor, writeCursor } from '../cursor.ts';
import { answer, route } from '../route.ts';
import type { Answer, Route, RouteContext } from '../route.ts';

export interface BookingDeps {
  readonly knex: Knex;
  readonly clock: Clock;
  readonly newId: NewId;
  readonly settler: Settler;
}

const TAG = 'booking';
export const RENAME = { resource_id: 'resourceId' };
const WAIT_MS = 10_000;
const INCOMPLETE_MS = 500;
const MAX_SPAN = 62 * DAY;

/** `/v1/booking/x` answers under the product list's own name and under the short one too. */
export const names = (path: string): { path: string; aliases: string[] } => ({
  path: `/v1/booking${path}`,
  aliases: [`/v1${path}`, `/api/booking${path}`],
});

const ONE = { params: z.object({ id: z.uuid() }), tag: TAG } as const;
const UNAVAILABLE = [
  'SLOT_UNAVAILABLE',
  'CLAIM_CONFLICT',
  'RESOURCE_SUSPENDED',
  'RESOURCE_RETIRED',
  'RESOURCE_CLAIM_LIMIT',
  'RESOURCE_NOT_FOUND',
  'INVALID_DURATION',
  'INVALID_GRANULARITY',
  'IN_PAST',
  'MIN_NOTICE',
  'BEYOND_HORIZON',
  'OFF_GRID',
  'OUTSIDE_OPENING_HOURS',
  'NONEXISTENT_LOCAL_TIME',
  'AMBIGUOUS_LOCAL_TIME',
  'UNKNOWN_TIME_ZONE',
] as const satisfies readonly ProblemCode[];

const Listed = z.object({
  resourceId: ResourceId.optional(),
  userId: z.string().max(64).optional().describe('staff only'),
  state: z.string().max(40).optional().describe('such as `confirmed` or `confirmed.upcoming`'),
  from: Instant.optional().describe('starts at or after'),
  to: Instant.optional().describe('starts before'),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(100).optional(),
});
const BookingPage = z.strictObject({ items: z.array(BookingView), nextCursor: z.string().optional() });

const many = <T extends z.ZodType>(item: T) =>
  z.preprocess((v) => (v === undefined || Array.isArray(v) ? v : [v]), z.array(item).max(50).optional());
const SlotsQuery = z.object({
  resourceId: many(ResourceId).describe('one or several, default primary'),
  durationMin: z.coerce.number().int().min(1).max(44_640),
  from: Instant,
  to: Instant,
  qty: z.coerce.number().int().min(1).optional(),
  timeZone: z.string().max(64).optional().describe('of localStart; default that of the resource'),
  limit: z.coerce.number().int().min(1).max(2_000).default(500),
});
const Slots = z.strictObject({
  slots: z.array(
    z.strictObject({
      start: Instant,
      end: Instant,
      localStart: z.string(),
      resourceIdsFree: z.array(z.string()),
      unitsFree: z.number().int(),
    }),
  ),
  asOf: z.record(z.string(), z.number().int()).describe('sequence number of each resource read'),
  complete: z.boolean(),
  incomplete: z.array(z.string()),
});

/** @throws Problem `missing` instead of NOT_FOUND */
export async function orMissing<T>(missing: ProblemCode, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (isProblem(error) && error.code === 'NOT_FOUND') throw new Problem(missing, undefined, undefined, { cause: error });
    throw error;
  }
}

/** The problem that a reason of section 4.1 is. */
function refusal(reason: string | undefined, conflicts: Json | undefined): Problem {
  const taken = reason === undefined || reason === 'overlap' || reason === 'capacity';
  const code = taken ? 'SLOT_UNAVAILABLE' : reason.toUpperCase();
  return new Problem((code in problems ? code : 'SLOT_UNAVAILABLE') as ProblemCode, undefined, {
    reason: reason ?? 'overlap',
    ...(conflicts === undefined ? {} : { conflicts }),
  });
}

const refusedBy = ({ code, reason, conflicts }: NonNullable<Outcome['refused']>): Problem =>
  new Problem((code in problems ? code : 'UNAVAILABLE') as ProblemCode, undefined, {
    ...(reason === null ? {} : { reason }),
    ...(conflicts.length === 0 ? {} : { conflicts: ConflictView.array().parse(conflicts) as Json }),
  });

const UNDER_WAY: readonly string[] = [
  'acquiring',
  'confirming',
  'releasing',
  'cancelling',
  'rescheduling.acquiring',
  'rescheduling.swapping',
];

type Context = Pick<RouteContext, 'ask' | 'read' | 'caller' | 'key' | 'idempotencyKey'>;

export function bookingRoutes({ knex, clock, newId, settler }: BookingDeps): Route[] {
  const read = async (c: Pick<Context, 'read'>, id: string, fingerprint?: string): Promise<Outcome & { seq: number }> => {
    const { body, seq } = await c.read(`booking:${id}`, 'outcome', fingerprint === undefined ? {} : { fingerprint });
    return { ...(body as unknown as Outcome), seq: seq ?? 0 };
  };
  const find = async (c: Pick<Context, 'read'>, id: string, fingerprint: string): Promise<(Outcome & { seq: number }) | undefined> => {
    try {
      return await read(c, id, fingerprint);
    } catch (error) {
      if (isProblem(error) && error.code === 'NOT_FOUND') return undefined;
      throw error;
    }
  };
  /** The booking at rest, or as it is when the time is over. */
  const settled = async (c: Pick<Context, 'read'>, id: string): Promise<Outcome & { seq: number }> => {
    const rest = async (): Promise<(Outcome & { seq: number }) | undefined> => {
      const now = await read(c, id);
      return UNDER_WAY.includes(now.state) ? undefined : now;
    };
    return (await settler.settled(`booking:${id}/status`, rest, WAIT_MS)) ?? read(c, id);
  };
  const shown = (o: Outcome & { seq: number }, dup: boolean): Answer => {
    const waits = o.state.startsWith('held') || UNDER_WAY.includes(o.state);
    return answer(o.booking, {
      status: waits ? 202 : 201,
      seq: o.seq,
      ...(dup ? { dup } : {}),
      headers: { location: `/v1/booking/bookings/${o.booking.bookingId}` },
    });
  };

  const request = async (c: Context & { readonly body: BookingRequest }): Promise<Answer> => {
    const id = c.idempotencyKey === undefined ? newId() : bookingIdOf(c.caller.id, c.idempotencyKey);
    const before = c.idempotencyKey === undefined ? undefined : await find(c, id, fingerprintOf(c.body));
    if (before !== undefined && before.state !== 'rejected') {
      if (!before.same) throw new Problem('IDEMPOTENCY_MISMATCH');
      const now = await settled(c, id);
      if (now.state === 'acquiring') throw new Problem('IDEMPOTENCY_IN_PROGRESS', undefined, undefined, { retryAfterMs: 1_000 });
      if (now.state === 'rejected' && now.refused !== null) throw refusedBy(now.refused);
      return shown(now, true);
    }

    const when = startOf(c.body);
    if (!when.ok) throw new Problem(when.code, undefined, when.details as Json);
    const { resourceId, durationMin, party } = c.body;
    const query = { start: when.start, durationMin, qty: party, bookingId: id };
    const { body } = await orMissing('RESOURCE_NOT_FOUND', c.read(`resource:${resourceId}`, 'check', query));
    const free = body as unknown as AvailabilityResult;
    if (!free.available) throw refusal(free.reason, free.conflicts);

    // a key of its own for each attempt: the booking itself knows whether the request is the same
    const taken = (await c.ask(`booking:${id}`, { type: 'booking.request', ...c.body }, { key: newId() })).body as unknown as Accepted;
    const now = await settled(c, id);
    if (now.state === 'rejected' && now.refused !== null) throw refusedBy(now.refused);
    return shown(now, taken.replayed);
  };

  const present = (o: Outcome & { seq: number }, dup?: boolean): Answer =>
    answer(o.booking, { seq: o.seq, ...(dup === true ? { dup } : {}) });

  return [
    route({
      method: 'POST',
      ...names('/bookings'),
      auth: 'user',
      tag: TAG,
      summary: 'Books a resource, or holds it until it is confirmed',
      idempotent: true,
      rename: RENAME,
      body: BookingRequest,
      reply: { 201: BookingView, 202: BookingView },
      problems: [...UNAVAILABLE, 'IDEMPOTENCY_MISMATCH', 'IDEMPOTENCY_IN_PROGRESS', 'INVALID_IDEMPOTENCY_KEY'],
      run: request,
    }),
    route({
      method: 'GET',
      ...names('/bookings'),
      auth: 'user',
      tag: TAG,
      summary: 'Own bookings, the latest start first; staff see those of everybody',
      rename: RENAME,
      query: Listed,
      reply: { 200: BookingPage },
      run: async ({ query: q, caller }) => {
        const staff = caller.roles.includes('staff') || caller.roles.includes('admin');
        const items = await listBookings(knex, {
          userId: staff ? q.userId : caller.id,
          resourceId: q.resourceId,
          state: q.state,
          from: q.from === undefined ? undefined : instantOf(q.from),
          to: q.to === undefined ? undefined : instantOf(q.to),
          after: after(q.cursor),
          limit: q.limit + 1,
        });
        const page = items.slice(0, q.limit);
        const last = page.at(-1);
        return answer({
          items: page,
          ...(items.length > q.limit && last !== undefined ? { nextCursor: writeCursor([instantOf(last.start), last.bookingId]) } : {}),
        });
      },
    }),
    route({
      method: 'GET',
      ...names('/bookings/:id'),
      ...ONE,
      auth: 'user',
      summary: 'One booking as it now is',
      reply: { 200: BookingView },
      problems: ['BOOKING_NOT_FOUND'],
      run: async (c) => present(await orMissing('BOOKING_NOT_FOUND', read(c, c.params.id))),
    }),
    route({
      method: 'POST',
      ...names('/bookings/:id/confirm'),
      ...ONE,
      auth: 'user',
      summary: 'Confirms a held booking',
      idempotent: true,
      ifMatch: true,
      reply: { 200: BookingView },
      problems: ['BOOKING_NOT_FOUND', 'HOLD_EXPIRED', 'NOT_ALLOWED', 'PARTICIPANT_LOST', 'SEQ_MISMATCH'],
      run: async (c) => {
        const { id } = c.params;
        const done = await attempt(c.ask(`booking:${id}`, { type: 'booking.confirm' }));
        const now = await orMissing('BOOKING_NOT_FOUND', settled(c, id));
        if (now.state.startsWith('confirmed') || now.state === 'confirming') return present(now, done instanceof Problem);
        if (now.state === 'expired') throw new Problem('HOLD_EXPIRED');
        if (now.state === 'rejected' && now.refused !== null) throw refusedBy(now.refused);
        if (done instanceof Problem) throw done;
        return present(now);
      },
    }),
    route({
      method: 'POST',
      ...names('/bookings/:id/reschedule'),
      ...ONE,
      auth: 'user',
      summary: 'Moves a booking to another time or resource; if that fails it stays where it was',
      idempotent: true,
      ifMatch: true,
      rename: RENAME,
      body: Reschedule,
      reply: { 200: BookingView },
      problems: [...UNAVAILABLE, 'BOOKING_NOT_FOUND', 'NO_CHANGE', 'NOT_ALLOWED', 'SEQ_MISMATCH', 'TIMEOUT'],
      run: async (c) => {
        const { id } = c.params;
        const asked = await orMissing('BOOKING_NOT_FOUND', c.ask(`booking:${id}`, { type: 'booking.reschedule', ...c.body }));
        const now = await settled(c, id);
        if (now.refused !== null && now.refused.attempt === (asked.body as unknown as Accepted).attempt) throw refusedBy(now.refused);
        return present(now, asked.dup);
      },
    }),
    route({
      method: 'POST',
      ...names('/bookings/:id/cancel'),
      ...ONE,
      auth: 'user',
      summary: 'Cancels a booking; a cancelled one stays cancelled',
      idempotent: true,
      ifMatch: true,
      body: Cancel,
      reply: { 200: z.strictObject({ booking: BookingView }) },
      problems: ['BOOKING_NOT_FOUND', 'NOT_ALLOWED', 'SEQ_MISMATCH'],
      run: async (c) => {
        const { id } = c.params;
        const done = await attempt(c.ask(`booking:${id}`, { type: 'booking.cancel', ...c.body }));
        const now = await orMissing('BOOKING_NOT_FOUND', settled(c, id));
        if (done instanceof Problem && now.state !== 'cancelled') throw done;
        return answer({ booking: now.booking }, { seq: now.seq, ...(done instanceof Problem ? { dup: true } : {}) });
      },
    }),

    route({
      method: 'GET',
      ...names('/availability'),
      auth: 'none',
      tag: TAG,
      summary: 'Whether a resource is free at a time, and if not, why',
      rename: RENAME,
      query: z.object({
        resourceId: ResourceId.default('primary'),
        start: Instant,
        durationMin: z.coerce.number(),
        qty: z.coerce.number().int().min(1).max(10_000).optional(),
      }),
      reply: { 200: AvailabilityResult },
      problems: ['RESOURCE_NOT_FOUND'],
      run: ({ query: { resourceId, start, durationMin, qty }, read: ask }) =>
        orMissing(
          'RESOURCE_NOT_FOUND',
          ask(`resource:${resourceId}`, 'check', { start: instantOf(start), durationMin, ...(qty === undefined ? {} : { qty }) }),
        ),
    }),
    route({
      method: 'GET',
      ...names('/slots'),
      auth: 'none',
      tag: TAG,
      summary: 'Times at which one of the resources can be booked',
      rename: RENAME,
      query: SlotsQuery,
      reply: { 200: Slots },
      problems: ['RESOURCE_NOT_FOUND', 'INVALID_RANGE', 'UNKNOWN_TIME_ZONE'],
      run: async (c) => {
        const { resourceId = ['primary'], limit, from, to, ...rest } = c.query;
        const span = { from: instantOf(from), to: instantOf(to) };
        if (span.from >= span.to || span.to - span.from > MAX_SPAN)
          throw new Problem('INVALID_RANGE', 'from must lie before to, by at most 62 days');
        if (rest.timeZone !== undefined && !startOf({ start: from, timeZone: rest.timeZone }).ok) throw new Problem('UNKNOWN_TIME_ZONE');
        const asked = { ...JSON.parse(JSON.stringify(rest)), ...span, limit } as object;
        const ids = [...new Set(resourceId)];
        const found = await Promise.all(
          ids.map((id) => within(clock, INCOMPLETE_MS, orMissing('RESOURCE_NOT_FOUND', c.read(`resource:${id}`, 'slots', asked)))),
        );
        return answer(mergeSlots(ids, found, limit));
      },
    }),
    route({
      method: 'GET',
      path: '/v1/booking/resources/:id/availability',
      aliases: ['/v1/resources/:id/availability', '/api/booking/resources/:id/availability'],
      auth: 'none',
      tag: TAG,
      summary: 'Opening hours and busy times of some days; the view of the topic `resource:{id}/availability`',
      query: Range,
      reply: { 200: AvailabilityView },
      problems: ['RESOURCE_NOT_FOUND'],
      run: (c) => orMissing('RESOURCE_NOT_FOUND', c.read(`resource:${c.params.id}`, 'availability', c.query)),
    }),
  ];
}

/** The answer, or the refusal as a value where the state decides what it means. */
async function attempt(work: Promise<Answer<Json>>): Promise<Answer<Json> | Problem> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Problem && error.code === 'NOT_ALLOWED') return error;
    if (error instanceof KernelProblem || (error instanceof Problem && error.code === 'NOT_FOUND'))
      return orMissing('BOOKING_NOT_FOUND', Promise.reject(error));
    throw error;
  }
}

/** undefined when it takes longer. */
async function within<T>(clock: Clock, ms: number, work: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<Clock['setTimer']> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = clock.setTimer(ms, () => resolve(undefined));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    if (timer !== undefined) clock.clearTimer(timer);
  }
}

function mergeSlots(ids: readonly string[], found: readonly (Answer<Json> | undefined)[], limit: number): z.output<typeof Slots> {
  const asOf: Record<string, number> = {};
  const incomplete: string[] = [];
  const byStart = new Map<string, z.output<typeof Slots>['slots'][number]>();
  for (const [i, id] of ids.entries()) {
    const one = found[i];
    if (one === undefined) {
      incomplete.push(id);
      continue;
    }
    asOf[id] = one.seq ?? 0;
    for (const s of (one.body as { slots: { start: string; end: string; localStart: string; unitsFree: number }[] }).slots) {
      const known = byStart.get(s.start);
      byStart.set(s.start, {
        ...s,
        resourceIdsFree: [...(known?.resourceIdsFree ?? []), id],
        unitsFree: (known?.unitsFree ?? 0) + s.unitsFree,
      });
    }
  }
  const slots = [...byStart.values()].sort((a, b) => (a.start < b.start ? -1 : 1)).slice(0, limit);
  return { slots, asOf, complete: incomplete.length === 0, incomplete };
}

const Place = z.tuple([CursorTime, z.uuid()]);

function after(cursor: string | undefined): { start: number; id: string } | undefined {
  if (cursor === undefined) return undefined;
  const [start, id] = readCursor(Place, cursor);
  return { start, id };
}
