import anyTest from 'ava';
import type { TestFn } from 'ava';
import { FakeClock } from '../support/clock.ts';
import type { Person, World } from '../support/world.ts';
import { makeWorld } from '../support/world.ts';
import { makeRoom, ROOM } from '../support/bookings.ts';
import { until } from '../support/until.ts';

/** Acceptance cases of booking.md 22. Room in Berlin, nine to five; now is 2027-03-01 08:00Z. */
const test = anyTest as TestFn<{ world: World; clock: FakeClock; ada: Person; admin: Person }>;

const BOOKINGS = '/v1/booking/bookings';
const at = (time: string): string => `2027-03-10T${time}:00Z`;
let rooms = 0;

test.before(async (t) => {
  const clock = new FakeClock();
  const world = await makeWorld({ clock });
  const ada = await world.person();
  const admin = await world.person({ roles: ['staff', 'admin'] });
  t.context = { world, clock, ada, admin };
});
test.after.always((t) => t.context.world?.close());

type Ctx = { world: World; clock: FakeClock; ada: Person; admin: Person };

async function room(c: Ctx, more: object = {}): Promise<string> {
  rooms += 1;
  const resourceId = `room-${rooms}`;
  const r = await makeRoom(c.world, c.admin.token, { resourceId, ...more });
  if (r.statusCode !== 201) throw new Error(r.body);
  return resourceId;
}

const book = (c: Ctx, payload: object, o: { key?: string; token?: string } = {}) =>
  c.world.inject({
    method: 'POST',
    url: BOOKINGS,
    token: o.token ?? c.ada.token,
    payload: { durationMin: 60, ...payload },
    headers: o.key === undefined ? {} : { 'idempotency-key': o.key },
  });

const post = (c: Ctx, id: string, verb: string, payload: object = {}, token = c.ada.token) =>
  c.world.inject({ method: 'POST', url: `${BOOKINGS}/${id}/${verb}`, token, payload });

test.serial('a resource says what it is, who stands behind it and what an hour costs, and an administrator changes that', async (t) => {
  const c = t.context;
  const words = { description: 'A warm room.', bio: 'Yusuf explains every pose twice.', price: { amountMinor: 24_000, currency: 'DKK' } };
  const url = `/v1/booking/resources/${await room(c, words)}`;
  t.like((await c.world.inject({ url })).json(), words);
  const payload = { price: { amountMinor: 26_000, currency: 'DKK' } };
  const changed = await c.world.inject({ method: 'PATCH', url, token: c.admin.token, payload });
  t.is(changed.statusCode, 200, changed.body);
  t.like(changed.json<{ resource: object }>().resource, { description: 'A warm room.', ...payload });
  const wrong = await c.world.inject({
    method: 'PATCH',
    url,
    token: c.admin.token,
    payload: { price: { amountMinor: 1.5, currency: 'kr' } },
  });
  t.is(wrong.statusCode, 400);
});

test.serial('an empty resource is available, also under the alias of the product list (case 1)', async (t) => {
  const c = t.context;
  await c.world.inject({
    method: 'POST',
    url: '/v1/booking/resources',
    token: c.admin.token,
    payload: { resourceId: 'primary', name: 'Primary' },
  });
  const query = `start=${at('10:00')}&durationMin=60`;
  const plain = await c.world.inject({ url: `/v1/booking/availability?${query}` });
  const alias = await c.world.inject({ url: `/api/booking/availability?resource_id=primary&${query}` });
  t.like(plain.json(), { available: true, resourceId: 'primary' });
  t.deepEqual(alias.json(), plain.json());
  t.is((await c.world.inject({ url: `/v1/booking/availability?resource_id=a&resourceId=b&${query}` })).statusCode, 400);
});

test.serial('overlap is refused with its reason, another resource and neighbours are not (cases 2 to 4)', async (t) => {
  const [a, b] = [await room(t.context), await room(t.context)];
  t.is((await book(t.context, { resourceId: a, start: at('10:00') })).statusCode, 201);
  const refused = await book(t.context, { resourceId: a, start: at('10:30') });
  t.is(refused.statusCode, 409);
  t.like(refused.json(), { code: 'SLOT_UNAVAILABLE', details: { reason: 'overlap' } });
  t.is((await book(t.context, { resourceId: b, start: at('10:30') })).statusCode, 201);
  t.is((await book(t.context, { resourceId: a, start: at('11:00') })).statusCode, 201);
  t.is((await book(t.context, { resource_id: a, start: at('09:00') })).statusCode, 201);
});

