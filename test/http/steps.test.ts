import anyTest from 'ava';
import type { TestFn } from 'ava';
import type { Response } from 'light-my-request';
import { FakeClock } from '../support/clock.ts';
import { makeRoom } from '../support/bookings.ts';
import { until } from '../support/until.ts';
import { makeWorld } from '../support/world.ts';
import type { Person, World } from '../support/world.ts';

/** Why a booking did what it did. Room in Berlin, nine to five; now is 2027-03-01 08:00Z. */
const test = anyTest as TestFn<{ w: World; ada: Person; staff: Person; admin: Person; id: string }>;

interface Step {
  event: string;
  taken: { event: string; source: string; targets: string[]; guard?: string }[];
  guards: { guard: string; answer: boolean }[];
  actions: { type: string; params?: object }[];
}
interface Explained {
  seq: number;
  type: string;
  microsteps: Step[];
  patch: object;
  agrees: boolean;
}
interface Row {
  seq: number;
  type: string;
  event: object;
  patch: object;
}

test.before(async (t) => {
  const w = await makeWorld({ clock: new FakeClock() });
  const ada = await w.person();
  const admin = await w.person({ roles: ['staff', 'admin'] });
  const resource = await makeRoom(w, admin.token, { resourceId: 'room-1' });
  t.is(resource.statusCode, 201, resource.body);
  const payload = { resourceId: 'room-1', start: '2027-03-10T10:00:00Z', durationMin: 60 };
  const booked = await w.inject({ method: 'POST', url: '/v1/booking/bookings', token: ada.token, payload });
  const { bookingId: id } = booked.json<{ bookingId: string }>();
  t.context = { w, ada, admin, staff: await w.person({ roles: ['staff'] }), id };
  await until(async () => (await journal(t.context)).some((r) => r.type === 'claim.held'), 'the booking is held');
});
test.after.always((t) => t.context.w?.close());

type Ctx = { w: World; ada: Person; admin: Person; id: string };
const code = (reply: Response): string => (reply.statusCode < 300 ? String(reply.statusCode) : reply.json<{ code: string }>().code);

async function journal({ w, admin, id }: Ctx): Promise<Row[]> {
  const reply = await w.inject({ url: `/v1/admin/actors/booking/${id}/journal`, token: admin.token });
  return reply.json<{ items: Row[] }>().items.toReversed();
}

const microsteps = (c: Ctx, seq: number, token?: string) =>
  c.w.inject({ url: `/v1/admin/actors/booking/${c.id}/microsteps/${seq}`, ...(token === undefined ? {} : { token }) });

test('an event of the past is told by its transitions, guards and actions, and agrees with the journal', async (t) => {
  const c = t.context;
  const rows = await journal(c);
  t.true(rows.length >= 3);
  for (const row of rows) {
    const reply = await microsteps(c, row.seq, c.admin.token);
    t.is(reply.statusCode, 200, reply.body);
    const told = reply.json<Explained>();
    t.like(told, { seq: row.seq, type: row.type, agrees: true });
    t.deepEqual(told.patch, row.patch);
  }
  const held = rows.find((r) => r.type === 'claim.held')!;
  const { microsteps: steps } = (await microsteps(c, held.seq, c.admin.token)).json<Explained>();
  t.deepEqual(steps[0]?.taken, [
    {
      event: 'claim.held',
      source: 'booking.life.acquiring',
      targets: ['booking.life.confirmed'],
      guard: 'isOwnClaimFinal',
    },
  ]);
  t.deepEqual(steps[0]?.guards, [{ guard: 'isOwnClaimFinal', answer: true }]);
  const acts = steps[0]?.actions.map((a) => a.type) ?? [];
  t.true(acts.indexOf('granted') < acts.indexOf('enterConfirmed'), acts.join());
  t.true(acts.indexOf('enterConfirmed') < acts.indexOf('tell'), acts.join());
  t.deepEqual(steps.slice(1), [{ event: 'claim.held', taken: [], guards: [{ guard: 'isCancelPending', answer: false }], actions: [] }]);
});

test('nobody but who may look at actors is told', async (t) => {
  const c = t.context;
  t.is(code(await microsteps(c, 1)), 'UNAUTHENTICATED');
  t.is(code(await microsteps(c, 1, c.ada.token)), 'FORBIDDEN');
  t.is(code(await microsteps(c, 1, c.staff.token)), '200');
  t.is(code(await microsteps(c, 0, c.admin.token)), 'NOT_FOUND');
  t.is(code(await microsteps(c, 99, c.admin.token)), 'NOT_FOUND');
});

