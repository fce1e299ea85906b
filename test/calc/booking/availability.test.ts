import test from 'ava';
import * as fc from 'fast-check';
import { allocate } from '../../../calc/booking/allocate.ts';
import { isSlotAvailableWithDuration, type Calendar, type CheckOptions, type Rules } from '../../../calc/booking/availability.ts';
import { allClaims, ALL_UNITS, find, NO_UNIT, put, remove, type Claim, type Days } from '../../../calc/booking/days.ts';
import { intersect, levels, peak, subtract, union, type Interval } from '../../../calc/booking/intervals.ts';
import { freeSlots } from '../../../calc/booking/slots.ts';

const rulesOf = (more: Partial<Rules> = {}): Rules => ({
  timeZone: 'Europe/Berlin',
  openingRules: [{ days: [1, 2, 3, 4, 5, 6, 7], from: '09:00', to: '17:00' }],
  exceptions: [],
  capacity: 1,
  capacityMode: 'units',
  allocation: 'best_fit',
  minNoticeMin: 0,
  horizonDays: 365,
  slotStepMin: 15,
  slotAnchor: 'opening',
  enforceGrid: false,
  ...more,
});

const now = Date.parse('2027-03-01T08:00:00Z');
const day = (time: string): number => Date.parse(`2027-03-10T${time}:00Z`);

let serial = 0;
function claim(s: number, e: number, more: Partial<Claim> = {}): Claim {
  serial += 1;
  return {
    claimId: `c${serial}`,
    bookingId: `b${serial}`,
    s: s / 60_000,
    e: e / 60_000,
    unit: 0,
    qty: 1,
    state: 'c',
    before: 0,
    after: 0,
    ...more,
  };
}

const room = (more: Partial<Rules> = {}, ...claims: Claim[]): Calendar => ({
  status: 'active',
  rules: rulesOf(more),
  days: claims.reduce<Days>((days, c) => put(days, c), {}),
});

function check(calendar: Calendar | undefined, start: number, durationMin: number, more: Partial<CheckOptions> = {}) {
  return isSlotAvailableWithDuration((id) => (id === 'room' ? calendar : undefined), 'room', start, durationMin, { now, ...more });
}

test('an empty resource is available; the default resource is primary (case 1)', (t) => {
  const a = isSlotAvailableWithDuration((id) => (id === 'primary' ? room() : undefined), undefined, day('10:00'), 60, { now });
  t.deepEqual(a, { available: true, resourceId: 'primary', start: day('10:00'), end: day('11:00'), unitsFree: 1 });
});

test('overlap refuses, back to back does not (cases 2 and 4)', (t) => {
  const booked = room({}, claim(day('10:00'), day('11:00')));
  const refused = check(booked, day('10:30'), 60);
  t.is(refused.reason, 'overlap');
  t.deepEqual(refused.conflicts, [{ s: day('10:00'), e: day('11:00'), state: 'confirmed' }]);
  t.true(check(booked, day('11:00'), 60).available);
  t.true(check(booked, day('09:00'), 60).available);
});

test('claims of another resource never matter (case 3)', (t) => {
  const rooms: Record<string, Calendar> = { a: room({}, claim(day('10:00'), day('11:00'))), b: room() };
  t.true(isSlotAvailableWithDuration((id) => rooms[id], 'b', day('10:30'), 60, { now }).available);
});

test('durations are whole minutes between one minute and fourteen days (case 5)', (t) => {
  for (const d of [0, -5, 1.5, 20_161, Number.NaN]) t.is(check(room(), day('10:00'), d).reason, 'invalid_duration');
  t.true(check(room({ openingRules: [{ days: [1, 2, 3, 4, 5, 6, 7], from: '00:00', to: '24:00' }] }), day('10:00'), 20_160).available);
});

