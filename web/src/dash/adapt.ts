import type { ViewOf } from '@thrum/client';
import type { OwnBooking } from './bookings.ts';
import type { Block, Room } from './studio.ts';

type Availability = ViewOf<'resource:x/availability?y'>;
type Schedule = ViewOf<'resource:x/schedule?y'>;

/**
 * The blocks of a room's day. Staff see the claims of the schedule; everybody else the anonymous busy intervals, with their own bookings
 * (known from their log) laid over them.
 */
export function blocksOf(o: {
  readonly room: Room;
  readonly availability: Availability | undefined;
  readonly schedule: Schedule | undefined;
  readonly own: ReadonlyMap<string, OwnBooking>;
  readonly staff: boolean;
}): Block[] {
  const blocks: Block[] = [];
  if (o.staff) {
    for (const [id, c] of Object.entries(o.schedule?.claims ?? {})) {
      const own = o.own.get(c.bookingId);
      blocks.push({ id, bookingId: c.bookingId, mine: own !== undefined, label: c.label, state: c.state, start: c.start, end: c.end });
    }
  } else {
    const mine = [...o.own.values()].filter((b) => b.resourceId === o.room.resourceId && b.state !== 'over');
    for (const [id, b] of Object.entries(o.availability?.busy ?? {})) {
      const own = mine.find((m) => m.start === b.start && m.end === b.end);
      if (own === undefined) blocks.push({ id, mine: false, label: 'Taken', state: 'confirmed', start: b.start, end: b.end });
      else blocks.push({ id, bookingId: own.bookingId, mine: true, label: 'Your booking', state: 'confirmed', start: b.start, end: b.end });
    }
  }
  return blocks.sort((a, b) => a.start - b.start);
}
