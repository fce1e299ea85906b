/** What the actions of a resource do: pure functions of its context and the event, each named after its action. */
import type { Availability } from '../../calc/booking/availability.ts';
import { ALL_UNITS, find, put, remove, type Claim } from '../../calc/booking/days.ts';
import { localDay, localDayAt } from '../../calc/booking/opening.ts';
import { ratioOf, utilizationOf } from '../../calc/booking/utilization.ts';
import { DAY, isoOf, MINUTE } from '../../calc/time/civil.ts';
import { shortId } from '../../calc/uuid.ts';
import { from, now } from '../../actors/scope.ts';
import {
  backstopIn,
  BACKSTOP_MS,
  checkHold,
  claimChange,
  claimRow,
  claimsBetween,
  conflictOf,
  pastClaims,
  place,
  strandedBy,
  withTomb,
  type HoldRequest,
  type ResourceContext,
} from './resource.state.ts';
import type { ResourceConfig, ResourcePatch, ResourceStatus, ResourceView } from './schema.ts';
import { chain, reject, reply, row, tell, type Output, type Step } from './step.ts';

type Context = ResourceContext;
type Done = Step<Context>;

const DAYS_AT_ONCE = 62;
const CLAIMS_AT_ONCE = 150;
const ASKED_AT_ONCE = 100;

export const monitorOf = (c: Context): string => `anomaly:resource:${c.id}:utilization`;

export const viewOf = (c: Context, status: ResourceStatus): ResourceView => ({ resourceId: c.id, ...c.config, status, rev: c.rev });

// ---------------------------------------------------------------------------------------------------------- configuration

export function create(c: Context, e: { no: number; config: ResourceConfig }): Done {
  const made: Context = { ...c, no: e.no, config: e.config, rev: 1, createdAt: now(), openDay: localDayAt(e.config, now()) };
  return chain<Context>(
    made,
    () => ({ set: made }),
    (x) => saved(x, 'active'),
    watchDay,
  );
}

/** The reply lists what the new rules leave stranded; those bookings stay. */
export function configure(c: Context, e: { patch: ResourcePatch }): Done {
  const next: Context = { ...c, config: { ...c.config, ...e.patch }, rev: c.rev + 1 };
  const conflicts = strandedBy(c, next.config, now());
  return chain<Context>(
    next,
    (x) => ({
      set: { config: x.config, rev: x.rev },
      out: [row('resources', 'put', resourceRow(x, 'active')), reply({ resource: viewOf(x, 'active'), conflicts })],
    }),
    watchDay,
  );
}

/** A change of status, with the new rev, the row and the reply. */
export const become = (c: Context, status: ResourceStatus): Done =>
  chain<Context>(
    { ...c, rev: c.rev + 1 },
    (x) => ({ set: { rev: x.rev } }),
    (x) => saved(x, status),
  );

const saved = (c: Context, status: ResourceStatus): Done => ({
  out: [row('resources', 'put', resourceRow(c, status)), reply(viewOf(c, status))],
});

const resourceRow = (c: Context, status: ResourceStatus): object => ({
  resource_id: c.id,
  resource_no: c.no,
  name: c.config.name,
  kind: c.config.kind,
  time_zone: c.config.timeZone,
  capacity: c.config.capacity,
  capacity_mode: c.config.capacityMode,
  config: c.config,
  rev: c.rev,
  status,
  created_at: c.createdAt,
  updated_at: now(),
});

// ----------------------------------------------------------------------------------------------------------------- claims

/** Grants a claim: state, row, utilization if it is final at once, backstop if it is not, answer. */
export function grant(c: Context, e: HoldRequest): Done {
  const claim = place(c, e);
  if (claim === undefined) throw new Error('a hold was accepted without a free unit');
  return chain<Context>(
    c,
    () => ({ set: { days: put(c.days, claim) }, out: [row('claims', 'insert', claimRow(c, claim))] }),
    (x) =>
      claim.state === 'h'
        ? chain<Context>(x, () => ({ set: { holds: { ...x.holds, [claim.claimId]: [e.backstopAt, claim.s] } } }), watchHolds)
        : utilized(x, claim),
    (x) => answerHeld(x, e.claimId),
  );
}

