/** A few days of a studio: one run through the kernel in which every kind of the product meets most of what can happen to it. */
import type { EffectFunctions } from '../../actors/effects.ts';
import { NonRetryable } from '../../actors/errors.ts';
import type { Principal } from '../../actors/types.ts';
import type { FetchResult } from '../../machines/biosync/schema.ts';
import { noCounts } from '../../machines/biosync/schema.ts';
import { kinds } from '../../machines/kinds.ts';
import { addResource, at, ROOM, tables } from '../support/bookings.ts';
import { as, system, testKernel, user } from '../support/kernel.ts';
import type { TestKernel } from '../support/kernel.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const MIA = '01a1fc02-8a54-7f98-bfe2-e7aa91051f01';
const RING = 'device:01a1fc02-8a54-7f98-bfe2-e7aa91051f02';
const RAW = '01a1fc02-8a54-4f98-bfe2-e7aa91051f03';
const BLOCK = '01a1fc02-8a54-4f98-bfe2-e7aa91051f04';
/** the series of somebody whose watch is no device here */
const BEN = '01a1fc02-8a54-7f98-bfe2-e7aa91051f05';
const PHONE = '01a1fc02-8a54-4f98-bfe2-e7aa91051f06';
const LAPTOP = '01a1fc02-8a54-4f98-bfe2-e7aa91051f07';
const PULSE = `anomaly:user:${BEN}:resting_heart_rate`;
const CIRCUIT = 'breaker:0123456789abcdef0123';
const mia = user(MIA);
const ben = user(BEN);
const staff = user('coach', 'staff');

const bookingId = (n: number): string => `01a1fc02-0000-7000-8000-${String(n).padStart(12, '0')}`;

const noticeId = (n: number): string => `01a1fc02-0000-4000-8000-${String(n).padStart(12, '0')}`;

const good = (more: boolean): FetchResult => ({
  ok: true,
  counts: { ...noCounts, inserted: 3, duplicate: 1 },
  more,
  ...(more ? { cursor: 'next' } : {}),
});
const bad = (c: 'transient' | 'rate_limited' | 'auth' | 'permanent_object'): FetchResult => ({
  ok: false,
  class: c,
  code: c.toUpperCase(),
});

/** What the provider answers, one after the other; then always one page. */
function effectsOf(): EffectFunctions {
  const pages: (FetchResult | Error)[] = [
    good(true),
    good(false),
    bad('permanent_object'),
    bad('transient'),
    new Error('reset'),
    bad('rate_limited'),
  ];
  let computed = 0;
  return {
    device: {
      fetchPage: async () => {
        const answer = pages.shift() ?? good(false);
        if (answer instanceof Error) throw answer;
        return answer;
      },
      deregister: async () => null,
    },
    user: {
      computeScores: async ({ input }) => {
        computed += 1;
        if (computed === 2) throw new NonRetryable('the model is away');
        const { to } = input as { to: string };
        const score = { day: to, status: 'ok', score: 71.5, band: 'good', revision: computed, confidence: 0.8, confidenceLevel: 'medium' };
        const point = { score: 71.5, band: 'good', hrvMs: 62.25, restingBpm: 54 + computed };
        return { results: [{ score: { ...score, model: 'energy-1', computedAt: computed }, point }], changed: 1 };
      },
    },
  };
}

type Send = (ref: string, type: string, payload?: object, from?: Principal) => Promise<void>;

async function people(k: TestKernel, send: Send): Promise<void> {
  await send(`user:${MIA}`, 'user.register', { displayName: 'Mia', timeZone: 'Europe/Berlin' });
  await send(`user:${MIA}`, 'user.update', { displayName: 'Mia B.' }, mia);
  await send(`user:${MIA}`, 'notification.seen', { topic: `user:${MIA}/bookings`, s: 1, how: 'rendered' }, mia);
  await send(`user:${BEN}`, 'user.register', { displayName: 'Ben', timeZone: 'America/New_York' });
  await addResource(k);
  await addResource(k, { ...ROOM, resourceId: 'hall', capacity: 4, capacityMode: 'pool' });
  await send('resource:room', 'resource.configure', { patch: { capacity: 2, allocation: 'best_fit' } });
  await send('resource:room', 'resource.configure', { patch: { capacity: 1 }, expectedRev: 2 });
}

