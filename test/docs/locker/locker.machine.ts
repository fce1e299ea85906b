import { assign, setup } from 'xstate';
import { kernel } from '../../../actors/define.ts';
import { from, now } from '../../../actors/scope.ts';
import type { LockerContext, LockerEvent } from './schema.ts';

/** Invariants: L1 a parcel has a holder · L2 a reservation ends after ten minutes unless the locker was filled · L3 only its holder empties it. */
export const lockerMachine = setup({
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
    free: { on: { 'locker.reserve': { target: 'reserved', actions: 'take' } } },
    reserved: {
      after: { RESERVED_MS: { target: 'free', actions: 'forget' } },
      on: {
        'locker.reserve': { actions: { type: 'reject', params: { code: 'SLOT_UNAVAILABLE' } } },
        'locker.fill': {
          target: 'full',
          guard: 'isHolder',
          actions: ['count', { type: 'publish', params: () => ({ view: 'visits', item: { at: now(), what: 'filled' } }) }],
        },
      },
    },
    full: {
      on: {
        'locker.reserve': { actions: { type: 'reject', params: { code: 'SLOT_UNAVAILABLE' } } },
        'locker.empty': {
          target: 'free',
          guard: 'isHolder',
          actions: ['count', 'forget', { type: 'publish', params: () => ({ view: 'visits', item: { at: now(), what: 'emptied' } }) }],
        },
      },
    },
  },
});