test.serial('each rule refuses with its own code (cases 5 to 10, 45)', async (t) => {
  const resourceId = await room(t.context);
  const strict = await room(t.context, { minNoticeMin: 120 });
  const code = async (payload: object): Promise<string> => {
    const r = await book(t.context, { resourceId, ...payload });
    return `${r.statusCode} ${r.json().code ?? ''}`;
  };
  for (const durationMin of [0, -5, 1.5, 20_161]) t.is(await code({ start: at('10:00'), durationMin }), '422 INVALID_DURATION');
  t.is(await code({ start: '2027-03-10T10:00:30Z' }), '422 INVALID_GRANULARITY');
  t.is(await code({ start: '2027-03-01T07:59:00Z' }), '422 IN_PAST');
  t.is(await code({ start: '2028-03-02T10:00:00Z' }), '422 BEYOND_HORIZON');
  t.is(await code({ resourceId: strict, start: '2027-03-01T09:59:00Z' }), '422 MIN_NOTICE');
  t.is(await code({ resourceId: strict, start: '2027-03-01T10:00:00Z' }), '201 ');
  t.is(await code({ start: at('07:30') }), '422 OUTSIDE_OPENING_HOURS');
  t.is(await code({ resourceId: 'nowhere', start: at('10:00') }), '404 RESOURCE_NOT_FOUND');
  t.is(await code({ localStart: '2027-03-28T02:30', timeZone: 'Europe/Berlin' }), '422 NONEXISTENT_LOCAL_TIME');
  t.is(await code({ localStart: '2027-03-10T10:00' }), '400 VALIDATION');
  t.is(await code({ start: 'tomorrow' }), '400 VALIDATION');
  t.is(await code({ start: at('10:00'), colour: 'red' }), '400 VALIDATION');
});

test.serial('fifty clients ask for one slot: one 201, 49 times 409, one claim row (case 12)', async (t) => {
  const resourceId = await room(t.context);
  const all = await Promise.all(
    Array.from({ length: 50 }, (_, i) => book(t.context, { resourceId, start: at('10:00') }, { key: `storm-${i}` })),
  );
  t.is(all.filter((r) => r.statusCode === 201).length, 1);
  t.is(all.filter((r) => r.statusCode === 409).length, 49);
  const { knex } = t.context.world.app.database;
  const rows = await knex('booking_claims')
    .join('resources', 'resources.resource_no', 'booking_claims.resource_no')
    .where({ resource_id: resourceId });
  t.is(rows.length, 1);
});

test.serial('a claim written by somebody else fails that booking alone (case 12a)', async (t) => {
  const c = t.context;
  const mine = await room(c);
  const others: string[] = [];
  for (let i = 0; i < 20; i += 1) others.push(await room(c));
  const { knex } = c.world.app.database;
  await knex.raw(
    `insert into booking_claims (claim_id, resource_no, booking_id, unit, during, state, actor_seq)
     select gen_random_uuid(), resource_no, gen_random_uuid(), 0, tstzrange(?, ?), 'confirmed', 0 from resources where resource_id = ?`,
    [at('10:00'), at('11:00'), mine],
  );
  const [refused, ...fine] = await Promise.all([mine, ...others].map((resourceId) => book(c, { resourceId, start: at('10:00') })));
  t.is(refused!.statusCode, 409);
  t.is(refused!.json().code, 'CLAIM_CONFLICT');
  t.deepEqual(
    fine.map((r) => r.statusCode),
    Array.from({ length: 20 }, () => 201),
  );
});

test.serial('the same key and body give one booking, another body is a mismatch (cases 16 and 17)', async (t) => {
  const resourceId = await room(t.context);
  const [one, two] = await Promise.all([1, 2].map(() => book(t.context, { resourceId, start: at('10:00') }, { key: 'k-16' })));
  const three = await book(t.context, { resourceId, start: at('10:00') }, { key: 'k-16' });
  const id = (r: { json(): unknown }): string => (r.json() as { bookingId: string }).bookingId;
  t.deepEqual([one!.statusCode, two!.statusCode, three.statusCode], [201, 201, 201]);
  t.is(id(one!), id(two!));
  t.is(id(one!), id(three));
  t.is(three.headers['idempotency-replayed'], 'true');
  const other = await book(t.context, { resourceId, start: at('12:00') }, { key: 'k-16' });
  t.is(other.statusCode, 422);
  t.is(other.json().code, 'IDEMPOTENCY_MISMATCH');
  const { knex } = t.context.world.app.database;
  t.is((await knex('booking_claims').where({ booking_id: id(one!) })).length, 1);
});

