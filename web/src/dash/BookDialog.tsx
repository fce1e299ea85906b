import type { ThrumError } from '@thrum/client';
import { useRef, useState } from 'preact/hooks';
import { clock, dayName, minutes, money } from '../lib/format.ts';
import { useThrum, useTopic } from '@thrum/client/react';
import { Icon } from '../ui/icons.tsx';
import { Dialog, ErrorNote } from '../ui/parts.tsx';
import { useToast } from '../ui/toasts.tsx';
import { book, cancel, reschedule } from './commands.ts';
import type { Person } from './Clients.tsx';
import type { Block, DayPlan, Me, Room } from './studio.ts';
import { can, freeStarts, isStaff } from './studio.ts';

const LENGTHS = [30, 45, 60, 90, 120];

interface Common {
  readonly room: Room;
  readonly day: string;
  readonly plan: DayPlan;
  readonly now: number;
  readonly onClose: () => void;
}

function Starts({
  room,
  starts,
  value,
  onChange,
}: {
  room: Room;
  starts: readonly number[];
  value: number;
  onChange: (at: number) => void;
}) {
  return (
    <label class="field">
      <span>Start</span>
      <select value={String(value)} onChange={(e) => onChange(Number(e.currentTarget.value))}>
        {starts.map((at) => (
          <option key={at} value={String(at)}>
            {clock(at, room.timeZone)}
          </option>
        ))}
      </select>
    </label>
  );
}

/** What the studio says about a room or a person. */
function About({ room }: { room: Room }) {
  return (
    <>
      {room.description !== undefined && <p>{room.description}</p>}
      {room.bio !== undefined && <p class="muted">{room.bio}</p>}
    </>
  );
}

/** Books a free time. The key of the attempt stays the same until it succeeds, so a repeated click cannot book twice. */
export function BookDialog({
  room,
  day,
  start,
  plan,
  now,
  clients,
  onClose,
}: Common & { readonly start: number; readonly clients: readonly Person[] }) {
  const [userId, setUserId] = useState<string>();
  const lengths = LENGTHS.filter((m) => m % room.slotStepMin === 0 && freeStarts(plan, room.slotStepMin, m * 60_000, now).length > 0);
  const fitting = lengths.filter((m) => freeStarts(plan, room.slotStepMin, m * 60_000, now).includes(start));
  const [length, setLength] = useState(fitting.includes(60) ? 60 : (fitting.at(-1) ?? lengths[0] ?? 30));
  const starts = freeStarts(plan, room.slotStepMin, length * 60_000, now);
  const [wanted, setWanted] = useState(start);
  const at = starts.includes(wanted) ? wanted : (starts.find((s) => s >= wanted) ?? starts.at(-1));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ThrumError>();
  const attempt = useRef<{ of: string; key: string }>(undefined);
  const say = useToast();

  async function submit(): Promise<void> {
    if (at === undefined) return;
    const of = `${at}/${length}/${userId}`;
    if (attempt.current?.of !== of) attempt.current = { of, key: crypto.randomUUID() };
    setBusy(true);
    setError(undefined);
    try {
      await book({ resourceId: room.resourceId, start: at, durationMin: length, userId, key: attempt.current.key });
      say(`${room.name} is booked at ${clock(at, room.timeZone)}`);
      onClose();
    } catch (e) {
      setError(e as ThrumError);
      setBusy(false);
    }
  }

  return (
    <Dialog title={`Book ${room.name}`} sub={dayName(day)} onClose={onClose}>
      <About room={room} />
      {clients.length > 0 && (
        <label class="field">
          <span>For</span>
          <select value={userId ?? ''} onChange={(e) => setUserId(e.currentTarget.value === '' ? undefined : e.currentTarget.value)}>
            <option value="">myself</option>
            {clients.map((c) => (
              <option key={c.id} value={c.id}>
                {c.displayName}
              </option>
            ))}
          </select>
        </label>
      )}
      <div class="two">
        {at !== undefined && <Starts room={room} starts={starts} value={at} onChange={setWanted} />}
        <label class="field">
          <span>Length</span>
          <select value={String(length)} onChange={(e) => setLength(Number(e.currentTarget.value))}>
            {lengths.map((m) => (
              <option key={m} value={String(m)}>
                {minutes(m * 60_000)}
              </option>
            ))}
          </select>
        </label>
      </div>
      {at === undefined ? (
        <p class="muted">Nothing of this length is free on this day any more.</p>
      ) : (
        <p class="when">
          <Icon name="clock" />
          {clock(at, room.timeZone)} to {clock(at + length * 60_000, room.timeZone)}
          {room.price !== undefined && ` · ${money(Math.round((room.price.amountMinor * length) / 60), room.price.currency)}`}
        </p>
      )}
      {error !== undefined && <ErrorNote error={error} />}
      <div class="actions">
        <button type="button" class="btn" onClick={onClose}>
          Not now
        </button>
        <button type="button" class="btn primary" disabled={busy || at === undefined} onClick={() => void submit()}>
          {busy ? 'Booking…' : 'Book'}
        </button>
      </div>
    </Dialog>
  );
}

