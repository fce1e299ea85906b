import type { Deferral } from './scheduler.ts';

/** The event loop of the process: at the end of the current work, and after waiting I/O has had its chance. */
export const eventLoop: Deferral = { soon: (fn) => queueMicrotask(fn), yield: (fn) => setImmediate(fn) };
