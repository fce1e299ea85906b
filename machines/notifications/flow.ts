/**
 * What becomes of a notification: pure steps over what the person's actor keeps. Each gives the state that follows and what is to be done about
 * it: rows, jobs, and at most one item. Tables and invariants: SPEC.md.
 */
import { minutesOf, nextDaily, quietEnd } from '../../calc/time/quiet.ts';
import { localDate } from '../../calc/time/civil.ts';
import { channelsOf, DAILY, HOURLY, isExempt, rules } from './rules.ts';
import { rowOf } from './row.ts';
import type { RowState } from './row.ts';
import { textOf } from './texts.ts';
import type { Create, Notice, NotificationItem, NotifyState, RetractJob, SendJob } from './schema.ts';
import type { outcomes, EndpointHead, Preferences } from './schema.ts';

export type Person = NotifyState & { readonly id: string; readonly timeZone: string };

export interface Job {
  readonly name: 'notify.send' | 'notify.retract';
  readonly data: SendJob | RetractJob;
  readonly dedupeKey: string;
}

export interface Step {
  readonly next: NotifyState;
  readonly rows: readonly object[];
  readonly jobs: readonly Job[];
  readonly item?: NotificationItem;
}

const HOUR = 3_600_000;
/** how long an item may take to be seen on an open page before other devices are called */
export const GRACE_MS = 10_000;
export const LIFE_MS = 24 * HOUR;
const MOST_NOTICES = 32;
const MOST_ENDPOINTS = 20;

/** A step under construction. */
class Draft {
  readonly #who: Pick<Person, 'id' | 'timeZone'>;
  readonly #now: number;
  readonly #rows = new Map<string, object>();
  readonly #jobs: Job[] = [];
  readonly notices: Record<string, Notice>;
  endpoints: NotifyState['endpoints'];
  preferences: Preferences;
  pushed: NotifyState['pushed'];
  digestDue: number | undefined;

  constructor(p: Person, now: number) {
    this.#who = p;
    this.#now = now;
    this.notices = { ...p.notices };
    this.endpoints = p.endpoints;
    this.preferences = p.preferences;
    this.pushed = p.pushed;
    this.digestDue = p.digestDue;
  }

  get now(): number {
    return this.#now;
  }

  get zone(): string {
    return this.#who.timeZone;
  }

  row(id: string, n: Parameters<typeof rowOf>[2], state: RowState, o: { reason?: string; acknowledgedAt?: number } = {}): void {
    this.#rows.set(id, rowOf(this.#who.id, id, n, { state, ...o }));
  }

  /** It goes on like this. */
  keep(id: string, n: Notice): void {
    if (this.notices[id]?.state !== n.state) this.row(id, n, n.state);
    this.notices[id] = n;
  }

  /** It is over. */
  end(id: string, state: Exclude<RowState, Notice['state']>, o: { reason?: string; acknowledgedAt?: number } = {}): void {
    const n = this.notices[id];
    if (n === undefined) return;
    delete this.notices[id];
    this.row(id, n, state, o);
  }

  job(name: 'notify.send', data: SendJob): void;
  job(name: 'notify.retract', data: RetractJob): void;
  job(name: Job['name'], data: Job['data']): void {
    this.#jobs.push({ name, data, dedupeKey: `${name}:${Object.values(data).join(':')}` });
  }

  /** Endpoints that the person wants to be called at in this category. */
  reach(category: Notice['category']): string[] {
    const { push, email } = channelsOf(this.preferences, category);
    return Object.entries(this.endpoints).flatMap(([id, { provider }]) => ((provider === 'email' ? email : push) ? [id] : []));
  }

