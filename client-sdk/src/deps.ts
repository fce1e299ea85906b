import type { Bye, Head, Hello, Problem, Publication } from './protocol.ts';

/** Clock, timers and chance of a client; given by tests, else those of the platform. */
export interface Timers {
  /** epoch ms */
  now(): number;
  /** [0, 1) */
  random(): number;
  set(fn: () => void, ms: number): unknown;
  clear(handle: unknown): void;
}

/** What a transport reports. After `hello` the connection is usable; exactly one of `refused` and `down` ends it. */
export interface WireEvents {
  hello(hello: Hello): void;
  /** the handshake was refused; without a problem the server could not be reached */
  refused(problem?: Problem): void;
  down(): void;
  bye(bye: Bye): void;
  pub(pub: Publication): void;
  head(head: Head): void;
  resync(message: { readonly t: readonly string[] | '*'; readonly jitterMs?: number }): void;
  unsub(message: { readonly t: string; readonly code: string }): void;
  expiring(): void;
}

/** A transport that speaks the protocol: Socket.IO, or a test's own. */
export interface Wire {
  open(auth: object): void;
  close(): void;
  /** rejects when no acknowledgement came within `ms` or the connection ended first */
  request(event: string, payload: unknown, ms: number): Promise<unknown>;
}

export type Dial = (url: string, events: WireEvents) => Wire;

export const platformTimers: Timers = {
  now: () => Date.now(),
  random: () => Math.random(),
  set: (fn, ms) => setTimeout(fn, ms),
  clear: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout> | undefined),
};
