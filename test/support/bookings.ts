/** Rooms and bookings on the memory store, with the exclusion constraint of `booking_claims` as a rule in memory. */
import { randomUUID } from 'node:crypto';
import { setup } from 'xstate';
import { z } from 'zod';
import { command, defineActor, defineTopic, kernel, platformOnly } from '../../actors/define.ts';
import type { MemoryOptions } from '../../actors/store/mem.ts';
import { booking, resource } from '../../machines/booking/kind.ts';
import { BookingItem, NewResource } from '../../machines/booking/schema.ts';
import { anomaly } from '../../machines/anomaly/kind.ts';
import type { Outcome } from '../../machines/booking/kind.ts';
import { as, system, testKernel } from './kernel.ts';
import type { TestKernel, TestKernelOptions } from './kernel.ts';
import type { World } from './world.ts';

/** The least that a person does here: keeps the log of their bookings. */
export const person = defineActor({
  kind: 'user',
  version: 1,
  context: z.strictObject({}),
  machine: setup({
    types: { events: {} as { type: 'booking.noted'; item: BookingItem } | { type: 'user.register' } },
    actions: { ...kernel.actions },
  }).createMachine({
    id: 'person',
    context: {},
    on: {
      'user.register': {},
      'booking.noted': { actions: { type: 'publish', params: ({ event }) => ({ view: 'bookings', item: event.item }) } },
    },
  }),
  commands: {
    'booking.noted': command({ input: z.strictObject({ item: BookingItem }), reply: z.null(), allow: platformOnly }),
    'user.register': command({ input: z.object({ displayName: z.string(), timeZone: z.string() }), reply: z.null(), allow: platformOnly }),
  },
  topics: [
    defineTopic({
      subject: 'user',
      view: 'bookings',
      kind: 'log',
      version: 1,
      item: BookingItem,
      authorize: () => true,
      retainDays: 90,
      retainItems: 1_000,
    }),
  ],
});

export async function notes(k: TestKernel, userId: string): Promise<BookingItem[]> {
  const slice = await k.system.slice(`user:${userId}/bookings`, { n: 100 });
  return slice.kind === 'log' ? (slice.d as unknown as BookingItem[]) : [];
}

const ACTIVE = ['held', 'confirmed', 'blocked'];

const span = (during: unknown): [number, number] => {
  const [s, e] = (during as string).slice(1, -1).split(',');
  return [Date.parse(s!), Date.parse(e!)];
};

/** What Postgres refuses: `claims_no_overlap`. */
export const tables: MemoryOptions['tables'] = {
  booking_claims: {
    conflicts: (a, b) => {
      if (!ACTIVE.includes(a['state'] as string) || !ACTIVE.includes(b['state'] as string)) return false;
      if (a['unit'] === null || a['unit'] !== b['unit'] || a['resource_no'] !== b['resource_no']) return false;
      const [x, y] = [span(a['during']), span(b['during'])];
      return a['booking_id'] !== b['booking_id'] && x[0] < y[1] && y[0] < x[1];
    },
  },
};

/** Berlin, open from nine to five every day, one place. */
export const ROOM = {
  resourceId: 'room',
  name: 'Room',
  timeZone: 'Europe/Berlin',
  openingRules: [{ days: [1, 2, 3, 4, 5, 6, 7], from: '09:00', to: '17:00' }],
};

/** Makes ROOM, with changes, over HTTP. */
export const makeRoom = (w: Pick<World, 'inject'>, token: string, more: object) =>
  w.inject({ method: 'POST', url: '/v1/booking/resources', token, payload: { ...ROOM, ...more } });

/** The kinds of these tests: the people stand for the users of the product. */
export const kinds = [anomaly, booking, resource, person];

export const bookingKernel = (o: Partial<TestKernelOptions> = {}): Promise<TestKernel> => testKernel({ kinds, tables, ...o });

let no = 0;

export async function addResource(k: TestKernel, r: object = ROOM): Promise<void> {
  const { resourceId, ...config } = NewResource.parse(r);
  no += 1;
  const reply = await k.system.ask(`resource:${resourceId}`, { type: 'resource.create', no, config }, as(system));
  if (!reply.ok) throw new Error(reply.error.code);
}

/** 10 March 2027, UTC; Berlin is an hour ahead. */
export const at = (time: string): string => `2027-03-10T${time}:00.000Z`;

export async function outcome(k: TestKernel, id: string): Promise<Outcome> {
  return (await k.system.read(`booking:${id}`, 'outcome', {}, { from: system })).value as unknown as Outcome;
}

/** Requests a booking and lets the saga run. */
export async function book(k: TestKernel, body: object, o: { id?: string; userId?: string } = {}): Promise<{ id: string; out: Outcome }> {
  const id = o.id ?? randomUUID();
  const from = o.userId === undefined ? system : { kind: 'user' as const, id: o.userId, roles: ['user'] };
  const reply = await k.system.ask(`booking:${id}`, { type: 'booking.request', resourceId: 'room', durationMin: 60, ...body }, as(from));
  if (!reply.ok) throw new Error(`${reply.error.code} ${JSON.stringify(reply.error.details)}`);
  await settle(k);
  return { id, out: await outcome(k, id) };
}

/** Time for the messages that are under way. */
export const settle = (k: TestKernel): Promise<void> => k.clock.advance(200);

export const send = async (k: TestKernel, id: string, command: { type: string; [field: string]: unknown }) => {
  const reply = await k.system.ask(`booking:${id}`, command, as(system));
  await settle(k);
  return reply;
};

export const activeClaims = (k: TestKernel) => k.store.rows('booking_claims').filter((r) => ACTIVE.includes(r['state'] as string));
