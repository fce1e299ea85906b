import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { clock, minutes, money } from '../lib/format.ts';
import { useThrum, useTopic } from '@thrum/client/react';
import { instant } from '../lib/zone.ts';
import { useToast } from '../ui/toasts.tsx';
import type { OwnBooking } from './bookings.ts';
import { reschedule } from './commands.ts';
import type { Person } from './Clients.tsx';
import type { Block, DayPlan, Me, Room, Span } from './studio.ts';
import { isFree, isStaff, openWindows } from './studio.ts';
import { busyBlocks, claimBlocks, windowsOf } from './adapt.ts';

export const HOUR_PX = 56;
const CELL_MS = 30 * 60_000;

/** What the columns show of a day: whole hours around everything that is open, 8 to 18 o'clock when nothing is. */
export function dayRange(spans: readonly Span[], zone: string, day: string): Span {
  const hour = 3_600_000;
  if (spans.length === 0) return { start: instant(zone, day, 8 * 60), end: instant(zone, day, 18 * 60) };
  return {
    start: Math.floor(Math.min(...spans.map((s) => s.start)) / hour) * hour,
    end: Math.ceil(Math.max(...spans.map((s) => s.end)) / hour) * hour,
  };
}

interface Props {
  readonly room: Room;
  readonly day: string;
  readonly range: Span;
  readonly me: Me;
  readonly own: ReadonlyMap<string, OwnBooking>;
  readonly now: number;
  readonly titled: boolean;
  readonly clients: readonly Person[];
  readonly onPlan: (resourceId: string, plan: DayPlan) => void;
  readonly onBook: (start: number) => void;
  readonly onOpen: (block: Block) => void;
}

/** One room's day: free cells that can be booked, and blocks that appear, move and vanish as the topic says. */
export function DayColumn(p: Props) {
  const { room, day, range, me, now } = p;
  const staff = isStaff(me);
  const availability = useTopic(`resource:${room.resourceId}/availability?days=1&from=${day}`);
  const schedule = useTopic(staff ? `resource:${room.resourceId}/schedule?days=1&from=${day}` : undefined);
  const source = staff ? schedule : availability;
  const view = source.value;
  const { own, onPlan } = p;
  const plan = useMemo<DayPlan>(
    () => ({
      day,
      windows: view === undefined ? openWindows(room, day) : windowsOf(view),
      blocks: staff ? claimBlocks(schedule.value, own) : busyBlocks(room, availability.value, own),
    }),
    [room, day, view, availability.value, schedule.value, own, staff],
  );
  useEffect(() => onPlan(room.resourceId, plan), [onPlan, room.resourceId, plan]);
  const { windows, blocks } = plan;
  const cells: number[] = [];
  for (const w of windows) for (let at = w.start; at + CELL_MS <= w.end; at += CELL_MS) cells.push(at);
  const free = cells.filter((at) => at >= now && isFree(plan, { start: at, end: at + Math.min(CELL_MS, room.slotStepMin * 60_000) }));
  const [at, setAt] = useState<number>();
  const tab = at !== undefined && free.includes(at) ? at : free[0];
  const track = useRef<HTMLDivElement>(null);
  const top = (t: number): string => `${((t - range.start) / 3_600_000) * HOUR_PX}px`;
  const height = (ms: number): string => `${(ms / 3_600_000) * HOUR_PX}px`;

  function onKey(e: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1, Home: -free.length, End: free.length }[e.key];
    if (step === undefined || tab === undefined) return;
    e.preventDefault();
    const next = free[Math.min(free.length - 1, Math.max(0, free.indexOf(tab) + step))];
    setAt(next);
    track.current?.querySelector<HTMLElement>(`[data-at="${next}"]`)?.focus();
  }

  const open = windows.reduce((ms, w) => ms + w.end - w.start, 0);
  const taken = blocks.reduce(
    (ms, b) => ms + windows.reduce((n, w) => n + Math.max(0, Math.min(b.end, w.end) - Math.max(b.start, w.start)), 0),
    0,
  );
  const denied = source.status === 'denied';
  return (
    <section class={`column ${source.status === 'stale' ? 'stale' : ''}`} aria-label={room.name} data-room={room.resourceId}>
      <div class="colhead">
        <h3 class={p.titled ? '' : 'vh'}>{room.name}</h3>
        <span class="small muted">
          {open === 0 ? 'closed' : `${Math.round((taken / open) * 100)} % taken`}
          {room.status === 'suspended' ? ' · suspended' : ''}
          {room.price === undefined ? '' : ` · ${money(room.price.amountMinor, room.price.currency)}/h`}
        </span>
      </div>
      <div class="track" ref={track} style={{ height: height(range.end - range.start) }} aria-busy={source.status === 'loading'}>
        {hatch({ start: range.start, end: range.end }, windows, now).map((s) => (
          <div key={s.start} class="shut" style={{ top: top(s.start), height: height(s.end - s.start) }} />
        ))}
        {!denied &&
          free.map((start) => (
            <button
              key={start}
              type="button"
              class="cell"
              data-at={start}
              tabIndex={start === tab ? 0 : -1}
              style={{ top: top(start), height: height(CELL_MS) }}
              aria-label={`Book ${room.name} at ${clock(start, room.timeZone)}`}
              onKeyDown={onKey}
              onFocus={() => setAt(start)}
              onClick={() => p.onBook(start)}
            >
              <span>{clock(start, room.timeZone)}</span>
            </button>
          ))}
        {blocks.map((b) => (
          <BlockView key={b.id} block={b} {...p} plan={plan} top={top} height={height} />
        ))}
        {range.start < now && now < range.end && <div class="nowline" style={{ top: top(now) }} aria-hidden="true" />}
        {denied && <p class="denied small">{source.error?.message}</p>}
      </div>
    </section>
  );
}

