import type { ActorState } from '../../../actors/define.ts';

const OLD = 'xstate.after.RESERVED_MS.locker.reserved';
const NEW = 'xstate.after.RESERVED_MS.locker.held';

/** The state `reserved` of version 1 is called `held`, and so is its deadline. What is not mentioned stays. */
export const toHeld = (s: ActorState): ActorState => ({
  ...s,
  value: s.value === 'reserved' ? 'held' : s.value,
  timers: Object.fromEntries(Object.entries(s.timers).map(([id, timer]) => (id === OLD ? [NEW, { ...timer, type: NEW }] : [id, timer]))),
});

/** The way back, for a build that is rolled back. */
export const toReserved = (s: ActorState): ActorState => ({
  ...s,
  value: s.value === 'held' ? 'reserved' : s.value,
  timers: Object.fromEntries(Object.entries(s.timers).map(([id, timer]) => (id === NEW ? [OLD, { ...timer, type: OLD }] : [id, timer]))),
});
