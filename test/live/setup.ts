import { makeWorld } from '../support/world.ts';
import type { World, WorldOptions } from '../support/world.ts';
import { counter } from '../support/kinds.ts';
import { person } from './kinds.ts';

/** A listening world with the counter of the kernel's tests and the least of a user. */
export const liveWorld = (o: WorldOptions = {}): Promise<World> =>
  makeWorld({ kinds: [counter, person], effects: { counter: { work: async () => ({ done: 1 }) } }, store: 'memory', listen: true, ...o });

export type Refusal = { ok: false; error: { code: string; details?: Record<string, unknown>; retryAfterMs?: number; retryable: boolean } };

export interface Slice {
  ok: true;
  t: string;
  a?: string;
  kind: string;
  e: string;
  s: number;
  m: string;
  d?: unknown;
  floor: number;
  more: boolean;
}

let ids = 0;
export const commandId = (): string => `command-${(ids += 1)}`;
