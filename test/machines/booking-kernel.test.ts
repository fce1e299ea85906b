import test from 'ava';
import { FakeClock } from '../support/clock.ts';
import { actorIdOf } from '../../actors/ids.ts';
import { activeClaims, addResource, at, book, bookingKernel, notes, outcome, ROOM, send, settle } from '../support/bookings.ts';

test('a free slot is confirmed at once, with one claim row and one list row', async (t) => {
  const k = await bookingKernel();
  await addResource(k);
  const { id, out } = await book(k, { start: at('10:00') });
  t.is(out.state, 'confirmed.upcoming');
  t.is(activeClaims(k).length, 1);
  t.like(activeClaims(k)[0], { booking_id: id, state: 'confirmed', during: `[${at('10:00')},${at('11:00')})` });
  t.like(k.store.rows('bookings')[0], { booking_id: id, state: 'confirmed.upcoming', sequence: 1 });
  t.like(k.store.rows('utilization_buckets').at(-1), { resource_id: 'room', bucket: 'day', avail_min: 480, booked_seat_min: 60 });
});

test('an overlapping request is rejected with the reason, another resource is not concerned (cases 2 to 4)', async (t) => {
  const k = await bookingKernel();
  await addResource(k);
  await addResource(k, { ...ROOM, resourceId: 'other' });
  await book(k, { start: at('10:00') });
  const refused = await book(k, { start: at('10:30') });
  t.is(refused.out.state, 'rejected');
  t.like(refused.out.refused, { code: 'SLOT_UNAVAILABLE', reason: 'overlap' });
  t.is((await book(k, { start: at('10:30'), resourceId: 'other' })).out.state, 'confirmed.upcoming');
  t.is((await book(k, { start: at('11:00') })).out.state, 'confirmed.upcoming');
  t.is((await book(k, { start: at('09:00') })).out.state, 'confirmed.upcoming');
  t.is(activeClaims(k).length, 4);
});

test('fifty requests for one slot give one booking and one claim (case 12)', async (t) => {
  const k = await bookingKernel();
  await addResource(k);
  const all = await Promise.all(Array.from({ length: 50 }, () => book(k, { start: at('10:00') })));
  const states = await Promise.all(all.map(async ({ id }) => (await outcome(k, id)).state));
  t.is(states.filter((s) => s === 'confirmed.upcoming').length, 1);
  t.is(states.filter((s) => s === 'rejected').length, 49);
  t.is(k.store.rows('booking_claims').length, 1);
});

test('a hold ends after its time and gives the slot back (case 19)', async (t) => {
  const k = await bookingKernel();
  await addResource(k);
  const { id, out } = await book(k, { start: at('10:00'), holdOnly: true });
  t.is(out.state, 'held.open');
  t.is(activeClaims(k)[0]!['state'], 'held');
  await k.clock.advance(600_000);
  t.is((await outcome(k, id)).state, 'expired');
  t.is(activeClaims(k).length, 0);
  t.is((await book(k, { start: at('10:00') })).out.state, 'confirmed.upcoming');
});

test('a hold confirmed a millisecond before its end is confirmed (case 20)', async (t) => {
  const k = await bookingKernel();
  await addResource(k);
  const { id, out } = await book(k, { start: at('10:00'), holdOnly: true });
  await k.clock.advance(Date.parse(out.booking.expiresAt!) - k.clock.wall() - 1);
  t.like(await send(k, id, { type: 'booking.confirm' }), { ok: true });
  t.is((await outcome(k, id)).state, 'confirmed.upcoming');
  await k.clock.advance(700_000);
  t.is((await outcome(k, id)).state, 'confirmed.upcoming');
  t.is(activeClaims(k)[0]!['state'], 'confirmed');
});

