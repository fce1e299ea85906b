/** What callers of the booking module say and read. Instants are RFC 3339 strings on the wire and epoch ms between actors. */
import { z } from 'zod';
import { personal } from '../../actors/define.ts';
import { isTimeZone } from '../../calc/time/civil.ts';

/** The same for every kind of resource; the product starts with `primary`. */
export const RESERVED_IDS = [
  'utilization',
  'utilization-forecast',
  'utilization-anomalies',
  'utilization-seasonal-anomalies',
  'anomaly-severity',
];
export const ResourceId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/)
  .refine((id) => !RESERVED_IDS.includes(id), 'is a reserved name');

export const Instant = z.iso.datetime({ offset: true, error: 'must be a time with its offset, such as 2026-03-01T09:00:00Z' });
const LocalDate = z.iso.date();
const LocalTime = z.iso.datetime({ local: true, offset: false }).or(z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d$/));
const Clock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/);
const ClockEnd = Clock.or(z.literal('24:00'));
const TimeZone = z.string().max(64).refine(isTimeZone, 'is no known time zone');

const Hours = z.strictObject({ from: Clock, to: ClockEnd });
const OpeningRule = z.strictObject({
  days: z.array(z.number().int().min(1).max(7)).min(1).max(7).describe('1 = Monday to 7 = Sunday'),
  from: Clock,
  to: ClockEnd.describe('not after `from`: ends on the next local day'),
  validFrom: LocalDate.optional(),
  validTo: LocalDate.optional(),
});
const OpeningException = z.strictObject({
  dateFrom: LocalDate,
  dateTo: LocalDate,
  mode: z.enum(['closed', 'open', 'replace']),
  windows: z.array(Hours).max(20).optional(),
  reason: z.string().max(200).optional(),
});

export const Price = z.strictObject({
  amountMinor: z.number().int().min(0).max(1_000_000_000).describe('in the smallest unit of the currency'),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/)
    .describe('ISO 4217'),
});
export type Price = z.infer<typeof Price>;

const fields = {
  name: z.string().min(1).max(120),
  kind: z.string().min(1).max(40),
  timeZone: TimeZone,
  capacity: z.number().int().min(1).max(10_000),
  capacityMode: z.enum(['units', 'pool']),
  allocation: z.enum(['first_fit', 'best_fit']),
  openingRules: z.array(OpeningRule).max(50),
  exceptions: z.array(OpeningException).max(400),
  minNoticeMin: z.number().int().min(0).max(1_576_800),
  horizonDays: z.number().int().min(1).max(1_095),
  slotStepMin: z.number().int().min(1).max(1_440),
  slotAnchor: z.enum(['opening', 'midnight']),
  enforceGrid: z.boolean(),
  tags: z.array(z.string().min(1).max(40)).max(20),
  description: z.string().min(1).max(2_000).optional(),
  bio: z.string().min(1).max(2_000).optional().describe('who stands behind a person or a class'),
  price: Price.optional().describe('of one hour; shown, not charged'),
};

/** Everything that configures a resource. */
export const ResourceConfig = z.strictObject(fields);
export type ResourceConfig = z.infer<typeof ResourceConfig>;

const everyDay = [1, 2, 3, 4, 5, 6, 7];

/** A new resource as an administrator describes it: always open unless told otherwise. */
export const NewResource = z.strictObject({
  resourceId: ResourceId,
  name: fields.name,
  kind: fields.kind.default('generic'),
  timeZone: fields.timeZone.default('UTC'),
  capacity: fields.capacity.default(1),
  capacityMode: fields.capacityMode.default('units'),
  allocation: fields.allocation.default('best_fit'),
  openingRules: fields.openingRules.default([{ days: everyDay, from: '00:00', to: '24:00' }]),
  exceptions: fields.exceptions.default([]),
  minNoticeMin: fields.minNoticeMin.default(0),
  horizonDays: fields.horizonDays.default(365),
  slotStepMin: fields.slotStepMin.default(15),
  slotAnchor: fields.slotAnchor.default('opening'),
  enforceGrid: fields.enforceGrid.default(false),
  tags: fields.tags.default([]),
  description: fields.description,
  bio: fields.bio,
  price: fields.price,
});
export type NewResource = z.output<typeof NewResource>;

export const ResourcePatch = ResourceConfig.partial();
export type ResourcePatch = z.infer<typeof ResourcePatch>;

export const ResourceStatus = z.enum(['active', 'suspended', 'retired']);
export type ResourceStatus = z.infer<typeof ResourceStatus>;

export const ResourceView = z.strictObject({
  resourceId: z.string(),
  ...fields,
  status: ResourceStatus,
  rev: z.number().int(),
});
export type ResourceView = z.infer<typeof ResourceView>;

/** A claim without anybody's identity, or with its booking for staff. */
export const ConflictView = z.strictObject({
  s: Instant,
  e: Instant,
  state: z.enum(['held', 'confirmed', 'blocked']),
  bookingId: z.string().optional(),
});
export type ConflictView = z.infer<typeof ConflictView>;

