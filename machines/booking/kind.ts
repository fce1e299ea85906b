import { z } from 'zod';
import type { ActorRef, Principal, Snap } from '../../actors/define.ts';
import { command, companion, defineActor, defineTopic, personal, platformOnly, query } from '../../actors/define.ts';
import { freeSlots, MAX_SLOTS } from '../../calc/booking/slots.ts';
import { isoOf } from '../../calc/time/civil.ts';
import { AlertItem, alertFacts } from '../anomaly/schema.ts';
import { bookingMachine } from './booking.machine.ts';
import { BookingContext, Refused, stateOf, viewOf } from './booking.state.ts';
import { resourceMachine } from './resource.machine.ts';
import { allClaims } from '../../calc/booking/days.ts';
import { calendarOf, check, claimRow, HoldRequest, ResourceContext } from './resource.state.ts';
import {
  Accepted,
  AvailabilityResult,
  BookingRequest,
  BookingState,
  BookingView,
  Cancel,
  ConflictView,
  Nothing,
  Reschedule,
  ResourceConfig,
  ResourcePatch,
  ResourceView,
  type ResourceStatus,
} from './schema.ts';
import { viewOf as resourceViewOf } from './resource.steps.ts';
import { AvailabilityView, availabilityView, Range, ScheduleView, scheduleView } from './views.ts';

/** What a booking and its resource tell each other: committed with what makes them say it, where both are at hand. */
const told = (input: z.ZodType, rejects: string[] = []) => command({ input, reply: z.null(), rejects, allow: platformOnly, fuse: true });

export const isStaff = (p: Principal): boolean => platformOnly(p) || p.roles.includes('staff') || p.roles.includes('admin');

// --------------------------------------------------------------------------------------------------------------- resource

const statusOf = (s: Snap<ResourceContext>): ResourceStatus => (s.value === 'suspended' || s.value === 'retired' ? s.value : 'active');
const ClaimId = z.string().length(22);
const Reason = z.strictObject({ reason: z.string().max(200).meta(personal).optional() });

const claimRefusals = [
  'SLOT_UNAVAILABLE',
  'RESOURCE_CLAIM_LIMIT',
  'CLAIM_CONFLICT',
  'INVALID_DURATION',
  'INVALID_GRANULARITY',
  'RESOURCE_SUSPENDED',
  'RESOURCE_RETIRED',
  'IN_PAST',
  'MIN_NOTICE',
  'BEYOND_HORIZON',
  'OFF_GRID',
  'OUTSIDE_OPENING_HOURS',
];

const CheckQuery = z.strictObject({
  start: z.number().int(),
  durationMin: z.number(),
  qty: z.number().int().min(1).optional(),
  bookingId: z.string().optional(),
});
const SlotsQuery = z.strictObject({
  from: z.number().int(),
  to: z.number().int(),
  durationMin: z.number().int().min(1).max(44_640),
  qty: z.number().int().min(1).optional(),
  limit: z.number().int().min(1).max(MAX_SLOTS).optional(),
  timeZone: z.string().optional(),
});
const SlotView = z.strictObject({ start: z.string(), end: z.string(), localStart: z.string(), unitsFree: z.number().int() });

/** Claims under the exclusion constraint (booking.md 12). */
export const claims = companion<ResourceContext>({
  table: 'booking_claims',
  key: ['claim_id'],
  mode: 'guarded',
  columns: {
    claim_id: 'uuid',
    resource_no: 'int',
    booking_id: 'uuid',
    unit: 'smallint?',
    qty: 'smallint',
    during: 'tstzrange',
    state: 'text',
    purpose: 'text',
  },
  frozen: ['resource_no', 'booking_id', 'unit', 'qty', 'during'],
  stamp: { seq: 'actor_seq' },
  refuse: { code: 'CLAIM_CONFLICT', alarm: true },
  erase: 'keep',
  of: (s) => ({ resource_no: s.context.no }),
  audit: {
    rows: (s) => [...allClaims(s.context.days)].map((c) => claimRow(s.context, c)),
    where: "state in ('held','confirmed','blocked')",
  },
});

const resources = companion<ResourceContext>({
  table: 'resources',
  key: ['resource_id'],
  mode: 'upsert',
  columns: {
    resource_id: 'text',
    resource_no: 'int',
    name: 'text',
    kind: 'text',
    time_zone: 'text',
    capacity: 'int',
    capacity_mode: 'text',
    config: 'jsonb',
    rev: 'int',
    status: 'text',
    created_at: 'timestamptz',
    updated_at: 'timestamptz',
  },
  stamp: { actor: 'actor_id', seq: 'actor_seq' },
});