test('every reason is given, in the order of 4.1 (cases 5 to 10)', (t) => {
  t.is(check(undefined, day('10:00') + 30_000, 0).reason, 'invalid_duration');
  t.is(check(undefined, day('10:00') + 30_000, 60).reason, 'invalid_granularity');
  t.is(check(undefined, day('10:00'), 60).reason, 'resource_not_found');
  t.is(check({ ...room(), status: 'suspended' }, now - 60_000, 60).reason, 'resource_suspended');
  t.is(check({ ...room(), status: 'retired' }, now - 60_000, 60).reason, 'resource_retired');
  t.is(check(room({ minNoticeMin: 120 }), now - 60_000, 60).reason, 'in_past');
  t.is(check(room({ minNoticeMin: 120 }), now + 119 * 60_000, 60).reason, 'min_notice');
  t.true(check(room({ minNoticeMin: 120 }), now + 120 * 60_000, 60).available);
  t.is(check(room({ enforceGrid: true }), Date.parse('2028-03-02T00:01:00Z'), 60).reason, 'beyond_horizon');
  t.is(check(room({ enforceGrid: true }), day('07:05'), 60).reason, 'off_grid');
  t.is(check(room(), day('07:30'), 60).reason, 'outside_opening_hours');
  t.is(check(room({}, claim(day('08:00'), day('09:00'))), day('08:00'), 60).reason, 'overlap');
  t.is(check(room({ capacityMode: 'pool' }, claim(day('08:00'), day('09:00'), { unit: NO_UNIT })), day('08:00'), 60).reason, 'capacity');
});

test('a start now is accepted without notice, a start before now is not', (t) => {
  t.true(check(room(), now, 60).available);
  t.is(check(room(), now - 60_000, 60).reason, 'in_past');
});

test('the horizon is the latest start', (t) => {
  const open = room({ openingRules: [{ days: [1, 2, 3, 4, 5, 6, 7], from: '00:00', to: '24:00' }] });
  t.true(check(open, now + 365 * 86_400_000, 60).available);
  t.is(check(open, now + 365 * 86_400_000 + 60_000, 60).reason, 'beyond_horizon');
});

test('buffers are added, not shared (case 11)', (t) => {
  const booked = room({}, claim(day('09:50'), day('11:15'), { before: 10, after: 15 }));
  const buffers = { bufferBeforeMin: 10, bufferAfterMin: 15 };
  t.is(check(booked, day('11:20'), 60, buffers).reason, 'overlap');
  t.true(check(booked, day('11:25'), 60, buffers).available);
});

test('two units that are each busy half of the time refuse, a pool of two accepts (cases 13 and 14)', (t) => {
  const claims = (units: [number, number]): Claim[] => [
    claim(day('09:00'), day('10:00'), { unit: units[0] }),
    claim(day('10:00'), day('11:00'), { unit: units[1] }),
  ];
  t.is(check(room({ capacity: 2 }, ...claims([0, 1])), day('09:00'), 120).reason, 'overlap');
  t.true(check(room({ capacity: 2, capacityMode: 'pool' }, ...claims([NO_UNIT, NO_UNIT])), day('09:00'), 120).available);
});

test('a pool counts seats at the busiest moment (case 15)', (t) => {
  const pool = room({ capacity: 3, capacityMode: 'pool' }, claim(day('10:00'), day('11:00'), { unit: NO_UNIT, qty: 2 }));
  t.is(check(pool, day('10:00'), 60, { qty: 2 }).reason, 'capacity');
  t.true(check(pool, day('10:00'), 60, { qty: 1 }).available);
});

test('holds are busy unless asked otherwise, and a booking may overlap itself', (t) => {
  const held = room({}, claim(day('10:00'), day('11:00'), { state: 'h', bookingId: 'mine' }));
  t.false(check(held, day('10:00'), 60).available);
  t.true(check(held, day('10:00'), 60, { includeHeld: false }).available);
  t.true(check(held, day('10:15'), 60, { ignoreBookingId: 'mine' }).available);
});

test('a block of the whole resource takes every unit and every seat', (t) => {
  const block = claim(day('10:00'), day('11:00'), { unit: ALL_UNITS, state: 'b' });
  t.is(check(room({ capacity: 5 }, block), day('10:30'), 60).reason, 'overlap');
  t.is(check(room({ capacity: 5, capacityMode: 'pool' }, block), day('10:30'), 60).reason, 'capacity');
});

test('a claim inside the old claim of the same booking hides neither of them', (t) => {
  const moved = room(
    {},
    claim(day('10:00'), day('14:00'), { bookingId: 'mine' }),
    claim(day('11:00'), day('12:00'), { bookingId: 'mine', state: 'h' }),
  );
  t.is(check(moved, day('13:00'), 60).reason, 'overlap');
  t.true(check(moved, day('13:00'), 60, { ignoreBookingId: 'mine' }).available);
});