async function bookings(k: TestKernel, send: Send): Promise<void> {
  const book = async (n: number, body: object, from = mia): Promise<void> => {
    await send(`booking:${bookingId(n)}`, 'booking.request', { resourceId: 'room', durationMin: 60, ...body }, from);
    await k.clock.advance(500);
  };
  await book(1, { start: at('10:00') });
  await book(1, { start: at('10:00') });
  await book(2, { start: at('10:00'), holdOnly: true });
  await book(3, { start: at('10:30') });
  await book(4, { start: at('12:00'), resourceId: 'hall', party: 3, holdOnly: true });
  await book(5, { localStart: '2027-03-10T15:00', timeZone: 'Europe/Berlin' }, staff);
  await book(6, { start: at('03:00') });
  await book(7, { start: at('11:00'), resourceId: 'nowhere' });
  await send(`booking:${bookingId(1)}`, 'booking.reschedule', { start: at('10:30') }, mia);
  await k.clock.advance(500);
  await send(`booking:${bookingId(1)}`, 'booking.reschedule', { start: at('13:00'), resourceId: 'hall' }, mia);
  await k.clock.advance(500);
  await send(`booking:${bookingId(4)}`, 'booking.confirm', {}, mia);
  await k.clock.advance(500);
  await send(`booking:${bookingId(5)}`, 'booking.cancel', { reason: 'ill' }, staff);
  await send('resource:room', 'resource.block', { blockId: BLOCK, start: Date.parse(at('08:00')), end: Date.parse(at('09:00')) }, staff);
  await send('resource:room', 'resource.unblock', { blockId: BLOCK }, staff);
  await send('resource:hall', 'resource.suspend', {}, user('boss', 'admin'));
  await book(8, { start: at('14:00'), resourceId: 'hall' });
  await send('resource:hall', 'resource.resume', {}, user('boss', 'admin'));
  await k.clock.advance(20 * 60_000);
}

async function wearable(k: TestKernel, send: Send): Promise<void> {
  const connect = { userId: MIA, provider: 'simulator', label: 'Ring', timeZone: 'Europe/Berlin' };
  await send(RING, 'device.connect', connect, mia);
  await send(RING, 'connect.succeeded', { providerUserId: 'mia', scopes: ['sleep', 'heart'], missing: [] });
  await k.clock.advance(10_000);
  await send(RING, 'device.sync', {}, mia);
  await k.clock.advance(5 * 60_000);
  await send(RING, 'device.sync', {}, mia);
  await k.clock.advance(HOUR);
  await send(RING, 'webhook.received', { rawIds: [RAW] });
  const counts = { ...noCounts, inserted: 12 };
  await send(RING, 'data.ingested', { id: 'd1', receivedAt: k.clock.wall(), from: '2027-02-27', to: '2027-02-28', counts });
  await send(`user:${MIA}`, 'data.committed', { days: ['2027-02-28', '2027-02-27'] });
  await k.clock.advance(60_000);
  await send(`user:${MIA}`, 'data.committed', { days: ['2027-03-01'] });
  await k.clock.advance(60_000);
  await send(RING, 'device.autosync', { on: false }, mia);
  await send(RING, 'device.pause', {}, mia);
  await send(RING, 'device.resume', {}, mia);
  await k.clock.advance(HOUR);
}

/** Calls that are seen, deferred, digested, replaced and refused by the vendor. */
async function calls(k: TestKernel, send: Send): Promise<void> {
  const create = (n: number, more: object = {}): Promise<void> =>
    send(`user:${MIA}`, 'notification.create', {
      id: noticeId(n),
      category: 'booking_update',
      severity: 'info',
      collapseKey: `booking:${n}`,
      titleKey: 'booking.cancelled',
      args: { resource: 'Room', when: 'Monday' },
      ...more,
    });
  await create(1);
  await send(`user:${MIA}`, 'endpoint.registered', { endpointId: PHONE, provider: 'fcm' });
  await send(`user:${MIA}`, 'endpoint.registered', { endpointId: LAPTOP, provider: 'webpush' });
  for (let n = 2; n <= 8; n += 1) await create(n, { href: '/' });
  await create(9, { collapseKey: 'booking:8', severity: 'critical' });
  await send(`user:${MIA}`, 'notification.unwatched', { id: noticeId(9) });
  await k.clock.advance(15_000);
  await send(`user:${MIA}`, 'delivery.finished', { id: noticeId(9), endpointId: PHONE, outcome: 'sent' });
  await send(`user:${MIA}`, 'delivery.finished', { id: noticeId(9), endpointId: LAPTOP, outcome: 'gone' });
  await send(`user:${MIA}`, 'notification.withdraw', { collapseKey: 'booking:7' });
  await k.clock.advance(12 * HOUR);
  await send(`user:${MIA}`, 'notification.seen', { topic: `user:${MIA}/notifications`, s: 9, how: 'rendered' }, mia);
  const quiet = { from: '20:00', to: '08:00', bypassCritical: true };
  const preferences = { categories: { marketing: { inapp: true }, job_done: { inapp: false, push: false } }, quiet, digestAt: '18:00' };
  await send(`user:${MIA}`, 'notification.configure', { preferences }, mia);
  await create(10);
  await create(11, { category: 'job_done' });
  await k.clock.advance(12 * HOUR);
  await send(`user:${MIA}`, 'endpoint.removed', { endpointId: PHONE });
}

