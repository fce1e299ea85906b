/** One socket: what it may still do, what it has subscribed to, when its token ends. */
import type { Server, Socket } from 'socket.io';
import type { TimerHandle } from '../../actors/types.ts';
import type { Caller } from '../identity/caller.ts';
import type { ConnectionLimits } from './limits.ts';
import type { Bye } from './outgoing.ts';
import type { ClientEvents, NodeEvents, ServerEvents } from './protocol.ts';

export interface Connection {
  caller: Caller;
  readonly address: string;
  /** a registered device, or a page */
  readonly client: 'mobile' | 'web';
  lastUsedAt: number;
  readonly limits: ConnectionLimits;
  /** canonical names */
  readonly topics: Set<string>;
  inFlight: number;
  /** what `vis` said last; undefined: nothing */
  visible: boolean | undefined;
  /** the next thing that happens to the token: it is about to expire, or over */
  expiry: TimerHandle | undefined;
  ended: boolean;
}

interface SocketData {
  connection: Connection;
}

export type LiveSocket = Socket<ClientEvents, ServerEvents, NodeEvents, SocketData>;
export type LiveServer = Server<ClientEvents, ServerEvents, NodeEvents, SocketData>;

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
};