/** Use of each local day, kept up with every change of a claim until the day is over (forecast-anomaly 2.1). */
const utilization = companion<ResourceContext>({
  table: 'utilization_buckets',
  key: ['resource_id', 'bucket', 't'],
  mode: 'upsert',
  columns: {
    resource_id: 'text',
    bucket: 'text',
    t: 'timestamptz',
    avail_min: 'int',
    booked_seat_min: 'int',
    extra_seat_min: 'int',
    updated_at: 'timestamptz',
  },
  stamp: { actor: 'actor_id', seq: 'actor_seq' },
});

const availability = defineTopic({
  subject: 'resource',
  view: 'availability',
  kind: 'state',
  version: 1,
  schema: AvailabilityView,
  query: Range,
  public: true,
  project: (s, q) => availabilityView(s.context as ResourceContext, statusOf(s), q as Range),
  authorize: () => true,
  maxBytes: 131_072,
});

const schedule = defineTopic({
  subject: 'resource',
  view: 'schedule',
  kind: 'state',
  version: 1,
  schema: ScheduleView,
  query: Range,
  project: (s, q) => scheduleView(s.context as ResourceContext, statusOf(s), q as Range),
  authorize: isStaff,
  maxBytes: 262_144,
});

const anomalies = defineTopic({
  subject: 'resource',
  view: 'anomalies',
  kind: 'log',
  version: 1,
  item: AlertItem,
  authorize: isStaff,
  retainDays: 365,
  retainItems: 10_000,
});

const staffOnly = (p: Principal): boolean => isStaff(p);

/** Something that can be booked: `resource:{resourceId}`. */
export const resource = defineActor<ResourceContext>({
  kind: 'resource',
  version: 1,
  machine: resourceMachine,
  retention: 'forever',
  context: ResourceContext,
  maps: { days: 2, holds: 1, gone: 1 },
  commands: {
    'resource.create': command({
      input: z.strictObject({ no: z.number().int().min(1), config: ResourceConfig }),
      reply: ResourceView,
      rejects: ['RESOURCE_EXISTS'],
      allow: platformOnly,
    }),
    'resource.configure': command({
      input: z.strictObject({ patch: ResourcePatch, expectedRev: z.number().int().optional() }),
      reply: z.strictObject({ resource: ResourceView, conflicts: z.array(ConflictView) }),
      rejects: ['SEQ_MISMATCH'],
      allow: staffOnly,
    }),
    'resource.suspend': command({ input: Reason, reply: ResourceView, allow: staffOnly }),
    'resource.resume': command({ input: Reason, reply: ResourceView, allow: staffOnly }),
    'resource.retire': command({
      input: Reason.extend({ force: z.boolean().optional() }),
      reply: ResourceView,
      rejects: ['RESOURCE_IN_USE'],
      allow: staffOnly,
    }),
    'resource.block': command({
      input: Reason.extend({ blockId: z.uuid(), start: z.number().int(), end: z.number().int(), force: z.boolean().optional() }),
      reply: z.strictObject({ blockId: z.string(), conflicts: z.array(ConflictView) }),
      rejects: ['SLOT_UNAVAILABLE', 'INVALID_DURATION', 'CLAIM_CONFLICT'],
      allow: staffOnly,
    }),
    'resource.unblock': command({
      input: z.strictObject({ blockId: z.uuid() }),
      reply: Nothing,
      rejects: ['NOT_FOUND', 'CLAIM_CONFLICT'],
      allow: staffOnly,
    }),
    'claim.hold': told(HoldRequest, claimRefusals),
    'claim.confirm': told(z.strictObject({ claimId: ClaimId }), ['CLAIM_CONFLICT']),
    'claim.swap': told(z.strictObject({ newClaimId: ClaimId, oldClaimId: ClaimId }), ['CLAIM_CONFLICT']),
    'claim.release': told(z.strictObject({ claimId: ClaimId }), ['CLAIM_CONFLICT']),
    'claim.answer': told(z.strictObject({ claimId: ClaimId, answer: z.enum(['pending', 'confirmed', 'aborted']) }), ['CLAIM_CONFLICT']),
    ...alertFacts,
  },
  queries: {
    resource: query<ResourceContext>({ input: Nothing, output: ResourceView, run: (s) => resourceViewOf(s.context, statusOf(s)) }),
    check: query<ResourceContext>({
      input: CheckQuery,
      output: AvailabilityResult,
      run: (s, q: z.infer<typeof CheckQuery>, now) => {
        const { start, end, conflicts, ...a } = check(s.context, statusOf(s), q, now);
        return {
          ...a,
          start: isoOf(start),
          ...(Math.abs(end) < 8e15 && Number.isInteger(end) ? { end: isoOf(end) } : {}),
          ...(conflicts === undefined ? {} : { conflicts: conflicts.map((c) => ({ s: isoOf(c.s), e: isoOf(c.e), state: c.state })) }),
        };
      },
    }),
    slots: query<ResourceContext>({
      input: SlotsQuery,
      output: z.strictObject({ slots: z.array(SlotView) }),
      run: (s, q: z.infer<typeof SlotsQuery>, now) => ({
        slots: freeSlots(calendarOf(s.context, statusOf(s)), { ...q, now }).map((x) => ({
          ...x,
          start: isoOf(x.start),
          end: isoOf(x.end),
        })),
      }),
    }),
    availability: query<ResourceContext>({
      input: Range,
      output: AvailabilityView,
      run: (s, q: Range) => availabilityView(s.context, statusOf(s), q),
    }),
  },
  topics: [availability, schedule, anomalies],
  companions: { claims, resources, utilization },
  timers: { dayEnd: { late: 'coalesce' } },
  create: ['resource.create'],
  limits: { stateBytes: 1_048_576, mailbox: 2_000 },
});

