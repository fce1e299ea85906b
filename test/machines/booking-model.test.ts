/** The saga of bookings and a resource under any order of messages, timers and commands, without a kernel. */
import test from 'ava';
import * as fc from 'fast-check';
import { allClaims } from '../../calc/booking/days.ts';
import { MINUTE } from '../../calc/time/civil.ts';
import type { Principal } from '../../actors/types.ts';
import { bookingMachine } from '../../machines/booking/booking.machine.ts';
import { bookingIdOf, stateOf, type BookingContext } from '../../machines/booking/booking.state.ts';
import { resourceMachine } from '../../machines/booking/resource.machine.ts';
import type { ResourceContext } from '../../machines/booking/resource.state.ts';
import { booking, resource } from '../../machines/booking/kind.ts';
import { NewResource } from '../../machines/booking/schema.ts';
import { Statechart } from '../support/statechart.ts';

const NOW = Date.parse('2027-03-01T08:00:00Z');
const HOUR = 3_600_000;
const ADA: Principal = { kind: 'user', id: 'ada', roles: ['user'] };

interface Message {
  readonly from: string;
  readonly to: string;
  readonly type: string;
  readonly payload: object;
}

/** Actors and the messages between them, delivered in whatever order the test says. */
class Net {
  readonly charts = new Map<string, Statechart<unknown>>();
  readonly pending: Message[] = [];
  readonly #read = new Map<string, number>();

  add(ref: string, chart: Statechart<unknown>): void {
    this.charts.set(ref, chart);
  }

  get bookings(): [string, Statechart<BookingContext>][] {
    return [...this.charts].filter(([ref]) => ref.startsWith('booking:')) as [string, Statechart<BookingContext>][];
  }

  get resource(): Statechart<ResourceContext> {
    return this.charts.get('resource:room') as Statechart<ResourceContext>;
  }

  send(ref: string, event: { type: string; [field: string]: unknown }, from: Principal): void {
    this.charts.get(ref)!.send(event, from);
    this.#collect();
  }

  deliver(i: number): void {
    const [m] = this.pending.splice(i, 1);
    const chart = m === undefined ? undefined : this.charts.get(m.to);
    if (m === undefined || chart === undefined) return;
    const declared = (m.to.startsWith('resource:') ? resource : booking).commands[m.type];
    const payload = declared?.input.parse(m.payload) ?? m.payload;
    const { rejects } = chart.send({ ...payload, type: m.type }, { kind: 'actor', id: m.from, roles: [] });
    const [refused] = rejects as { code: string; details?: object }[];
    if (refused !== undefined) {
      const news = { to: m.to, command: m.type, code: refused.code, details: refused.details };
      this.pending.push({ from: m.to, to: m.from, type: 'thrum.undelivered', payload: news });
    }
    this.#collect();
  }

  advance(ms: number): void {
    for (const chart of this.charts.values()) chart.advance(ms);
    this.#collect();
  }

  /** Delivers everything, and lets pass the time that retries need. */
  quiet(): void {
    for (let round = 0; round < 12; round += 1) {
      for (let i = 0; i < 500 && this.pending.length > 0; i += 1) this.deliver(0);
      this.advance(31_000);
    }
  }

  #collect(): void {
    for (const [ref, chart] of this.charts) {
      const from = this.#read.get(ref) ?? 0;
      this.#read.set(ref, chart.history.length);
      for (const o of chart.history.slice(from)) {
        for (const m of o.told) if (this.charts.has(m.to)) this.pending.push({ from: ref, to: m.to, type: m.type, payload: m.payload });
      }
    }
  }
}

function net(bookings: number, capacity: number): Net {
  const n = new Net();
  n.add('resource:room', new Statechart(resourceMachine, 'resource:room', NOW));
  const { resourceId: _, ...config } = NewResource.parse({ resourceId: 'room', name: 'Room', capacity });
  n.send('resource:room', { type: 'resource.create', no: 1, config }, { kind: 'system', id: 'test', roles: [] });
  for (let i = 0; i < bookings; i += 1) {
    const id = `00000000-0000-4000-8000-00000000000${i}`;
    n.add(`booking:${id}`, new Statechart(bookingMachine, `booking:${id}`, NOW));
  }
  return n;
}

/** B1: active claims of different bookings on one unit never overlap. */
function overlap(n: Net): string | undefined {
  const list = [...allClaims(n.resource.context.days)];
  for (const [i, a] of list.entries()) {
    for (const b of list.slice(i + 1)) {
      if (a.unit === b.unit && a.bookingId !== b.bookingId && a.s < b.e && b.s < a.e) return `${a.bookingId} overlaps ${b.bookingId}`;
    }
  }
  return undefined;
}

/** B3 and B4, once no message is under way. */
function disagreement(n: Net): string | undefined {
  const claims = [...allClaims(n.resource.context.days)];
  for (const [, chart] of n.bookings) {
    const c = chart.context;
    const state = stateOf(chart.value);
    const mine = claims.filter((x) => x.bookingId === c.id);
    if (['new', 'rejected', 'expired', 'cancelled'].includes(state)) {
      if (mine.length > 0) return `${state} with ${mine.length} claims`;
    } else if (state === 'held.open' || state === 'confirmed.upcoming') {
      const [only] = mine;
      if (mine.length !== 1 || only === undefined) return `${state} with ${mine.length} claims`;
      if (only.claimId !== c.claim?.id || only.s * MINUTE !== c.start || only.e * MINUTE !== c.end) return `${state} with another claim`;
      if (only.state !== (state === 'held.open' ? 'h' : 'c')) return `${state} with a claim that is ${only.state}`;
    } else return `still ${state}`;
  }
  return undefined;
}

