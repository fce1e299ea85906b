import { useMemo } from 'preact/hooks';
import { useLog } from '../lib/live.ts';
import type { Span } from './studio.ts';

export interface OwnBooking extends Span {
  readonly bookingId: string;
  readonly resourceId: string;
  readonly state: string;
  readonly at: number;
}

const OVER = new Set(['cancelled', 'expired', 'rejected', 'no_show']);

/** `confirmed.upcoming` → `confirmed` */
const outer = (state: string): string => state.split('.')[0] ?? state;

export const isOver = (b: { readonly state: string }): boolean => OVER.has(outer(b.state));

/** The reader's bookings as the log tells them, by id: the newest item of each. */
export function useOwnBookings(): { readonly bookings: ReadonlyMap<string, OwnBooking>; readonly loading: boolean } {
  const { entries, status } = useLog('user:me/bookings');
  const bookings = useMemo(() => {
    const map = new Map<string, OwnBooking>();
    for (const { item } of entries) map.set(item.bookingId, item);
    return map;
  }, [entries]);
  return { bookings, loading: status === 'loading' || status === 'idle' };
}