export const AvailabilityResult = z.strictObject({
  available: z.boolean(),
  resourceId: z.string(),
  start: Instant,
  end: Instant.optional().describe('absent when the duration is no number of minutes'),
  unitsFree: z.number().int(),
  reason: z.string().optional(),
  conflicts: z.array(ConflictView).optional(),
});
export type AvailabilityResult = z.infer<typeof AvailabilityResult>;

// --------------------------------------------------------------------------------------------------------------- bookings

const when = {
  start: Instant.optional().describe('RFC 3339 with offset; or give localStart and timeZone'),
  localStart: LocalTime.optional().describe('wall clock time'),
  timeZone: z.string().max(64).optional(),
  disambiguation: z.enum(['reject', 'earlier', 'later']).optional().describe('of a wall clock time that occurs twice or never'),
};
type When = { start?: string | undefined; localStart?: string | undefined; timeZone?: string | undefined };
const dated = (b: When): boolean => (b.start === undefined) !== (b.localStart === undefined);
const zoned = (b: When): boolean => b.localStart === undefined || b.timeZone !== undefined;

/** A request for a booking. */
export const BookingRequest = z
  .strictObject({
    resourceId: ResourceId.default('primary'),
    ...when,
    durationMin: z.number(),
    party: z.number().int().min(1).max(10_000).default(1),
    holdOnly: z.boolean().optional().describe('hold the slot until it is confirmed or the hold ends'),
    holdTtlS: z.number().int().min(60).max(3_600).optional().describe('default 600'),
    source: z.string().max(40).optional(),
    userId: z.string().min(1).max(64).optional().describe('staff: whose booking it is'),
  })
  .refine(dated, 'needs either start or localStart')
  .refine(zoned, 'localStart needs timeZone');
export type BookingRequest = z.output<typeof BookingRequest>;

export const Reschedule = z
  .strictObject({
    ...when,
    durationMin: z.number().optional(),
    resourceId: ResourceId.optional(),
    reason: z.string().max(200).meta(personal).optional(),
  })
  .refine(dated, 'needs either start or localStart')
  .refine(zoned, 'localStart needs timeZone');
export type Reschedule = z.output<typeof Reschedule>;

export const Cancel = z.strictObject({ reason: z.string().max(200).meta(personal).optional() });
export const Nothing = z.strictObject({});

/** The command is taken; the outcome follows on `booking:{id}/status`. */
export const Accepted = z.strictObject({
  bookingId: z.string(),
  /** number of the acquisition that the command began */
  attempt: z.number().int(),
  /** the same request had been made before */
  replayed: z.boolean(),
});
export type Accepted = z.infer<typeof Accepted>;

export const BOOKING_STATES = [
  'new',
  'acquiring',
  'held.open',
  'confirming',
  'confirmed.upcoming',
  'confirmed.started',
  'rescheduling.acquiring',
  'rescheduling.swapping',
  'cancelling',
  'releasing',
  'rejected',
  'expired',
  'cancelled',
  'completed',
] as const;
export const BookingState = z.enum(BOOKING_STATES);
export type BookingState = z.infer<typeof BookingState>;

export const RefusalView = z.strictObject({ code: z.string(), reason: z.string().optional(), conflicts: z.array(ConflictView).optional() });

/** One booking: reply of the REST routes and view of `booking:{id}/status`. */
export const BookingView = z.strictObject({
  bookingId: z.string(),
  resourceId: z.string(),
  userId: z.string().describe('whose booking it is'),
  state: BookingState,
  start: Instant,
  end: Instant,
  durationMin: z.number(),
  timeZone: z.string().describe('zone of localStart'),
  localStart: z.string(),
  party: z.number().int(),
  unit: z.number().int().optional(),
  expiresAt: Instant.optional().describe('end of the hold'),
  sequence: z.number().int().describe('rises with every change of time, resource or status'),
  rescheduleCount: z.number().int(),
  /** where a reschedule under way wants to go */
  next: z.strictObject({ resourceId: z.string(), start: Instant, end: Instant }).optional(),
  refusal: RefusalView.optional().describe('why the last attempt failed'),
  source: z.string().optional(),
  createdAt: Instant,
  updatedAt: Instant,
});
export type BookingView = z.infer<typeof BookingView>;

/** One line of `user:{id}/bookings`. */
export const BookingItem = z.strictObject({
  type: z.enum(['held', 'confirmed', 'rescheduled', 'reschedule_failed', 'cancelled', 'expired', 'completed']),
  bookingId: z.string(),
  resourceId: z.string(),
  start: Instant,
  end: Instant,
  sequence: z.number().int(),
  at: Instant,
  /** rescheduled: where it was; reschedule_failed: where it could not go */
  other: z.strictObject({ resourceId: z.string(), start: Instant, end: Instant }).optional(),
  reason: z.string().meta(personal).optional(),
});
export type BookingItem = z.infer<typeof BookingItem>;

/** Text that is equal for equal requests, whatever the order of their fields. */
export function fingerprintOf(body: object): string {
  const known = Object.entries(body).filter(([, v]) => v !== undefined);
  return JSON.stringify(known.sort(([a], [b]) => (a < b ? -1 : 1)));
}
