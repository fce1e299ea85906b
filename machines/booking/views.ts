/** What is shown of a resource: busy times for everybody, claims for staff. */
import { z } from 'zod';
import { ALL_UNITS, type Claim } from '../../calc/booking/days.ts';
import { levels, type Interval } from '../../calc/booking/intervals.ts';
import { localDay, openBetween } from '../../calc/booking/opening.ts';
import { STATE_WORDS } from '../../calc/booking/availability.ts';
import { dayOf, isoOf, MINUTE } from '../../calc/time/civil.ts';
import { longId } from '../../calc/uuid.ts';
import { claimsBetween, type ResourceContext } from './resource.state.ts';
import { Instant, ResourceStatus } from './schema.ts';

/** Part of a calendar: `days` local days of the resource from the date `from` on. */
export const Range = z.strictObject({
  from: z.iso.date(),
  days: z.string().regex(/^([1-9]|[1-5]\d|6[0-2])$/, 'is 1 to 62'),
});
export type Range = z.infer<typeof Range>;

const head = {
  resourceId: z.string(),
  name: z.string(),
  status: ResourceStatus,
  rev: z.number().int(),
  timeZone: z.string(),
  capacity: z.number().int(),
  slotStepMin: z.number().int(),
  from: z.string(),
  days: z.number().int(),
  start: Instant,
  end: Instant,
  /** opening hours inside the range, keyed by their start */
  open: z.record(z.string(), z.strictObject({ start: Instant, end: Instant })),
};

/** `resource:{id}/availability`: who is there is nobody's business. */
export const AvailabilityView = z.strictObject({
  ...head,
  /** times with some unit or seat in use, keyed by their start; `used` of `capacity` */
  busy: z.record(z.string(), z.strictObject({ start: Instant, end: Instant, used: z.number().int() })),
});
export type AvailabilityView = z.infer<typeof AvailabilityView>;

/** `resource:{id}/schedule`: every claim with its booking, for staff. */
export const ScheduleView = z.strictObject({
  ...head,
  claims: z.record(
    z.string(),
    z.strictObject({
      claimId: z.string(),
      bookingId: z.string(),
      /** without buffers */
      start: Instant,
      end: Instant,
      bufferBeforeMin: z.number().int(),
      bufferAfterMin: z.number().int(),
      unit: z.number().int().optional(),
      qty: z.number().int(),
      state: z.enum(['held', 'confirmed', 'blocked']),
    }),
  ),
});
export type ScheduleView = z.infer<typeof ScheduleView>;

/** Start and end of the range as instants. */
export function rangeOf(c: ResourceContext, q: Range): Interval {
  const first = dayOf(q.from);
  return [localDay(c.config, first)[0], localDay(c.config, first + Number(q.days) - 1)[1]];
}

function headOf(c: ResourceContext, status: ResourceStatus, q: Range, [start, end]: Interval) {
  const open = openBetween(c.config, start, end);
  return {
    resourceId: c.id,
    name: c.config.name,
    status,
    rev: c.rev,
    timeZone: c.config.timeZone,
    capacity: c.config.capacity,
    slotStepMin: c.config.slotStepMin,
    from: q.from,
    days: Number(q.days),
    start: isoOf(start),
    end: isoOf(end),
    open: Object.fromEntries(open.map(([s, e]) => [isoOf(s), { start: isoOf(s), end: isoOf(e) }])),
  };
}

export function availabilityView(c: ResourceContext, status: ResourceStatus, q: Range): AvailabilityView {
  const range = rangeOf(c, q);
  const used = claimsBetween(c.days, ...range).map(
    (x) => [x.s * MINUTE, x.e * MINUTE, x.unit === ALL_UNITS ? c.config.capacity : x.qty] as const,
  );
  const steps = levels(used);
  const busy: AvailabilityView['busy'] = {};
  for (const [i, [t, level]] of steps.entries()) {
    const end = steps[i + 1]?.[0];
    if (level > 0 && end !== undefined) busy[isoOf(t)] = { start: isoOf(t), end: isoOf(end), used: Math.min(level, c.config.capacity) };
  }
  return { ...headOf(c, status, q, range), busy };
}

export function scheduleView(c: ResourceContext, status: ResourceStatus, q: Range): ScheduleView {
  const range = rangeOf(c, q);
  return {
    ...headOf(c, status, q, range),
    claims: Object.fromEntries(claimsBetween(c.days, ...range).map((x) => [x.claimId, claimView(x)])),
  };
}

const claimView = (x: Claim): ScheduleView['claims'][string] => ({
  claimId: longId(x.claimId),
  bookingId: x.bookingId,
  start: isoOf((x.s + x.before) * MINUTE),
  end: isoOf((x.e - x.after) * MINUTE),
  bufferBeforeMin: x.before,
  bufferAfterMin: x.after,
  ...(x.unit < 0 ? {} : { unit: x.unit }),
  qty: x.qty,
  state: STATE_WORDS[x.state],
});