interface Outlook {
  seq: number;
  accepted: boolean;
  reply?: object;
  refusal?: { code: string };
  stateText: string;
  state: object;
  patch: object;
  messages: { to: string; type: string }[];
  rows: { into: string; op: string }[];
  armed: object;
  cancelled: string[];
}

const ask = (c: Ctx, payload: object, token: string | undefined = c.admin.token, id = c.id) =>
  c.w.inject({ method: 'POST', url: `/v1/admin/actors/booking/${id}/what-if`, token, payload });

test('what a command would do is what it then does, and asking leaves no trace in the journal', async (t) => {
  const c = t.context;
  const payload = { resourceId: 'room-1', start: '2027-03-10T13:00:00Z', durationMin: 60 };
  const id = '01a4001a-7c00-7180-8689-562768cd9999';
  const request = { type: 'booking.request', resourceId: 'room-1', start: '2027-03-10T13:00:00Z', durationMin: 60 };
  const unborn = await ask(c, { event: request }, c.admin.token, id);
  t.is(unborn.statusCode, 200, unborn.body);
  t.like(unborn.json(), { seq: 0, accepted: true, messages: [{ to: 'resource:room-1', type: 'claim.hold' }] });
  t.is((await c.w.inject({ url: `/v1/admin/actors/booking/${id}`, token: c.admin.token })).statusCode, 404);

  const booked = await c.w.inject({ method: 'POST', url: '/v1/booking/bookings', token: c.ada.token, payload });
  const own = { ...c, id: booked.json<{ bookingId: string }>().bookingId };
  await until(async () => (await journal(own)).some((r) => r.type === 'claim.held'), 'the booking is held');
  const before = await journal(own);
  const event = { type: 'booking.cancel', reason: 'rain' };
  const plan = (await ask(own, { event })).json<Outlook>();
  t.like(plan, { seq: before.length, accepted: true });
  t.true(plan.messages.some((m) => m.type === 'claim.release'));
  t.deepEqual(Object.keys(plan.armed), ['xstate.after.AGAIN_MS.booking.life.cancelling']);
  t.deepEqual(plan.cancelled, ['xstate.after.untilStart.booking.life.confirmed.upcoming']);

  const held = before.find((r) => r.type === 'claim.held')!;
  const once = (await ask(own, { event: { ...held.event, type: held.type }, seq: held.seq - 1 })).json<Outlook>();
  t.like(once, { seq: held.seq - 1, accepted: true, patch: held.patch });
  t.true(once.rows.some((r) => r.into === 'bookings' && r.op === 'put'));

  const lost = { type: 'claim.lost', claimId: (held.event as { claimId: string }).claimId };
  t.is((await ask(own, { event: lost })).statusCode, 200);
  t.like((await ask(own, { event: { type: 'booking.confirm' }, seq: 1 })).json(), { seq: 1 });
  const late = (await ask(own, { event, at: '2027-03-05T00:00:00Z' })).json<{ at: string }>();
  t.is(late.at, '2027-03-05T00:00:00.000Z');
  t.deepEqual(await journal(own), before);

  const done = await c.w.inject({
    method: 'POST',
    url: `/v1/admin/actors/booking/${own.id}/poke`,
    token: c.admin.token,
    payload: { type: event.type, payload: { reason: event.reason }, reason: 'as it was foretold' },
  });
  t.deepEqual(done.json<{ reply: object }>().reply, plan.reply);
  const after = await journal(own);
  const row = after[before.length]!;
  t.is(row.type, 'booking.cancel');
  t.deepEqual(row.patch, plan.patch);

  const again = (await ask(own, { event: { type: 'booking.confirm' } })).json<Outlook>();
  t.like(again, { accepted: false, refusal: { code: 'NOT_ALLOWED' }, patch: {}, rows: [], messages: [] });
});

test('a question about what cannot be asked is refused, and so is everybody who may not ask', async (t) => {
  const c = t.context;
  const event = { type: 'booking.cancel' };
  t.is(code(await ask(c, { event: { type: 'booking.cancel', reason: 7 } })), 'VALIDATION');
  t.is(code(await ask(c, { event: { type: 'booking.burn' } })), 'UNKNOWN_COMMAND');
  t.is(code(await ask(c, { event, seq: 99 })), 'NOT_FOUND');
  t.is(code(await c.w.inject({ method: 'POST', url: `/v1/admin/actors/booking/${c.id}/what-if`, payload: { event } })), 'UNAUTHENTICATED');
  t.is(code(await ask(c, { event }, c.ada.token)), 'FORBIDDEN');
  t.is(code(await ask(c, { event }, c.staff.token)), '200');
});
