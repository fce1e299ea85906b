import { useMemo, useState } from 'preact/hooks';
import { clock, dayName, minutes, words } from '../lib/format.ts';
import { useNow } from '../lib/live.ts';
import { local } from '../lib/zone.ts';
import { Icon } from '../ui/icons.tsx';
import { Empty, Skeleton } from '../ui/parts.tsx';
import type { OwnBooking } from './bookings.ts';
import type { Me, Room } from './studio.ts';

const FIRST = 8;

/** What the reader has booked, next first. */
export function OwnBookings({
  bookings,
  rooms,
  loading,
  me,
}: {
  readonly bookings: ReadonlyMap<string, OwnBooking>;
  readonly rooms: readonly Room[];
  readonly loading: boolean;
  readonly me: Me;
}) {
  const now = useNow();
  const [all, setAll] = useState(false);
  const coming = useMemo(
    () => [...bookings.values()].filter((b) => b.state !== 'over' && b.end > now).sort((a, b) => a.start - b.start),
    [bookings, now],
  );
  return (
    <section class="card" aria-labelledby="own-title">
      <header>
        <h2 id="own-title">
          <Icon name="check" /> Your bookings
        </h2>
        {coming.length > 0 && <span class="chip accent">{coming.length} ahead</span>}
      </header>
      <div class="body">
        {loading && bookings.size === 0 && <Skeleton lines={2} />}
        {!loading && coming.length === 0 && (
          <Empty icon="calendar" title="Nothing booked">
            Choose a free time above; it is yours at once.
          </Empty>
        )}
        <ul class="own">
          {coming.slice(0, all ? undefined : FIRST).map((b) => (
            <li key={b.bookingId} data-booking={b.bookingId}>
              <span class="date">
                <strong>{dayName(local(me.timeZone, b.start).day, { day: 'numeric' })}</strong>
                <span class="small">{dayName(local(me.timeZone, b.start).day, { month: 'short' })}</span>
              </span>
              <span>
                <strong>{rooms.find((r) => r.resourceId === b.resourceId)?.name ?? b.resourceId}</strong>
                <span class="small muted">
                  {dayName(local(me.timeZone, b.start).day, { weekday: 'long' })}, {clock(b.start, me.timeZone)}–{clock(b.end, me.timeZone)}{' '}
                  · {minutes(b.end - b.start)}
                </span>
              </span>
              <span class={`chip ${b.state === 'confirmed' ? 'good' : 'warn'}`}>{words(b.state)}</span>
            </li>
          ))}
        </ul>
        {coming.length > FIRST && (
          <button type="button" class="btn more" aria-expanded={all} onClick={() => setAll(!all)}>
            {all ? 'The next ones only' : `All ${coming.length}`}
          </button>
        )}
      </div>
    </section>
  );
}
