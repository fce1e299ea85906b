/** One socket: what it may still do, what it has subscribed to, when its token ends. */
import type { Socket } from 'socket.io';
import type { TimerHandle } from '../../actors/types.ts';
import type { Caller } from '../identity/caller.ts';
import type { ConnectionLimits } from './limits.ts';
import type { Bye, ClientEvents, ServerEvents } from './protocol.ts';

export interface Connection {
  caller: Caller;
  readonly address: string;
  readonly openedAt: number;
  lastUsedAt: number;
  readonly limits: ConnectionLimits;
  /** canonical names */
  readonly topics: Set<string>;
  inFlight: number;
  readonly timers: Set<TimerHandle>;
  ended: boolean;
}

export type LiveSocket = Socket<ClientEvents, ServerEvents, Record<string, never>, { connection: Connection }>;

export const topicRoom = (topic: string): string => `t:${topic}`;
export const userRoom = (userId: string): string => `u:${userId}`;
export const sessionRoom = (sid: string): string => `s:${sid}`;

export const RETRY: { readonly [code in Bye['code']]: boolean } = {
  DRAINING: true,
  TOKEN_EXPIRED: true,
  REVOKED: false,
  IDENTITY_CHANGED: false,
  SLOW_CONSUMER: true,
  RATE_LIMITED: true,
  TOO_MANY_CONNECTIONS: false,
  INTERNAL: true,
};