/** One booking: when it is, and moving or cancelling it as far as its statechart allows. */
export function BookingDialog({ room, day, block, me, plan, now, onClose }: Common & { readonly block: Block; readonly me: Me }) {
  const client = useThrum();
  const say = useToast();
  const status = useTopic(block.bookingId === undefined ? undefined : `booking:${block.bookingId}/status`);
  const role = isStaff(me) && !block.mine ? 'staff' : 'self';
  const [mode, setMode] = useState<'look' | 'move' | 'cancel'>('look');
  const length = block.end - block.start;
  const starts = freeStarts(plan, room.slotStepMin, length, now, block.bookingId).filter((at) => at !== block.start);
  const [to, setTo] = useState<number>();
  const target = to !== undefined && starts.includes(to) ? to : (starts.find((at) => at > block.start) ?? starts[0]);
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ThrumError>();
  const { bookingId } = block;
  if (bookingId === undefined) return null;

  async function run(action: () => Promise<void>, done: string): Promise<void> {
    setBusy(true);
    setError(undefined);
    try {
      await action();
      say(done);
      onClose();
    } catch (e) {
      setError(e as ThrumError);
      setBusy(false);
    }
  }

  return (
    <Dialog title={block.mine ? 'Your booking' : block.label} sub={`${room.name}, ${dayName(day)}`} onClose={onClose}>
      <p class="when">
        <Icon name="clock" />
        {clock(block.start, room.timeZone)} to {clock(block.end, room.timeZone)}
        <span class="muted">{minutes(length)}</span>
      </p>
      {mode === 'move' && target !== undefined && <Starts room={room} starts={starts} value={target} onChange={setTo} />}
      {mode === 'move' && target === undefined && <p class="muted">There is no other free time of this length on this day.</p>}
      {mode === 'cancel' && (
        <label class="field">
          <span>Reason (optional)</span>
          <input value={reason} maxLength={200} onInput={(e) => setReason(e.currentTarget.value)} />
        </label>
      )}
      {error !== undefined && <ErrorNote error={error} />}
      <div class="actions">
        {mode === 'look' && (
          <>
            <button
              type="button"
              class="btn danger"
              disabled={!can(status.value, role, 'booking.cancel')}
              onClick={() => setMode('cancel')}
            >
              Cancel booking
            </button>
            <button
              type="button"
              class="btn primary"
              disabled={!can(status.value, role, 'booking.reschedule')}
              onClick={() => setMode('move')}
            >
              Move
            </button>
          </>
        )}
        {mode !== 'look' && (
          <button type="button" class="btn" onClick={() => setMode('look')}>
            Back
          </button>
        )}
        {mode === 'move' && (
          <button
            type="button"
            class="btn primary"
            disabled={busy || target === undefined}
            onClick={() =>
              target !== undefined &&
              void run(() => reschedule(client, bookingId, target, length), `Moved to ${clock(target, room.timeZone)}`)
            }
          >
            {busy ? 'Moving…' : 'Move booking'}
          </button>
        )}
        {mode === 'cancel' && (
          <button
            type="button"
            class="btn danger solid"
            disabled={busy}
            onClick={() => void run(() => cancel(client, bookingId, reason), 'Booking cancelled')}
          >
            {busy ? 'Cancelling…' : 'Yes, cancel it'}
          </button>
        )}
      </div>
    </Dialog>
  );
}