/** A month of quiet mornings, a high one that is acknowledged, and a week in which it passes. */
async function pulse(k: TestKernel, send: Send): Promise<void> {
  const quiet = [62, 64, 60, 63, 61, 60, 64];
  const month = [...Array.from({ length: 30 }, (_, i) => quiet[i % 7] ?? 60), 78];
  const first = Math.floor(k.clock.wall() / DAY) * DAY - month.length * DAY;
  for (const [i, v] of month.entries()) await send(PULSE, 'anomaly.observe', { t: first + i * DAY, v });
  await k.clock.advance(HOUR);
  const alertId = k.store.rows('alerts')[0]?.['alert_id'] ?? '';
  await send(PULSE, 'anomaly.acknowledge', { alertId, note: 'I ran' }, ben);
  for (const [i, v] of [80, 79, 62, null, 61, 62, 63, 61].entries()) {
    await k.clock.advance(DAY);
    await send(PULSE, 'anomaly.observe', { t: first + (month.length + i) * DAY, v });
  }
  await send(PULSE, 'anomaly.feedback', { alertId, label: 'true_positive' }, ben);
  await send(PULSE, 'anomaly.mute', { forMs: HOUR, reason: 'on holiday' }, ben);
  await send(PULSE, 'anomaly.observe', { t: first, v: 60 });
  await send(PULSE, 'anomaly.configure', { patch: {}, ifVersion: 1 }, staff);
  await k.clock.advance(2 * HOUR);
  await send(PULSE, 'anomaly.reset', {}, staff);
}

/** A provider that fails, recovers at the second try, and is switched off and on by an operator. */
async function circuit(k: TestKernel, send: Send): Promise<void> {
  const batch = { name: 'provider:simulator', rules: 'remote', slow: 0, broken: true, tripped: false };
  const boss = user('boss', 'admin');
  await send(CIRCUIT, 'calls.reported', { ...batch, calls: 4, failures: 1, streak: 1 });
  await send(CIRCUIT, 'breaker.subscribe', {}, { kind: 'actor', id: RING, roles: [] });
  await k.clock.advance(30_000);
  await send(CIRCUIT, 'calls.reported', { ...batch, calls: 4, failures: 4, streak: 4, broken: false });
  await send(CIRCUIT, 'calls.reported', { ...batch, calls: 1, failures: 1, streak: 1, broken: false });
  await k.clock.advance(30_000);
  await send(CIRCUIT, 'probe.succeeded', { of: 2 });
  await send(CIRCUIT, 'probe.failed', { of: 2 });
  await send(CIRCUIT, 'probe.succeeded', { of: 2 });
  for (let n = 0; n < 3; n += 1) await send(CIRCUIT, 'probe.succeeded', { of: 2 });
  await send(CIRCUIT, 'calls.reported', { ...batch, calls: 1, failures: 1, streak: 1, tripped: true });
  await send(CIRCUIT, 'breaker.isolate', {}, boss);
  await send(CIRCUIT, 'breaker.reset', {}, boss);
  await send(CIRCUIT, 'breaker.force', {}, boss);
  await send(CIRCUIT, 'breaker.unsubscribe', {}, { kind: 'actor', id: RING, roles: [] });
  await k.clock.advance(2 * HOUR);
}

/** Runs everything; the kernel is stopped at the end, and its store holds what was recorded. */
export async function runScenario(): Promise<TestKernel> {
  const k = await testKernel({ kinds, tables, effects: effectsOf() });
  let key = 0;
  const send: Send = async (ref, type, payload = {}, from) => {
    key += 1;
    await k.system.ask(ref, { type, ...payload }, as(from ?? system, { key: `golden-${key}` }));
  };
  await people(k, send);
  await bookings(k, send);
  await wearable(k, send);
  await pulse(k, send);
  await calls(k, send);
  await circuit(k, send);
  await k.clock.advance(10 * DAY);
  await send(RING, 'device.disconnect', {}, mia);
  await send(RING, 'device.connect', { userId: MIA, provider: 'simulator', label: 'Ring 2', timeZone: 'UTC' }, mia);
  await send(RING, 'connect.failed', { reason: 'closed the window' });
  await k.clock.advance(DAY);
  await k.system.drain(0);
  return k;
}