// ---------------------------------------------------------------------------------------------------------------- booking

const isParty = (p: Principal, _ref: ActorRef, s: Snap<BookingContext>): boolean =>
  isStaff(p) || (p.kind === 'user' && p.id === s.context.userId);

const bookings = companion<BookingContext>({
  table: 'bookings',
  key: ['booking_id'],
  mode: 'upsert',
  columns: {
    booking_id: 'uuid',
    resource_id: 'text',
    user_id: 'text',
    start_at: 'timestamptz',
    end_at: 'timestamptz',
    time_zone: 'text',
    state: 'text',
    sequence: 'int',
    doc: 'jsonb',
    created_at: 'timestamptz',
    updated_at: 'timestamptz',
  },
  stamp: { actor: 'actor_id', seq: 'actor_seq' },
  erase: 'delete',
});

const status = defineTopic({
  subject: 'booking',
  view: 'status',
  kind: 'state',
  version: 1,
  schema: BookingView,
  project: (s) => viewOf(s.context as BookingContext, stateOf(s.value)),
  authorize: (p, { snap }) => isParty(p, '', snap as Snap<BookingContext>),
  conflateMs: 0,
  can: true,
});

const Outcome = z.strictObject({
  booking: BookingView,
  state: BookingState,
  attempt: z.number().int(),
  refused: Refused.nullable(),
  /** whether the request asked about is the one that made this booking */
  same: z.boolean(),
});
export type Outcome = z.infer<typeof Outcome>;

/** One booking: `booking:{bookingId}`. */
export const booking = defineActor<BookingContext>({
  kind: 'booking',
  version: 1,
  machine: bookingMachine,
  retention: 'forever',
  context: BookingContext,
  maps: { changes: 1 },
  visible: isParty,
  owner: (_ref, s) => (s.context.userId === '' ? undefined : s.context.userId),
  commands: {
    'booking.request': command({
      input: BookingRequest,
      reply: Accepted,
      rejects: [
        'VALIDATION',
        'NONEXISTENT_LOCAL_TIME',
        'AMBIGUOUS_LOCAL_TIME',
        'UNKNOWN_TIME_ZONE',
        'INVALID_DURATION',
        'IDEMPOTENCY_MISMATCH',
      ],
      allow: (p) => p.kind !== 'anonymous',
    }),
    'booking.confirm': command({ input: Nothing, reply: Accepted, allow: isParty }),
    'booking.reschedule': command({
      input: Reschedule,
      reply: Accepted,
      rejects: ['NO_CHANGE', 'NONEXISTENT_LOCAL_TIME', 'AMBIGUOUS_LOCAL_TIME', 'UNKNOWN_TIME_ZONE', 'INVALID_DURATION'],
      allow: isParty,
    }),
    'booking.cancel': command({ input: Cancel, reply: Accepted, allow: isParty }),
    'claim.held': told(z.strictObject({ claimId: ClaimId, unit: z.number().int(), confirmed: z.boolean() })),
    'claim.confirmed': told(z.strictObject({ claimId: ClaimId })),
    'claim.swapped': told(z.strictObject({ claimId: ClaimId })),
    'claim.released': told(z.strictObject({ claimId: ClaimId })),
    'claim.lost': told(z.strictObject({ claimId: ClaimId })),
    'claim.inquire': told(z.strictObject({ claimId: ClaimId })),
  },
  queries: {
    booking: query<BookingContext>({ input: Nothing, output: BookingView, run: (s) => viewOf(s.context, stateOf(s.value)) }),
    outcome: query<BookingContext>({
      input: z.strictObject({ fingerprint: z.string().optional() }),
      output: Outcome,
      run: (s, q: { fingerprint?: string }) => ({
        booking: viewOf(s.context, stateOf(s.value)),
        state: stateOf(s.value),
        attempt: s.context.attempt,
        refused: s.context.refused,
        same: q.fingerprint === s.context.fingerprint,
      }),
    }),
  },
  topics: [status],
  companions: { bookings },
  create: ['booking.request'],
});