const start = (slot: number): string => new Date(NOW + 240 * HOUR + slot * (HOUR / 2)).toISOString();
const which = fc.nat({ max: 3 });
const slot = fc.nat({ max: 5 });
const command = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('request' as const), b: which, slot, hold: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('move' as const), b: which, slot, hold: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('confirm' as const, 'cancel' as const), b: which, slot, hold: fc.boolean() }) },
  { weight: 9, arbitrary: fc.record({ do: fc.constant('deliver' as const), b: fc.nat({ max: 20 }), slot, hold: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('wait' as const), b: fc.constantFrom(100, 9_999, 10_001, 61_000), slot, hold: fc.boolean() }),
  },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

function run(n: Net, c: Command): void {
  const ref = n.bookings[c.b % n.bookings.length]![0];
  if (c.do === 'deliver') n.deliver(n.pending.length === 0 ? 0 : c.b % n.pending.length);
  else if (c.do === 'wait') n.advance(c.b);
  else if (c.do === 'request') {
    const body = {
      resourceId: 'room',
      start: start(c.slot),
      durationMin: 60,
      party: 1,
      holdTtlS: 60,
      ...(c.hold ? { holdOnly: true } : {}),
    };
    n.send(ref, { type: 'booking.request', ...body }, ADA);
  } else if (c.do === 'move') n.send(ref, { type: 'booking.reschedule', start: start(c.slot) }, ADA);
  else n.send(ref, { type: `booking.${c.do}` }, ADA);
}

const holds = (capacity: number, sabotage: (n: Net) => void = () => undefined) =>
  fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
    const n = net(4, capacity);
    for (const c of commands) {
      sabotage(n);
      run(n, c);
      const bad = overlap(n);
      if (bad !== undefined) throw new Error(bad);
    }
    sabotage(n);
    n.quiet();
    const bad = overlap(n) ?? disagreement(n);
    if (bad !== undefined) throw new Error(bad);
  });

test('no overlap at any moment; at rest every confirmed booking has its claim and every ended one none (B1, B3, B4)', (t) => {
  fc.assert(holds(1), { numRuns: 400 });
  fc.assert(holds(2), { numRuns: 200 });
  t.pass();
});

test('a release that overtakes its hold leaves no claim (case 32a)', (t) => {
  const n = net(1, 1);
  const [ref, chart] = n.bookings[0]!;
  run(n, { do: 'request', b: 0, slot: 0, hold: false });
  n.send(ref, { type: 'booking.cancel' }, ADA);
  t.deepEqual(
    n.pending.map((m) => m.type),
    ['claim.hold', 'claim.release'],
  );
  n.deliver(1);
  n.deliver(0);
  t.like(n.resource.last.rejects[0], { code: 'SLOT_UNAVAILABLE', details: { reason: 'released' } });
  n.quiet();
  t.is(stateOf(chart.value), 'cancelled');
  t.deepEqual(n.resource.context.days, {});
});

test('without tombstones that claim would stay: the checker notices', (t) => {
  const n = net(1, 1);
  const [ref] = n.bookings[0]!;
  run(n, { do: 'request', b: 0, slot: 0, hold: false });
  n.send(ref, { type: 'booking.cancel' }, ADA);
  // the release is lost on its way and answered all the same, which is what forgetting it comes to
  const [release] = n.pending.splice(1, 1);
  n.pending.push({ from: release!.to, to: ref, type: 'claim.released', payload: release!.payload });
  n.quiet();
  t.is(disagreement(n), 'cancelled with 1 claims');
});

test('a cancellation while a confirmation is under way is carried out after it (32b)', (t) => {
  const n = net(1, 1);
  const [ref, chart] = n.bookings[0]!;
  run(n, { do: 'request', b: 0, slot: 0, hold: true });
  for (let i = 0; i < 2; i += 1) n.deliver(0);
  t.is(stateOf(chart.value), 'held.open');
  n.send(ref, { type: 'booking.confirm' }, ADA);
  n.send(ref, { type: 'booking.cancel' }, ADA);
  t.is(stateOf(chart.value), 'confirming');
  n.quiet();
  t.is(stateOf(chart.value), 'cancelled');
  t.deepEqual(n.resource.context.days, {});
});

test('an answer of an older attempt counts for nothing', (t) => {
  const n = net(1, 1);
  const [ref, chart] = n.bookings[0]!;
  run(n, { do: 'request', b: 0, slot: 0, hold: false });
  const old = chart.context.claim!.id;
  n.advance(10_000);
  n.quiet();
  run(n, { do: 'request', b: 0, slot: 1, hold: true });
  n.send(ref, { type: 'claim.held', claimId: old, unit: 0, confirmed: true }, { kind: 'actor', id: 'resource:room', roles: [] });
  t.is(stateOf(chart.value), 'acquiring');
});

test('the id of a booking follows from principal and key (vector of booking.md 10.2)', (t) => {
  t.is(bookingIdOf('usr_01', 'key-1'), '62efb25c-c5ad-55a4-8c65-25094e6f9fa7');
});