test('best fit takes the tightest gap, first fit the lowest unit', (t) => {
  const days = [
    claim(day('12:00'), day('13:00'), { unit: 0 }),
    claim(day('08:00'), day('09:00'), { unit: 1 }),
    claim(day('10:00'), day('11:00'), { unit: 1 }),
  ].reduce<Days>((d, c) => put(d, c), {});
  const span: Interval = [day('09:00') / 60_000, day('10:00') / 60_000];
  t.is(allocate({ capacity: 3, allocation: 'best_fit' }, days, span), 1);
  t.is(allocate({ capacity: 3, allocation: 'first_fit' }, days, span), 0);
});

test('slots of a day without two o’clock (case 43)', (t) => {
  const night = room({ openingRules: [{ days: [7], from: '00:00', to: '06:00' }], slotStepMin: 60 });
  const [from, to] = [Date.parse('2027-03-27T12:00Z'), Date.parse('2027-03-28T20:00Z')];
  const slots = freeSlots(night, { from, to, durationMin: 60, now });
  t.deepEqual(
    slots.map((s) => s.localStart.slice(11, 13)),
    ['00', '01', '03', '04', '05'],
  );
});

test('slots of a day with two o’clock twice (case 44)', (t) => {
  const night = room({ openingRules: [{ days: [7], from: '00:00', to: '06:00' }], slotStepMin: 60 });
  const [from, to] = [Date.parse('2027-10-30T12:00Z'), Date.parse('2027-10-31T20:00Z')];
  const local = freeSlots(night, { from, to, durationMin: 60, now }).map((s) => s.localStart);
  t.is(local.length, 7);
  t.deepEqual(
    local.filter((l) => l.includes('T02:00')),
    ['2027-10-31T02:00:00+02:00', '2027-10-31T02:00:00+01:00'],
  );
});

// ------------------------------------------------------------------------------------------------------------ properties

const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe');
const start = Date.parse('2027-03-26T00:00:00Z') / 60_000; // four days around Berlin's change to summer time
const wish = fc.record({
  s: fc.integer({ min: start, max: start + 4 * 1440 }),
  length: fc.integer({ min: 1, max: 900 }),
  qty: fc.integer({ min: 1, max: 3 }),
});

test('whatever is accepted one after another never overlaps on a unit and never exceeds a pool (B1, B2)', (t) => {
  fc.assert(
    fc.property(
      zones,
      fc.constantFrom('units' as const, 'pool' as const),
      fc.integer({ min: 1, max: 4 }),
      fc.array(wish, { maxLength: 60 }),
      (timeZone, capacityMode, capacity, wishes) => {
        const rules = rulesOf({
          timeZone,
          capacityMode,
          capacity,
          openingRules: [{ days: [1, 2, 3, 4, 5, 6, 7], from: '06:00', to: '02:00' }],
        });
        let days: Days = {};
        for (const [i, { s, length, qty }] of wishes.entries()) {
          const a = check({ status: 'active', rules, days }, s * 60_000, length, { qty });
          const list = [...allClaims(days)];
          const span: Interval = [s, s + length];
          // the naive reference: pairwise comparison, and every minute at which something begins
          const used = (m: number): number => list.reduce((n, c) => n + (c.s <= m && m < c.e ? c.qty : 0), 0);
          const busiest = Math.max(used(s), ...list.filter((c) => c.s > s && c.s < s + length).map((c) => used(c.s)));
          const free = [...Array(capacity).keys()].filter((u) => !list.some((c) => c.unit === u && c.s < span[1] && span[0] < c.e));
          const fits = capacityMode === 'pool' ? busiest + qty <= capacity : qty === 1 && free.length > 0;
          if (a.available !== (fits && a.reason !== 'outside_opening_hours')) return false;
          if (!a.available) continue;
          const unit = capacityMode === 'pool' ? NO_UNIT : allocate(rules, days, span);
          if (unit === undefined || (capacityMode === 'units' && !free.includes(unit))) return false;
          days = put(days, { claimId: `c${i}`, bookingId: `b${i}`, s, e: s + length, unit, qty, state: 'c', before: 0, after: 0 });
        }
        return true;
      },
    ),
    { numRuns: 300 },
  );
  t.pass();
});