test('a booking moves to a slot that overlaps its old one; sequence and history tell (case 34)', async (t) => {
  const k = await bookingKernel();
  await addResource(k);
  const { id } = await book(k, { start: at('10:00') });
  t.like(await send(k, id, { type: 'booking.reschedule', start: at('10:30') }), { ok: true });
  const moved = await outcome(k, id);
  t.like(moved.booking, { state: 'confirmed.upcoming', start: at('10:30'), end: at('11:30'), sequence: 2, rescheduleCount: 1 });
  t.is(activeClaims(k).length, 1);
  t.is(activeClaims(k)[0]!['during'], `[${at('10:30')},${at('11:30')})`);
});

test('a move to a taken slot leaves the booking as it was (case 35)', async (t) => {
  const k = await bookingKernel();
  await addResource(k);
  const { id } = await book(k, { start: at('10:00') }, { userId: 'u1' });
  await book(k, { start: at('12:00') });
  await send(k, id, { type: 'booking.reschedule', start: at('12:00') });
  const same = await outcome(k, id);
  t.like(same.booking, { state: 'confirmed.upcoming', start: at('10:00'), sequence: 1 });
  t.like(same.refused, { code: 'SLOT_UNAVAILABLE', reason: 'overlap', attempt: same.attempt });
  t.is(activeClaims(k).length, 2);
  t.like(await notes(k, 'u1'), [
    { type: 'confirmed', start: at('10:00') },
    { type: 'reschedule_failed', start: at('10:00'), reason: 'overlap', other: { start: at('12:00') } },
  ]);
});

test('a booking moves to another resource: the old claim is released after the new one is sure', async (t) => {
  const k = await bookingKernel();
  await addResource(k);
  await addResource(k, { ...ROOM, resourceId: 'other' });
  const { id } = await book(k, { start: at('10:00') });
  await send(k, id, { type: 'booking.reschedule', start: at('10:00'), resourceId: 'other' });
  t.like((await outcome(k, id)).booking, { state: 'confirmed.upcoming', resourceId: 'other' });
  t.is(activeClaims(k).length, 1);
  t.is((await book(k, { start: at('10:00') })).out.state, 'confirmed.upcoming');
});

test('a cancelled booking leaves no active claim (B4)', async (t) => {
  const k = await bookingKernel();
  await addResource(k);
  const { id } = await book(k, { start: at('10:00') });
  t.like(await send(k, id, { type: 'booking.cancel', reason: 'ill' }), { ok: true });
  t.is((await outcome(k, id)).state, 'cancelled');
  t.is(activeClaims(k).length, 0);
  t.like(await send(k, id, { type: 'booking.cancel' }), { ok: false, error: { code: 'NOT_ALLOWED' } });
  t.like(k.store.rows('utilization_buckets').at(-1), { booked_seat_min: 0 });
});

test('the same request finds its booking, another body is refused, a rejected one may be tried again (cases 16 to 18)', async (t) => {
  const k = await bookingKernel();
  await addResource(k);
  const first = await book(k, { start: at('10:00') });
  const body = { type: 'booking.request', resourceId: 'room', durationMin: 60 };
  t.like(await send(k, first.id, { ...body, start: at('10:00') }), { ok: true, reply: { replayed: true } });
  t.like(await send(k, first.id, { ...body, start: at('12:00') }), { ok: false, error: { code: 'IDEMPOTENCY_MISMATCH' } });
  const second = await book(k, { start: at('10:00') });
  t.is(second.out.state, 'rejected');
  await send(k, first.id, { type: 'booking.cancel' });
  t.is((await book(k, { start: at('10:00') }, { id: second.id })).out.state, 'confirmed.upcoming');
  t.is(activeClaims(k).length, 1);
});