export function answerHeld(c: Context, claimId: string): Done {
  const claim = find(c.days, claimId);
  return claim === undefined ? {} : { out: answer('claim.held', { claimId, unit: claim.unit, confirmed: claim.state === 'c' }) };
}

export function refuseHold(c: Context, e: HoldRequest): Done {
  return { out: [refusal(e.claimId, checkHold(c, e, now()))] };
}

/** A held claim becomes final; a final one stays so. */
export function confirm(c: Context, claimId: string): Done {
  const claim = find(c.days, claimId);
  if (claim?.state !== 'h') return {};
  return chain<Context>(
    c,
    () => ({
      set: { days: put(c.days, { ...claim, state: 'c' }), holds: without(c.holds, claimId) },
      out: [row('claims', 'update', claimChange(claim, 'confirmed'))],
    }),
    (x) => utilized(x, claim),
    watchHolds,
  );
}

/** A claim gives its place back. Its id is remembered, so that a hold that arrives later cannot bring it back. */
export function release(c: Context, claimId: string): Done {
  const claim = find(c.days, claimId);
  const gone = c.gone[claimId] === undefined ? withTomb(c.gone, claimId, now()) : c.gone;
  if (claim === undefined) return { set: { gone } };
  return chain<Context>(
    c,
    () => ({
      set: { days: remove(c.days, claim), gone, ...(claim.state === 'h' ? { holds: without(c.holds, claimId) } : {}) },
      out: [row('claims', 'update', claimChange(claim, 'released'))],
    }),
    (x) => (claim.state === 'c' ? utilized(x, claim) : {}),
    (x) => (claim.state === 'h' ? watchHolds(x) : {}),
  );
}

export const confirmAndAnswer = (c: Context, e: { claimId: string }): Done =>
  chain<Context>(
    c,
    (x) => confirm(x, e.claimId),
    () => ({ out: answer('claim.confirmed', { claimId: e.claimId }) }),
  );

export const releaseAndAnswer = (c: Context, e: { claimId: string }): Done =>
  chain<Context>(
    c,
    (x) => release(x, e.claimId),
    () => ({ out: answer('claim.released', { claimId: e.claimId }) }),
  );

/** The old claim goes and the new one is final, in one transition. */
export const swap = (c: Context, e: { newClaimId: string; oldClaimId: string }): Done =>
  chain<Context>(
    c,
    (x) => release(x, e.oldClaimId),
    (x) => confirm(x, e.newClaimId),
    () => ({ out: answer('claim.swapped', { claimId: e.newClaimId }) }),
  );

/** To the coordinator, if an actor asked. */
export const answer = (type: string, payload: object): Output[] => (from().kind === 'actor' ? [tell(from().id, type, payload)] : []);

export function refusal(claimId: string, a: Pick<Availability, 'reason' | 'conflicts'>): Output {
  const reason = a.reason ?? 'overlap';
  const code = reason === 'overlap' || reason === 'capacity' ? 'SLOT_UNAVAILABLE' : reason.toUpperCase();
  const conflicts = a.conflicts?.map((x) => ({ s: isoOf(x.s), e: isoOf(x.e), state: x.state }));
  return reject(code, { claimId, reason, ...(conflicts === undefined ? {} : { conflicts }) });
}

// ----------------------------------------------------------------------------------------------------------------- blocks

export function block(c: Context, e: { blockId: string; start: number; end: number; force?: boolean | undefined }): Done {
  const over = claimsBetween(c.days, e.start, e.end);
  const sole = c.config.capacityMode === 'units' && c.config.capacity === 1 && over.length === 0 && e.force !== true;
  const claim: Claim = {
    claimId: shortId(e.blockId),
    bookingId: e.blockId,
    s: e.start / MINUTE,
    e: e.end / MINUTE,
    unit: sole ? 0 : ALL_UNITS,
    qty: 1,
    state: 'b',
    before: 0,
    after: 0,
  };
  return {
    set: { days: put(c.days, claim) },
    out: [row('claims', 'insert', claimRow(c, claim)), reply({ blockId: e.blockId, conflicts: over.slice(0, 100).map(conflictOf) })],
  };
}

