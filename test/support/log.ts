import type { Log } from '../../actors/types.ts';

const nothing = (): void => undefined;

/** A log that keeps nothing. */
export const quiet: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
