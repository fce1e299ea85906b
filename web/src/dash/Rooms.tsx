import type { ThrumError } from '@thrum/client';
import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import { dayName } from '../lib/format.ts';
import { api } from '../lib/http.ts';
import type { Replies } from '../generated/replies.ts';
import { useMedia, useNow } from '../lib/live.ts';
import { addDays, today } from '../lib/zone.ts';
import { Icon } from '../ui/icons.tsx';
import { Empty, ErrorNote, Skeleton } from '../ui/parts.tsx';
import type { OwnBooking } from './bookings.ts';
import type { Person } from './Clients.tsx';
import { BookDialog, BookingDialog } from './BookDialog.tsx';
import { DayColumn, dayRange } from './DayColumn.tsx';
import type { Block, DayPlan, Me, Room } from './studio.ts';
import { openWindows } from './studio.ts';

type Open =
  | { readonly type: 'book'; readonly room: Room; readonly start: number }
  | { readonly type: 'booking'; readonly room: Room; readonly block: Block };

interface Props extends RoomList {
  readonly me: Me;
  readonly own: ReadonlyMap<string, OwnBooking>;
  /** for whom staff may book */
  readonly clients?: readonly Person[];
}

export interface RoomList {
  readonly rooms: readonly Room[] | undefined;
  readonly error: ThrumError | undefined;
  readonly load: () => void;
}

/** The rooms of the studio, read once. */
export function useRooms(): RoomList {
  const [rooms, setRooms] = useState<readonly Room[]>();
  const [error, setError] = useState<ThrumError>();
  const load = useCallback(() => {
    setError(undefined);
    api<Replies['GET /v1/booking/resources']>('GET', '/v1/booking/resources')
      .then(({ items }) => setRooms(items.filter((r) => r.status !== 'retired')))
      .catch(setError);
  }, []);
  useEffect(load, [load]);
  return { rooms, error, load };
}

/** The day of every room side by side; one at a time where there is no space. */
export function Rooms({ me, own, clients = [], rooms, error, load }: Props) {
  const [chosen, choose] = useState<string>();
  const [open, setOpen] = useState<Open>();
  const [plans, setPlans] = useState<{ readonly [resourceId: string]: DayPlan }>({});
  const narrow = useMedia('(max-width: 719px)');
  const now = useNow(20_000);

  const zone = rooms?.[0]?.timeZone ?? me.timeZone;
  const current = today(zone, now);
  const [day, setDay] = useState(current);

  const show = useCallback((id: string, plan: DayPlan) => setPlans((all) => (all[id] === plan ? all : { ...all, [id]: plan })), []);

  const shown = useMemo(() => {
    if (rooms === undefined) return [];
    if (!narrow && rooms.length <= 4) return rooms;
    const limit = narrow ? 1 : 4;
    const at = Math.max(
      0,
      rooms.findIndex((r) => r.resourceId === chosen),
    );
    const first = Math.min(at, Math.max(0, rooms.length - limit));
    return rooms.slice(first, first + limit);
  }, [rooms, narrow, chosen]);
  const windows = shown.flatMap((room) => {
    const plan = plans[room.resourceId];
    return plan?.day === day ? plan.windows : openWindows(room, day);
  });
  const range = dayRange(windows, zone, day);

  return (
    <section class="card rooms" aria-labelledby="rooms-title">
      <header>
        <h2 id="rooms-title">
          <Icon name="calendar" /> Rooms
        </h2>
        <span class="spring" />
        <div class="daynav">
          <button
            type="button"
            class="btn icon"
            aria-label="Previous day"
            disabled={day <= current}
            onClick={() => setDay(addDays(day, -1))}
          >
            <Icon name="left" />
          </button>
          <label class="dayfield">
            <span class="vh">Day</span>
            <input
              type="date"
              class="input"
              value={day}
              min={current}
              onChange={(e) => e.currentTarget.value !== '' && setDay(e.currentTarget.value)}
            />
          </label>
          <button type="button" class="btn icon" aria-label="Next day" onClick={() => setDay(addDays(day, 1))}>
            <Icon name="right" />
          </button>
          <button type="button" class="btn" disabled={day === current} onClick={() => setDay(current)}>
            Today
          </button>
        </div>
      </header>
      <div class="body">
        <p class="daytitle" aria-live="polite">
          <strong>{dayName(day)}</strong>
          <span class="muted small">times in {zone.replaceAll('_', ' ')}</span>
        </p>
        {error !== undefined && (
          <div style={{ display: 'grid', gap: '12px', justifyItems: 'start' }}>
            <ErrorNote error={error} />
            <button type="button" class="btn" onClick={load}>
              Try again
            </button>
          </div>
        )}
        {rooms === undefined && error === undefined && <Skeleton lines={8} height={34} />}
        {rooms?.length === 0 && (
          <Empty icon="calendar" title="No rooms yet">
            An operator adds them with POST /v1/booking/resources.
          </Empty>
        )}
        {rooms !== undefined && shown.length < rooms.length && (
          <div class="seg roomseg" role="group" aria-label="Room">
            {rooms.map((r) => (
              <button
                key={r.resourceId}
                type="button"
                aria-pressed={shown.some((s) => s.resourceId === r.resourceId)}
                onClick={() => choose(r.resourceId)}
              >
                {r.name}
              </button>
            ))}
          </div>
        )}
        {shown.length > 0 && (
          <div class="columns" style={{ gridTemplateColumns: `44px repeat(${shown.length}, minmax(0, 1fr))` }}>
            <HourScale range={range} zone={zone} />
            {shown.map((room) => (
              <DayColumn
                key={room.resourceId}
                room={room}
                day={day}
                range={range}
                me={me}
                own={own}
                now={now}
                titled={!narrow}
                clients={clients}
                onPlan={show}
                onBook={(start) => setOpen({ type: 'book', room, start })}
                onOpen={(block) => setOpen({ type: 'booking', room, block })}
              />
            ))}
          </div>
        )}
      </div>
      {open?.type === 'book' && (
        <BookDialog
          clients={clients}
          room={open.room}
          day={day}
          start={open.start}
          plan={plans[open.room.resourceId] ?? { day, windows: [], blocks: [] }}
          now={now}
          onClose={() => setOpen(undefined)}
        />
      )}
      {open?.type === 'booking' && (
        <BookingDialog
          room={open.room}
          day={day}
          block={open.block}
          me={me}
          plan={plans[open.room.resourceId] ?? { day, windows: [], blocks: [] }}
          now={now}
          onClose={() => setOpen(undefined)}
        />
      )}
    </section>
  );
}

function HourScale({ range, zone }: { readonly range: { readonly start: number; readonly end: number }; readonly zone: string }) {
  const hours: number[] = [];
  for (let at = Math.ceil(range.start / 3_600_000) * 3_600_000; at <= range.end; at += 3_600_000) hours.push(at);
  const format = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', timeZone: zone });
  return (
    <div class="scale" aria-hidden="true">
      <div class="colhead" />
      <div class="track" style={{ height: `${((range.end - range.start) / 3_600_000) * 56}px` }}>
        {hours.map((at) => (
          <span key={at} style={{ top: `${((at - range.start) / 3_600_000) * 56}px` }}>
            {format.format(at)}
          </span>
        ))}
      </div>
    </div>
  );
}