/** The parts of the shown range that cannot be booked: closed, or over. */
function hatch(range: Span, windows: readonly Span[], now: number): Span[] {
  const out: Span[] = [];
  let at = Math.min(Math.max(now, range.start), range.end);
  if (at > range.start) out.push({ start: range.start, end: at });
  for (const w of windows) {
    if (w.start > at) out.push({ start: at, end: w.start });
    at = Math.max(at, w.end);
  }
  if (at < range.end) out.push({ start: at, end: range.end });
  return out;
}

interface BlockProps extends Props {
  readonly block: Block;
  readonly plan: DayPlan;
  readonly top: (t: number) => string;
  readonly height: (ms: number) => string;
}

/** A block. Own ones, and all of them for staff, open on a click and can be dragged to another time with the mouse. */
function BlockView({ block, plan, room, range, me, now, clients, onOpen, top, height }: BlockProps) {
  const client = useThrum();
  const say = useToast();
  const [shift, setShift] = useState<number>();
  const drag = useRef<{ y: number; moved: boolean }>(undefined);
  const usable = block.bookingId !== undefined && (block.mine || isStaff(me));
  const step = room.slotStepMin * 60_000;
  const length = block.end - block.start;
  const start = block.start + (shift ?? 0);
  // staff see whose booking it is; the booking itself says so
  const named = isStaff(me) && block.state !== 'blocked' && !block.mine;
  const status = useTopic(named && block.bookingId !== undefined ? `booking:${block.bookingId}/status` : undefined);
  const name = clients.find((c) => c.id === status.value?.userId)?.displayName ?? block.label;
  const label = `${name}, ${clock(start, room.timeZone)} to ${clock(start + length, room.timeZone)}`;
  const style = {
    top: top(Math.max(start, range.start)),
    height: height(Math.min(start + length, range.end) - Math.max(start, range.start)),
  };
  const fits = shift === undefined || (start >= now && isFree(plan, { start, end: start + length }, block.bookingId));
  const body = (
    <>
      <strong>{name}</strong>
      <span>
        {clock(start, room.timeZone)}–{clock(start + length, room.timeZone)}
        {length >= 2_700_000 ? ` · ${minutes(length)}` : ''}
      </span>
    </>
  );
  const kind = `block ${block.state} ${block.mine ? 'mine' : ''} ${length < 2_000_000 ? 'short' : ''}`;
  if (!usable) {
    return (
      <div class={kind} style={style} data-block={block.id} title={label}>
        {body}
      </div>
    );
  }

  function move(): void {
    const by = shift ?? 0;
    if (by === 0 || !fits || block.bookingId === undefined) return setShift(undefined);
    reschedule(client, block.bookingId, block.start + by, length)
      .then(() => say(`Moved to ${clock(block.start + by, room.timeZone)}`))
      .catch((e: Error) => say(e.message, 'warn'))
      .finally(() => setShift(undefined));
  }

  return (
    <button
      type="button"
      class={`${kind} usable ${shift === undefined ? '' : fits ? 'dragging' : 'dragging bad'}`}
      style={style}
      data-block={block.id}
      title="Drag to move, click to open"
      onPointerDown={(e) => {
        if (e.pointerType !== 'mouse' || e.button !== 0) return;
        drag.current = { y: e.clientY, moved: false };
        e.currentTarget.setPointerCapture(e.pointerId);
      }}
      onPointerMove={(e) => {
        if (drag.current === undefined) return;
        const by = Math.round((((e.clientY - drag.current.y) / HOUR_PX) * 3_600_000) / step) * step;
        if (Math.abs(e.clientY - drag.current.y) > 4) drag.current.moved = true;
        if (drag.current.moved) setShift(by);
      }}
      onPointerUp={() => {
        const moved = drag.current?.moved === true;
        drag.current = undefined;
        if (moved) move();
        else onOpen({ ...block, label: name });
      }}
      onPointerCancel={() => {
        drag.current = undefined;
        setShift(undefined);
      }}
      onClick={(e) => {
        // a mouse was handled by its pointer events; this is the keyboard, a finger or an assistive device
        if (e.detail === 0 || (e as unknown as PointerEvent).pointerType !== 'mouse') onOpen({ ...block, label: name });
      }}
    >
      {body}
    </button>
  );
}