test('a foreign claim in the table fails that booking alone (case 12a, K34)', async (t) => {
  const k = await bookingKernel({
    tables: {
      booking_claims: {
        skips: (r) => JSON.stringify(r['during']).includes(at('15:00')),
      },
    },
  });
  await addResource(k);
  for (let i = 0; i < 20; i += 1) await addResource(k, { ...ROOM, resourceId: `r${i}` });
  const [mine, ...others] = await Promise.all([
    book(k, { start: at('15:00') }),
    ...Array.from({ length: 20 }, (_, i) => book(k, { start: at('10:00'), resourceId: `r${i}` })),
  ]);
  await settle(k);
  t.like((await outcome(k, mine.id)).refused, { code: 'CLAIM_CONFLICT' });
  for (const { id } of others) t.is((await outcome(k, id)).state, 'confirmed.upcoming');
  t.is(k.store.journal(actorIdOf('resource:room')).length, 2); // birth and creation only
  t.is(await k.metric('companion_conflicts_total', { kind: 'resource', companion: 'claims' }), 1);
});

test('a wall clock time that does not exist is refused with both candidates (case 45)', async (t) => {
  const k = await bookingKernel();
  await addResource(k);
  const body = { localStart: '2027-03-28T02:30', timeZone: 'Europe/Berlin' };
  const error = await t.throwsAsync(book(k, body));
  t.true(error.message.startsWith('NONEXISTENT_LOCAL_TIME'));
  t.true(error.message.includes('2027-03-28T00:30:00.000Z') && error.message.includes('2027-03-28T01:30:00.000Z'));
});

test('a booking starts, is completed, and its claim is done a day later', async (t) => {
  const k = await bookingKernel({ clock: new FakeClock(Date.parse(at('09:45'))) });
  await addResource(k);
  const { id } = await book(k, { start: at('10:00') });
  await k.clock.advance(Date.parse(at('10:30')) - k.clock.wall());
  t.is((await outcome(k, id)).state, 'confirmed.started');
  await k.clock.advance(3_600_000);
  t.is((await outcome(k, id)).state, 'completed');
  k.clock.setWall(Date.parse('2027-03-12T23:30:00Z'));
  const again = await k.restart();
  await again.clock.advance(5_000);
  t.is(again.store.rows('booking_claims')[0]!['state'], 'done');
});

test('a closed day is told to the monitor with the share that was booked', async (t) => {
  const k = await bookingKernel({ clock: new FakeClock(Date.parse(at('20:45'))) });
  await addResource(k, { ...ROOM, openingRules: [{ days: [1, 2, 3, 4, 5, 6, 7], from: '16:00', to: '24:00' }] });
  await book(k, { start: at('21:00'), durationMin: 120 });
  k.clock.setWall(Date.parse('2027-03-10T23:00:01Z'));
  const again = await k.restart();
  await again.clock.advance(5_000);
  const told = again.store.journal(actorIdOf('anomaly:resource:room:utilization')).find((r) => r.type === 'anomaly.observe');
  t.like(JSON.parse(told!.event), { t: Date.parse('2027-03-09T23:00:00Z'), v: 0.25 });
});

test('a coordinator that does not exist loses its claim at the backstop', async (t) => {
  const k = await bookingKernel();
  await addResource(k);
  const from = { kind: 'actor' as const, id: 'booking:11111111-1111-5111-8111-111111111111', roles: [] };
  const start = Date.parse(at('10:00'));
  const reply = await k.system.ask(
    'resource:room',
    {
      type: 'claim.hold',
      claimId: 'abcdefghijklmnopqrstuA',
      bookingId: '11111111-1111-5111-8111-111111111111',
      start,
      end: start + 3_600_000,
      qty: 1,
      backstopAt: k.clock.wall() + 60_000,
    },
    { from, key: 'orphan-1' },
  );
  t.true(reply.ok);
  t.is(activeClaims(k).length, 1);
  await k.clock.advance(61_000);
  await settle(k);
  t.is(activeClaims(k).length, 0);
});

test('a hold survives a restart and still ends', async (t) => {
  const k = await bookingKernel();
  await addResource(k);
  const { id } = await book(k, { start: at('10:00'), holdOnly: true });
  const again = await k.restart();
  await again.clock.advance(660_000);
  await settle(again);
  t.is((await outcome(again, id)).state, 'expired');
  t.is(activeClaims(again).length, 0);
});