  /** Jobs for every endpoint that is wanted. @param others ids of the notifications that go with it, as a digest */
  push(id: string, n: Notice, others?: readonly string[]): void {
    const { due: _, ...rest } = n;
    const waits = this.reach(n.category);
    const { full } = channelsOf(this.preferences, n.category);
    this.keep(id, { ...rest, state: 'pushing', waits, shown: [], ...(others === undefined ? {} : { digest: [...others] }) });
    const digest = others === undefined ? {} : { digest: others.length + 1 };
    for (const endpointId of waits) this.job('notify.send', { userId: this.#who.id, id, endpointId, full, ...digest });
  }

  /** Removes what was pushed from where it is shown; pages in a browser do that themselves. */
  retract(n: Notice): void {
    for (const endpointId of n.shown ?? []) {
      const { provider } = this.endpoints[endpointId] ?? {};
      if (provider !== 'fcm' && provider !== 'apns') continue;
      const collapseKey = n.digest === undefined ? n.collapseKey : 'digest';
      this.job('notify.retract', { userId: this.#who.id, endpointId, collapseKey });
    }
  }

  done(item?: NotificationItem): Step {
    this.#forget();
    const digested = Object.values(this.notices).some((n) => n.state === 'digested');
    const { notices, endpoints, preferences, pushed, digestDue } = this;
    const next = { notices, endpoints, preferences, pushed, ...(digestDue === undefined || !digested ? {} : { digestDue }) };
    return { next, rows: [...this.#rows.values()], jobs: this.#jobs, ...(item === undefined ? {} : { item }) };
  }

  /** What nobody waits for goes when it has expired, or when there is too much of it; the oldest first. */
  #forget(): void {
    // its jobs were lost: they are dead, or the table was restored
    for (const [id, n] of Object.entries(this.notices)) {
      if (n.state === 'pushing' && n.expiresAt + HOUR <= this.#now) for (const one of [id, ...(n.digest ?? [])]) this.end(one, 'failed');
    }
    const resting = ([, n]: [string, Notice]): boolean => n.due === undefined && (n.state === 'live' || n.state === 'sent');
    const idle = Object.entries(this.notices)
      .filter(resting)
      .toSorted(([, a], [, b]) => a.seq - b.seq);
    const surplus = Object.keys(this.notices).length - MOST_NOTICES;
    for (const [i, [id, n]] of idle.entries()) {
      if (n.expiresAt > this.#now && i >= surplus) continue;
      if (n.state === 'live' && n.expiresAt <= this.#now) this.end(id, 'expired');
      else delete this.notices[id];
    }
  }
}

// ------------------------------------------------------------------------------------------------------------------ asked for

/** @param last number of the last item of the log before */
export function create(p: Person, e: Create, o: { now: number; last: number }): Step {
  const d = new Draft(p, o.now);
  if (d.notices[e.id] !== undefined) return d.done();
  const { id, category, severity, collapseKey, titleKey, args, href, expiresAt = o.now + LIFE_MS } = e;
  const facts = { category, severity, collapseKey, titleKey, args, at: o.now, expiresAt, ...(href === undefined ? {} : { href }) };
  const channels = channelsOf(d.preferences, e.category);
  if (!channels.inapp && !channels.push && !channels.email) {
    d.row(id, facts, 'suppressed', { reason: 'preference' });
    return d.done();
  }
  for (const [older, n] of Object.entries(d.notices)) {
    // a digest under way speaks for others too
    if (n.collapseKey === e.collapseKey && isUndelivered(n) && n.digest === undefined) d.end(older, 'suppressed', { reason: 'replaced' });
  }
  const seq = o.last + 1;
  d.keep(id, { ...facts, seq, state: 'live', ...(mayCall(d, e) ? { due: o.now + GRACE_MS } : {}) });
  return d.done({ id, ...facts, ...textOf(e) });
}

const mayCall = (d: Draft, { category }: Pick<Notice, 'category'>): boolean => d.reach(category).length > 0;

const isUndelivered = (n: Notice): boolean =>
  n.state === 'deferred' || n.state === 'digested' || n.state === 'pushing' || n.due !== undefined;

/** What it was about is over: nobody is called any more. */
export function withdraw(p: Person, collapseKey: string, now: number): Step {
  const d = new Draft(p, now);
  for (const [id, n] of Object.entries(d.notices)) {
    if (n.collapseKey === collapseKey && n.state !== 'pushing' && isUndelivered(n)) d.end(id, 'suppressed', { reason: 'over' });
  }
  return d.done();
}

/** No page of the person is open in front of them: waiting for one is of no use. */
export function unwatched(p: Person, id: string, now: number): Step {
  const d = new Draft(p, now);
  const n = d.notices[id];
  if (n?.state === 'live' && n.due !== undefined) d.keep(id, { ...n, due: now });
  return d.done();
}

/** The person has seen the log up to `seq`. */
export function seen(p: Person, seq: number, now: number): Step {
  const d = new Draft(p, now);
  for (const [id, n] of Object.entries(d.notices)) {
    if (n.seq > seq) continue;
    d.retract(n);
    d.end(id, 'acknowledged', { acknowledgedAt: now });
  }
  return d.done();
}

// ----------------------------------------------------------------------------------------------------------------------- due

/** When something is to be looked at next. */
export function nextDue({ notices, digestDue }: Pick<NotifyState, 'notices' | 'digestDue'>): number | undefined {
  const times = Object.values(notices).flatMap(({ due }) => (due === undefined ? [] : [due]));
  if (digestDue !== undefined) times.push(digestDue);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** Everything whose time has come. */
export function due(p: Person, now: number): Step {
  const d = new Draft(p, now);
  if (d.digestDue !== undefined && d.digestDue <= now) digest(d);
  for (const [id, n] of Object.entries(d.notices).toSorted(([, a], [, b]) => a.seq - b.seq)) {
    if (n.due !== undefined && n.due <= now) look(d, id, n);
  }
  return d.done();
}

function look(d: Draft, id: string, n: Notice): void {
  const { due: _, ...rest } = n;
  if (n.expiresAt <= d.now) return d.end(id, 'expired');
  if (!mayCall(d, n)) return d.keep(id, { ...rest, state: 'live' });
  const until = quietUntil(d, n, d.now);
  if (until !== undefined) return d.keep(id, { ...rest, state: 'deferred', due: until });
  if (isExempt(n) || spend(d, n)) return d.push(id, n);
  d.keep(id, { ...rest, state: 'digested' });
  d.digestDue ??= digestTime(d);
}

/** End of the quiet hours that hold it back at `at`. */
function quietUntil(d: Draft, n: Notice, at: number): number | undefined {
  const { quiet } = d.preferences;
  if (quiet === undefined || rules[n.category].always === true) return undefined;
  if (n.severity === 'critical' && quiet.bypassCritical) return undefined;
  return quietEnd(d.zone, { from: minutesOf(quiet.from), to: minutesOf(quiet.to) }, at);
}

/** Takes one push from the budgets; false when one of them is spent. */
function spend(d: Draft, n: Notice): boolean {
  const { group } = rules[n.category];
  const today = localDate(d.zone, d.now);
  const at = d.pushed.at.filter((t) => t > d.now - HOUR);
  const groups = d.pushed.day === today ? d.pushed.groups : {};
  const used = group === undefined ? 0 : (groups[group] ?? 0);
  const free = at.length < HOURLY && (group === undefined || used < (DAILY[group] ?? 0));
  d.pushed = {
    at: free ? [...at, d.now] : at,
    day: today,
    groups: free && group !== undefined ? { ...groups, [group]: used + 1 } : groups,
  };
  return free;
}

/** When the quiet hours end that `at` lies in, or `at`. */
function afterQuiet(d: Draft, at: number): number {
  const { quiet } = d.preferences;
  return quiet === undefined ? at : (quietEnd(d.zone, { from: minutesOf(quiet.from), to: minutesOf(quiet.to) }, at) ?? at);
}

/** The next digest; one that would come in quiet hours comes at their end. */
const digestTime = (d: Draft): number => afterQuiet(d, nextDaily(d.zone, minutesOf(d.preferences.digestAt), d.now));

/** One push for all that the budgets have held back, led by the newest. */
function digest(d: Draft): void {
  const at = afterQuiet(d, d.now);
  d.digestDue = at > d.now ? at : undefined;
  // the server was away when it was due
  if (at > d.now) return;
  const called = Object.entries(d.notices).filter(([id, n]) => {
    if (n.state !== 'digested') return false;
    if (n.expiresAt <= d.now) d.end(id, 'expired');
    else if (!mayCall(d, n)) d.keep(id, { ...n, state: 'live' });
    else return true;
    return false;
  });
  const [lead, ...others] = called.toSorted(([, a], [, b]) => b.seq - a.seq);
  if (lead !== undefined) d.push(lead[0], lead[1], others.length === 0 ? undefined : others.map(([id]) => id));
}

// ----------------------------------------------------------------------------------------------------------------- endpoints

export interface Finished {
  readonly id: string;
  readonly endpointId: string;
  readonly outcome: (typeof outcomes)[number];
}

/** The final outcome of one delivery. */
export function finished(p: Person, { id, endpointId, outcome }: Finished, now: number): Step {
  const d = new Draft(p, now);
  if (outcome === 'gone') drop(d, endpointId);
  else settle(d, id, endpointId, outcome === 'sent');
  return d.done();
}

function settle(d: Draft, id: string, endpointId: string, isShown: boolean): void {
  const n = d.notices[id];
  if (n?.state !== 'pushing' || n.waits?.includes(endpointId) !== true) return;
  const waits = n.waits.filter((one) => one !== endpointId);
  const shown = isShown ? [...(n.shown ?? []), endpointId] : (n.shown ?? []);
  if (waits.length > 0) return d.keep(id, { ...n, waits, shown });
  const { waits: _, ...rest } = n;
  const others = n.digest ?? [];
  if (shown.length === 0) return [id, ...others].forEach((one) => d.end(one, 'failed'));
  d.keep(id, { ...rest, state: 'sent', shown });
  for (const other of others) {
    const one = d.notices[other];
    if (one !== undefined) d.keep(other, { ...one, state: 'sent' });
  }
}

/** An endpoint is no more: nobody waits for it. */
function drop(d: Draft, endpointId: string): void {
  const { [endpointId]: _, ...others } = d.endpoints;
  d.endpoints = others;
  for (const id of Object.keys(d.notices)) settle(d, id, endpointId, false);
}

export function removed(p: Person, endpointId: string, now: number): Step {
  const d = new Draft(p, now);
  drop(d, endpointId);
  return d.done();
}

/** The device that was registered longest ago makes room. */
export function registered(p: Person, endpointId: string, head: EndpointHead, now: number): Step {
  const d = new Draft(p, now);
  d.endpoints = { ...d.endpoints, [endpointId]: head };
  const devices = Object.entries(d.endpoints).filter(([, { provider }]) => provider !== 'email');
  const byAge = devices.toSorted(([, a], [, b]) => a.at - b.at);
  for (const [oldest] of byAge.slice(0, -MOST_ENDPOINTS)) drop(d, oldest);
  return d.done();
}

export function configured(p: Person, preferences: Preferences, now: number): Step {
  const d = new Draft(p, now);
  d.preferences = preferences;
  for (const [id, n] of Object.entries(d.notices)) if (n.state === 'deferred') d.keep(id, { ...n, due: now });
  if (d.digestDue !== undefined) d.digestDue = digestTime(d);
  return d.done();
}