test.serial('a refusal leaves the key free to try again (case 18)', async (t) => {
  const resourceId = await room(t.context);
  const first = (await book(t.context, { resourceId, start: at('10:00') })).json() as { bookingId: string };
  t.is((await book(t.context, { resourceId, start: at('10:00') }, { key: 'k-18' })).statusCode, 409);
  t.is((await post(t.context, first.bookingId, 'cancel')).statusCode, 200);
  t.is((await book(t.context, { resourceId, start: at('10:00') }, { key: 'k-18' })).statusCode, 201);
});

test.serial('a hold expires after its time, and can be confirmed before (cases 19 and 20)', async (t) => {
  const { clock } = t.context;
  const resourceId = await room(t.context);
  const lost = await book(t.context, { resourceId, start: at('10:00'), holdOnly: true, holdTtlS: 60 });
  const kept = await book(t.context, { resourceId, start: at('12:00'), holdOnly: true, holdTtlS: 60 });
  t.is(lost.statusCode, 202);
  t.truthy(lost.headers['location']);
  const view = kept.json() as { bookingId: string; expiresAt: string };
  await clock.advance(Date.parse(view.expiresAt) - clock.wall() - 1);
  const confirmed = await post(t.context, view.bookingId, 'confirm');
  t.is(confirmed.statusCode, 200);
  t.is(confirmed.json().state, 'confirmed.upcoming');
  await clock.advance(1_000);
  const id = lost.json().bookingId;
  const state = async (): Promise<string> => {
    const r = await t.context.world.inject({ url: `${BOOKINGS}/${id}`, token: t.context.ada.token });
    return r.json().state;
  };
  await until(async () => (await state()) === 'expired', 'the booking expired');
  t.is((await book(t.context, { resourceId, start: at('10:00') })).statusCode, 201);
  const late = await post(t.context, id, 'confirm');
  t.is(late.statusCode, 409);
  t.is(late.json().code, 'HOLD_EXPIRED');
});

test.serial('a booking moves to an overlapping slot, not to a taken one (cases 34 and 35)', async (t) => {
  const resourceId = await room(t.context);
  const mine = (await book(t.context, { resourceId, start: at('10:00') })).json() as { bookingId: string; sequence: number };
  await book(t.context, { resourceId, start: at('12:00') });
  const moved = await post(t.context, mine.bookingId, 'reschedule', { start: at('10:30') });
  t.is(moved.statusCode, 200);
  t.like(moved.json(), { start: '2027-03-10T10:30:00.000Z', sequence: mine.sequence + 1, state: 'confirmed.upcoming' });
  const refused = await post(t.context, mine.bookingId, 'reschedule', { start: at('12:00') });
  t.is(refused.statusCode, 409);
  t.like(refused.json(), { code: 'SLOT_UNAVAILABLE' });
  const same = await post(t.context, mine.bookingId, 'reschedule', { start: at('10:30') });
  t.is(same.json().code, 'NO_CHANGE');
});

test.serial('what happens to a booking stands in the log of its user', async (t) => {
  const c = t.context;
  const resourceId = await room(c);
  const bob = await c.world.person();
  const made = await book(c, { resourceId, start: at('10:00') }, { token: bob.token });
  const { bookingId } = made.json<{ bookingId: string }>();
  await post(c, bookingId, 'reschedule', { start: at('11:00') }, bob.token);
  await post(c, bookingId, 'cancel', { reason: 'ill' }, bob.token);
  const items = async (): Promise<{ type: string; start: string }[]> => {
    const slice = await c.world.app.actors.slice(`user:${bob.id}/bookings`, { n: 10 });
    return slice.kind === 'log' ? (slice.d as unknown as { type: string; start: string }[]) : [];
  };
  await until(async () => (await items()).length === 3, 'three items');
  t.like(await items(), [
    { type: 'confirmed', start: '2027-03-10T10:00:00.000Z' },
    { type: 'rescheduled', start: '2027-03-10T11:00:00.000Z', other: { start: '2027-03-10T10:00:00.000Z' } },
    { type: 'cancelled', reason: 'ill' },
  ]);
});

test.serial('cancelling twice gives the same booking; a stranger finds nothing', async (t) => {
  const resourceId = await room(t.context);
  const { bookingId } = (await book(t.context, { resourceId, start: at('10:00') })).json() as { bookingId: string };
  const eve = await t.context.world.person();
  const url = `${BOOKINGS}/${bookingId}`;
  const stranger = await t.context.world.inject({ url, token: eve.token });
  t.is(stranger.statusCode, 404);
  t.is(stranger.json().code, 'BOOKING_NOT_FOUND');
  t.is((await t.context.world.inject({ method: 'POST', url: `${url}/cancel`, token: eve.token, payload: {} })).statusCode, 404);
  const first = await post(t.context, bookingId, 'cancel');
  const second = await post(t.context, bookingId, 'cancel');
  t.is(first.statusCode, 200);
  t.is(second.statusCode, 200);
  t.like(second.json(), { booking: { state: 'cancelled' } });
});