export const refuseBlock = (c: Context, e: { start: number; end: number }): Done => ({
  out: [reject('SLOT_UNAVAILABLE', { reason: 'overlap', conflicts: claimsBetween(c.days, e.start, e.end).slice(0, 20).map(conflictOf) })],
});

export const unblock = (c: Context, e: { blockId: string }): Done =>
  chain<Context>(
    c,
    (x) => release(x, shortId(e.blockId)),
    () => ({ out: [reply({})] }),
  );

// ----------------------------------------------------------------------------------------------------------------- timers

/** One timer for all holds, at the earliest time at which a coordinator has to be asked. */
const watchHolds = (c: Context): Done => ({ timers: [{ id: 'backstop', event: 'backstop.due', in: backstopIn(c, now()) }] });

/** Asks the coordinators of overdue holds what became of them; nothing is released on suspicion. */
export function inquire(c: Context): Done {
  const due = Object.entries(c.holds)
    .filter(([, [at]]) => at <= now())
    .slice(0, ASKED_AT_ONCE);
  const again = Object.fromEntries(due.map(([claimId, [, near]]): [string, [number, number]] => [claimId, [now() + BACKSTOP_MS, near]]));
  const out = due.flatMap(([claimId, [, near]]) => {
    const claim = find(c.days, claimId, near);
    return claim === undefined ? [] : [tell(`booking:${claim.bookingId}`, 'claim.inquire', { claimId })];
  });
  return chain<Context>(c, () => ({ set: { holds: { ...c.holds, ...again } }, out }), watchHolds);
}

/** The coordinator does not exist: none of its claims is anybody's. */
export function releaseOrphans(c: Context, e: { to: string }): Done {
  const bookingId = e.to.slice('booking:'.length);
  const orphans = Object.entries(c.holds).filter(([claimId, [, near]]) => find(c.days, claimId, near)?.bookingId === bookingId);
  return chain<Context>(
    c,
    ...orphans.map(
      ([claimId]) =>
        (x: Context): Done =>
          release(x, claimId),
    ),
  );
}

const watchDay = (c: Context): Done => ({
  timers: [{ id: 'dayEnd', event: 'day.ended', in: Math.max(1, localDay(c.config, c.openDay)[1] - now()) }],
});

/** Closes every local day that is over: its bucket is written once more and the monitor gets the point; then the past leaves the state. */
export function closeDays(c: Context): Done {
  const until = Math.min(localDayAt(c.config, now()), c.openDay + DAYS_AT_ONCE);
  const out: Output[] = [];
  for (let day = c.openDay; day < until; day += 1) {
    const u = utilizationOf(c.config, c.days, day);
    out.push(
      row('utilization', 'put', bucketRow(c, day)),
      tell(monitorOf(c), 'anomaly.observe', { t: u.t, v: ratioOf(u, c.config.capacity) }),
    );
  }
  const past = pastClaims(c.days, localDay(c.config, until)[0], CLAIMS_AT_ONCE);
  for (const claim of past) out.push(row('claims', 'update', claimChange(claim, claim.state === 'b' ? 'released' : 'done')));
  const gone = Object.fromEntries(Object.entries(c.gone).filter(([, at]) => at > now() - DAY));
  return chain<Context>(c, () => ({ set: { openDay: until, days: past.reduce(remove, c.days), gone }, out }), watchDay);
}

/** Rows of the open buckets that a claim's booking time touches. */
function utilized(c: Context, claim: Claim): Done {
  const first = localDayAt(c.config, (claim.s + claim.before) * MINUTE);
  const last = localDayAt(c.config, (claim.e - claim.after) * MINUTE - 1);
  const out: Output[] = [];
  for (let day = Math.max(first, c.openDay); day <= last; day += 1) out.push(row('utilization', 'put', bucketRow(c, day)));
  return { out };
}

/** Row of `utilization_buckets` of one local day. */
function bucketRow(c: Context, day: number): object {
  const u = utilizationOf(c.config, c.days, day);
  return {
    resource_id: c.id,
    bucket: 'day',
    t: u.t,
    avail_min: u.avail,
    booked_seat_min: u.booked,
    extra_seat_min: u.extra,
    updated_at: now(),
  };
}

function without<T>(map: { readonly [key: string]: T }, key: string): { [key: string]: T } {
  const { [key]: _gone, ...rest } = map;
  return rest;
}