test('a claim that is removed leaves its slot free, and nothing else changes', (t) => {
  fc.assert(
    fc.property(fc.array(wish, { minLength: 1, maxLength: 30 }), fc.nat(), (wishes, pick) => {
      const rules = rulesOf({ openingRules: [{ days: [1, 2, 3, 4, 5, 6, 7], from: '00:00', to: '24:00' }] });
      let days: Days = {};
      const placed: Claim[] = [];
      for (const [i, { s, length }] of wishes.entries()) {
        if (!check({ status: 'active', rules, days }, s * 60_000, length).available) continue;
        const c: Claim = { claimId: `c${i}`, bookingId: `b${i}`, s, e: s + length, unit: 0, qty: 1, state: 'c', before: 0, after: 0 };
        placed.push(c);
        days = put(days, c);
      }
      const gone = placed[pick % placed.length]!;
      const after = remove(days, gone);
      const again = check({ status: 'active', rules, days: after }, gone.s * 60_000, gone.e - gone.s);
      const rest = [...allClaims(after)].map((c) => c.claimId).sort();
      const expected = placed.filter((c) => c !== gone).map((c) => c.claimId);
      return again.available && find(after, gone.claimId) === undefined && rest.join() === expected.sort().join();
    }),
    { numRuns: 300 },
  );
  t.pass();
});

test('slots offered are exactly the starts on the grid that the check accepts (19.2)', (t) => {
  fc.assert(
    fc.property(
      zones,
      fc.constantFrom('opening' as const, 'midnight' as const),
      fc.constantFrom(15, 20, 60),
      fc.array(wish, { maxLength: 12 }),
      (timeZone, slotAnchor, slotStepMin, wishes) => {
        const rules = rulesOf({
          timeZone,
          slotAnchor,
          slotStepMin,
          enforceGrid: true,
          openingRules: [{ days: [1, 2, 3, 4, 5, 6, 7], from: '01:30', to: '12:10' }],
        });
        let days: Days = {};
        for (const [i, { s, length }] of wishes.entries()) {
          if (allocate(rules, days, [s, s + length]) === undefined) continue;
          days = put(days, { claimId: `c${i}`, bookingId: `b${i}`, s, e: s + length, unit: 0, qty: 1, state: 'c', before: 0, after: 0 });
        }
        const calendar: Calendar = { status: 'active', rules, days };
        const [from, to] = [start * 60_000, (start + 3 * 1440) * 60_000];
        const offered = freeSlots(calendar, { from, to, durationMin: 45, now }).map((x) => x.start);
        const accepted: number[] = [];
        for (let at = from; at < to; at += 300_000) if (check(calendar, at, 45).available) accepted.push(at);
        return offered.join() === accepted.join();
      },
    ),
    { numRuns: 60 },
  );
  t.pass();
});

const interval = fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 1, max: 20 })).map(([s, n]): Interval => [s, s + n]);
const has = (list: readonly Interval[], t: number): boolean => list.some(([s, e]) => s <= t && t < e);

test('union, subtract and intersect agree with membership point by point', (t) => {
  fc.assert(
    fc.property(fc.array(interval), fc.array(interval), (a, b) => {
      const [ua, ub] = [union(a), union(b)];
      const [minus, both] = [subtract(ua, ub), intersect(ua, ub)];
      for (let x = 0; x < 85; x += 1) {
        if (has(ua, x) !== has(a, x)) return false;
        if (has(minus, x) !== (has(a, x) && !has(b, x))) return false;
        if (has(both, x) !== (has(a, x) && has(b, x))) return false;
      }
      return true;
    }),
  );
  t.pass();
});

test('the peak of a step function is the greatest sum at any point', (t) => {
  fc.assert(
    fc.property(fc.array(interval), interval, (list, span) => {
      const used = (x: number): number => list.filter(([s, e]) => s <= x && x < e).length;
      let most = 0;
      for (let x = span[0]; x < span[1]; x += 1) most = Math.max(most, used(x));
      return peak(levels(list.map(([s, e]) => [s, e, 1] as const)), span) === most;
    }),
  );
  t.pass();
});