test.serial('slots skip two o’clock in March and show it twice in October (cases 43 and 44)', async (t) => {
  const resourceId = await room(t.context, {
    openingRules: [{ days: [1, 2, 3, 4, 5, 6, 7], from: '00:00', to: '06:00' }],
    slotStepMin: 60,
  });
  const hours = async (from: string, to: string): Promise<string[]> => {
    const r = await t.context.world.inject({ url: `/v1/booking/slots?resourceId=${resourceId}&durationMin=60&from=${from}&to=${to}` });
    return r.json<{ slots: { localStart: string }[] }>().slots.map((s) => s.localStart.slice(11, 13) + s.localStart.slice(19));
  };
  t.deepEqual(await hours('2027-03-27T23:00:00Z', '2027-03-28T22:00:00Z'), ['00+01:00', '01+01:00', '03+02:00', '04+02:00', '05+02:00']);
  const autumn = await hours('2027-10-30T22:00:00Z', '2027-10-31T23:00:00Z');
  t.is(autumn.length, 7);
  t.deepEqual(
    autumn.filter((h) => h.startsWith('02')),
    ['02+02:00', '02+01:00'],
  );
});

test.serial('the own list pages by key, the latest start first; staff see everybody’s', async (t) => {
  const resourceId = await room(t.context);
  const bob = await t.context.world.person();
  for (const time of ['09:00', '10:00', '11:00']) await book(t.context, { resourceId, start: at(time) }, { token: bob.token });
  const page = async (query: string, token = bob.token) => {
    const r = await t.context.world.inject({ url: `${BOOKINGS}?limit=2&resourceId=${resourceId}${query}`, token });
    return r.json() as { items: { start: string; userId: string }[]; nextCursor?: string };
  };
  const first = await page('');
  t.deepEqual(
    first.items.map((b) => b.start.slice(11, 13)),
    ['11', '10'],
  );
  const second = await page(`&cursor=${first.nextCursor}`);
  t.deepEqual(
    second.items.map((b) => b.start.slice(11, 13)),
    ['09'],
  );
  t.is(second.nextCursor, undefined);
  t.is((await page('', t.context.ada.token)).items.length, 0);
  t.is((await page('&state=confirmed', t.context.admin.token)).items[0]!.userId, bob.id);
});

test.serial('a resource changes under its version; bookings that it leaves outside are listed', async (t) => {
  const c = t.context;
  const resourceId = await room(c);
  await book(c, { resourceId, start: at('14:00') });
  const patch = (version: string) =>
    c.world.inject({
      method: 'PATCH',
      url: `/v1/booking/resources/${resourceId}`,
      token: c.admin.token,
      headers: { 'if-match': version },
      payload: { openingRules: [{ days: [1, 2, 3, 4, 5, 6, 7], from: '09:00', to: '12:00' }] },
    });
  const changed = await patch('"1"');
  t.is(changed.statusCode, 200);
  t.like(changed.json(), { resource: { rev: 2 }, conflicts: [{ s: '2027-03-10T14:00:00.000Z' }] });
  t.is((await patch('"1"')).statusCode, 412);
  t.is((await c.world.inject({ url: `/v1/booking/resources/${resourceId}` })).headers['etag']?.toString().split('-')[0], '"2');
  t.is((await c.world.inject({ method: 'POST', url: '/v1/booking/resources', token: c.ada.token, payload: ROOM })).statusCode, 403);
});

test.serial('a blocked time cannot be booked until the block is gone', async (t) => {
  const c = t.context;
  const resourceId = await room(c);
  const url = `/v1/booking/resources/${resourceId}/blocks`;
  const block = () =>
    c.world.inject({
      method: 'POST',
      url,
      token: c.admin.token,
      payload: { start: at('10:00'), end: at('12:00') },
      headers: { 'idempotency-key': 'block' },
    });
  const one = await block();
  t.is(one.statusCode, 201);
  t.deepEqual((await block()).json(), one.json());
  t.is((await book(c, { resourceId, start: at('11:00') })).statusCode, 409);
  const { blockId } = one.json() as { blockId: string };
  t.is((await c.world.inject({ method: 'DELETE', url: `${url}/${blockId}`, token: c.admin.token })).statusCode, 204);
  t.is((await book(c, { resourceId, start: at('11:00') })).statusCode, 201);
});
