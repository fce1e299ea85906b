import type { Deferral } from './scheduler.ts';

/**
 * The event loop of the process. Both wait for the I/O of the current round: commands that arrive in one round share a turn and a commit. (With
 * `soon` as a microtask the first request of a round went into a commit of its own, and all others waited for it.)
 */
export const eventLoop: Deferral = { soon: (fn) => setImmediate(fn), yield: (fn) => setImmediate(fn) };
