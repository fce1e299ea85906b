import test from 'ava';
import { as, testKernel, user } from '../support/kernel.ts';
import { locker } from './locker/kind.ts';

const ann = user('ann');
const bob = user('bob');

test('a reserved locker refuses others, and only its holder fills it (L3)', async (t) => {
  const { system } = await testKernel({ kinds: [locker] });
  t.like(await system.ask('locker:a1', { type: 'locker.reserve', parcel: 'p1' }, as(ann)), { ok: true });
  t.like(await system.ask('locker:a1', { type: 'locker.reserve', parcel: 'p2' }, as(bob)), {
    ok: false,
    error: { code: 'SLOT_UNAVAILABLE' },
  });
  t.like(await system.ask('locker:a1', { type: 'locker.fill' }, as(bob)), { ok: false, error: { code: 'NOT_ALLOWED' } });
  t.like(await system.ask('locker:a1', { type: 'locker.fill' }, as(ann)), { ok: true });
  t.like(await system.slice('locker:a1/visits'), { m: 'items', s: 1 });
});

test('a reservation ends after ten minutes, even if the server was down meanwhile (L2)', async (t) => {
  const before = await testKernel({ kinds: [locker] });
  await before.system.ask('locker:a1', { type: 'locker.reserve', parcel: 'p1' }, as(ann));
  await before.clock.advance(9 * 60_000);
  const after = await before.restart();
  await after.clock.advance(2 * 60_000);
  t.like(await after.system.ask('locker:a1', { type: 'locker.reserve', parcel: 'p2' }, as(bob)), { ok: true });
  t.like(await after.system.slice('locker:a1/status'), { d: { free: false, opened: 0, parcel: 'p2' } });
});
