import test from 'ava';
import { assign, setup } from 'xstate';
import { defineActor, kernel } from '../../actors/define.ts';
import { from } from '../../actors/scope.ts';
import { as, testKernel, user } from '../support/kernel.ts';
import { locker } from './locker/kind.ts';
import type { LockerContext, LockerEvent } from './locker/schema.ts';
import { toHeld, toReserved } from './locker/versions.ts';

const machine = setup({
  types: { context: {} as LockerContext, events: {} as LockerEvent },
  delays: { RESERVED_MS: 10 * 60_000 },
  guards: { isHolder: ({ context }) => from().id === context.holder },
  actions: {
    ...kernel.actions,
    take: assign(({ event }) => (event.type === 'locker.reserve' ? { parcel: event.parcel, holder: from().id } : {})),
    forget: assign({ parcel: '', holder: '' }),
    count: assign({ opened: ({ context }) => context.opened + 1 }),
  },
}).createMachine({
  id: 'locker',
  context: { parcel: '', holder: '', opened: 0 },
  initial: 'free',
  states: {
    free: { on: { 'locker.reserve': { target: 'held', actions: 'take' } } },
    held: {
      after: { RESERVED_MS: { target: 'free', actions: 'forget' } },
      on: { 'locker.fill': { target: 'full', guard: 'isHolder', actions: 'count' } },
    },
    full: { on: { 'locker.empty': { target: 'free', guard: 'isHolder', actions: ['count', 'forget'] } } },
  },
});

const second = defineActor({ ...locker, version: 2, machine, migrations: { 1: toHeld } });

test('a locker that was reserved under version 1 is held under version 2, until the same minute', async (t) => {
  const { store, clock, system } = await testKernel({ kinds: [locker] });
  await system.ask('locker:a1', { type: 'locker.reserve', parcel: 'p1' }, as(user('ann')));
  await clock.advance(9 * 60_000);
  await system.drain(0);

  const next = await testKernel({ kinds: [second], store, clock });
  t.like(await next.system.slice('locker:a1/status'), { d: { free: false, parcel: 'p1' } });
  t.is((await next.system.inspect.one('locker:a1')).stateText, 'held');
  await clock.advance(2 * 60_000);
  t.like(await next.system.slice('locker:a1/status'), { d: { free: true } });
  await next.system.ask('locker:a1', { type: 'locker.reserve', parcel: 'p2' }, as(user('bob')));
  await next.system.drain(0);

  const back = await testKernel({ kinds: [{ ...locker, downgrades: { 2: toReserved } }], store, clock });
  t.like(await back.system.ask('locker:a1', { type: 'locker.fill' }, as(user('bob'))), { ok: true });
});
