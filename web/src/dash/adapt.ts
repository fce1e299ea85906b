import type { ViewOf } from '@thrum/client';
import type { OwnBooking } from './bookings.ts';
import type { Block, Room, Span } from './studio.ts';
import { without } from './studio.ts';

type Availability = ViewOf<'resource:x/availability?y'>;
type Schedule = ViewOf<'resource:x/schedule?y'>;

const spanOf = (s: { readonly start: string; readonly end: string }): Span => ({ start: Date.parse(s.start), end: Date.parse(s.end) });
const byStart = (a: Span, b: Span): number => a.start - b.start;

/** Opening hours inside the range of a view. */
export const windowsOf = (view: { readonly open: Availability['open'] }): Span[] => Object.values(view.open).map(spanOf).sort(byStart);

/** What staff see of a day: every claim. Whose it is says the booking itself. */
export const claimBlocks = (view: Schedule | undefined, own: ReadonlyMap<string, OwnBooking>): Block[] =>
  Object.entries(view?.claims ?? {})
    .map(([id, c]): Block => {
      const mine = own.has(c.bookingId);
      return { id, bookingId: c.bookingId, mine, label: c.state === 'blocked' ? 'Blocked' : 'Booked', state: c.state, ...spanOf(c) };
    })
    .sort(byStart);

/** What everybody else sees: their own bookings, known from their log, and the times at which nothing is left, without a name. */
export function busyBlocks(room: Room, view: Availability | undefined, own: ReadonlyMap<string, OwnBooking>): Block[] {
  if (view === undefined) return [];
  const range = spanOf(view);
  const mine = [...own.values()].filter(
    (b) => b.resourceId === room.resourceId && b.state !== 'over' && b.start < range.end && b.end > range.start,
  );
  const taken = Object.values(view.busy)
    .filter((b) => b.used >= view.capacity)
    .flatMap((b) => without(spanOf(b), mine));
  return [
    ...mine.map((b): Block => ({
      ...b,
      id: b.bookingId,
      mine: true,
      label: 'Your booking',
      state: b.state === 'held' ? 'held' : 'confirmed',
    })),
    ...taken.map((s): Block => ({ ...s, id: `taken-${s.start}`, mine: false, label: 'Taken', state: 'confirmed' })),
  ].sort(byStart);
}
