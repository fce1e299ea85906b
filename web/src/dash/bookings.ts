import { useMemo } from 'preact/hooks';
import { useLog } from '@thrum/client/react';
import type { Span } from './studio.ts';

/** One line of `user:{id}/bookings`; the booking module writes these, the topic itself takes any object. Instants are RFC 3339. */
interface Item {
  readonly type: 'held' | 'confirmed' | 'rescheduled' | 'reschedule_failed' | 'cancelled' | 'expired' | 'completed';
  readonly bookingId: string;
  readonly resourceId: string;
  readonly start: string;
  readonly end: string;
}

export interface OwnBooking extends Span {
  readonly bookingId: string;
  readonly resourceId: string;
  readonly state: 'held' | 'confirmed' | 'over';
}

const STATES: { readonly [T in Item['type']]: OwnBooking['state'] | undefined } = {
  held: 'held',
  confirmed: 'confirmed',
  rescheduled: 'confirmed',
  // a move that failed: the booking is where it was
  reschedule_failed: undefined,
  cancelled: 'over',
  expired: 'over',
  completed: 'over',
};

/** The reader's bookings as the log tells them, by id: the newest word on each. */
export function latestBookings(items: readonly Item[]): ReadonlyMap<string, OwnBooking> {
  const map = new Map<string, OwnBooking>();
  for (const item of items) {
    const state = STATES[item.type];
    if (state === undefined) continue;
    const { bookingId, resourceId } = item;
    map.set(bookingId, { bookingId, resourceId, state, start: Date.parse(item.start), end: Date.parse(item.end) });
  }
  return map;
}

export function useOwnBookings(): { readonly bookings: ReadonlyMap<string, OwnBooking>; readonly loading: boolean } {
  const { entries, status } = useLog('user:me/bookings');
  const bookings = useMemo(() => latestBookings(entries.map((e) => e.item as object as Item)), [entries]);
  return { bookings, loading: status === 'loading' || status === 'idle' };
}
