/** What the dashboard needs of the server's views, in the form in which it is drawn. Times are epoch ms. */
import type { Replies } from '../generated/replies.ts';
import { instant, weekday } from '../lib/zone.ts';

export type Me = Replies['GET /v1/me'];

export const isStaff = (me: Me): boolean => me.roles.includes('staff') || me.roles.includes('admin');

/** Which entry of an affordance map is this reader's. */
export type Role = 'self' | 'staff';

export interface Can {
  readonly can?: { readonly [role: string]: readonly string[] };
}

export const can = (view: Can | undefined, role: Role, command: string): boolean => view?.can?.[role]?.includes(command) === true;

export type Room = Replies['GET /v1/booking/resources']['items'][number];

export interface Span {
  readonly start: number;
  readonly end: number;
}

/** One block in a room's day. `mine`: the reader's own; others' are shown without identity unless the reader is staff. */
export interface Block extends Span {
  readonly id: string;
  readonly bookingId?: string;
  readonly mine: boolean;
  readonly label: string;
  readonly state: 'held' | 'confirmed' | 'blocked';
}

const minuteOf = (hhmm: string): number => {
  const [h = '0', m = '0'] = hhmm.split(':');
  return Number(h) * 60 + Number(m);
};

/** Open windows of a room on a local day by its weekly rules; what is shown until the live view is there, which knows the exceptions too. */
export function openWindows(room: Room, day: string): Span[] {
  const rules: Room['openingRules'] =
    room.openingRules.length === 0 ? [{ days: [1, 2, 3, 4, 5, 6, 7], from: '00:00', to: '24:00' }] : room.openingRules;
  const spans = rules
    .filter((r) => r.days.includes(weekday(day)))
    .map((r) => {
      const from = minuteOf(r.from);
      const to = minuteOf(r.to);
      return { start: instant(room.timeZone, day, from), end: instant(room.timeZone, day, to <= from ? 1_440 : to) };
    })
    .sort((a, b) => a.start - b.start);
  const out: Span[] = [];
  for (const s of spans) {
    const last = out.at(-1);
    if (last !== undefined && s.start <= last.end) out[out.length - 1] = { start: last.start, end: Math.max(last.end, s.end) };
    else out.push(s);
  }
  return out;
}

/** One room's day as it stands: when it is open, and what is in it. */
export interface DayPlan {
  readonly day: string;
  readonly windows: readonly Span[];
  readonly blocks: readonly Block[];
}

const overlaps = (a: Span, b: Span): boolean => a.start < b.end && b.start < a.end;

/** Whether `span` lies in opening hours and meets no block but that of the booking `except`. */
export const isFree = ({ windows, blocks }: DayPlan, span: Span, except?: string): boolean =>
  windows.some((w) => w.start <= span.start && span.end <= w.end) &&
  !blocks.some((b) => (except === undefined || b.bookingId !== except) && overlaps(b, span));

/** Starts on a grid of `stepMin` from each opening at which `ms` fit, not before `now`. */
export function freeStarts(plan: DayPlan, stepMin: number, ms: number, now: number, except?: string): number[] {
  const starts: number[] = [];
  for (const w of plan.windows) {
    for (let at = w.start; at + ms <= w.end; at += stepMin * 60_000) {
      if (at >= now && isFree(plan, { start: at, end: at + ms }, except)) starts.push(at);
    }
  }
  return starts;
}

/** What is left of `span` without `others`. */
export function without(span: Span, others: readonly Span[]): Span[] {
  const out: Span[] = [];
  let at = span.start;
  for (const o of [...others].sort((a, b) => a.start - b.start)) {
    if (o.end <= at || o.start >= span.end) continue;
    if (o.start > at) out.push({ start: at, end: o.start });
    at = o.end;
  }
  if (at < span.end) out.push({ start: at, end: span.end });
  return out;
}

// -------------------------------------------------------------------------------------------------------------- energy

export const COMPONENTS = ['sleep', 'hrv', 'rhr', 'activity', 'mood'] as const;
export type Component = (typeof COMPONENTS)[number];

export const COMPONENT_NAMES: { readonly [C in Component]: string } = {
  sleep: 'Sleep',
  hrv: 'Heart-rate variability',
  rhr: 'Resting heart rate',
  activity: 'Activity',
  mood: 'Mood',
};

// -------------------------------------------------------------------------------------------------------------- alerts

const SEVERITY = { critical: 4, high: 3, medium: 2, low: 1, none: 0 } as const;

/** The latest item of each alert; open ones first, the more severe before the newer. */
export function latestAlerts<I extends { id: string; status: string; severity: keyof typeof SEVERITY; at: number }>(
  items: readonly I[],
): I[] {
  const byId = new Map<string, I>();
  for (const item of items) byId.set(item.id, item);
  const open = (i: I): number => (i.status === 'closed' ? 0 : 1);
  return [...byId.values()].sort(
    (a, b) => open(b) - open(a) || (open(a) === 1 ? SEVERITY[b.severity] - SEVERITY[a.severity] : 0) || b.at - a.at,
  );
}
