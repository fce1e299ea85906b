/**
 * Life of the connection as a table: what each event means in each state. No I/O and no clock here; the client performs what a state asks for
 * on entry (`connecting` dials, `waiting` and `offline` set a timer to `nextAttemptAt`, leaving `online` hangs up).
 *
 *   idle ─► connecting ─► online ─► waiting | offline ─► connecting …      refused(code), closed
 */

/** `waiting`: another attempt follows by itself · `offline`: the system reports no network · `refused`: see `code`; `connect()` tries again */
export type ConnectionState = 'idle' | 'connecting' | 'online' | 'waiting' | 'offline' | 'refused' | 'closed';

/** How the connection stands. */
export interface Connection {
  readonly state: ConnectionState;
  /** epoch ms at which the state began */
  readonly since: number;
  /** attempts since the last stable connection */
  readonly attempt: number;
  /** epoch ms, in `waiting` and `offline` */
  readonly nextAttemptAt?: number;
  /** error code of the last refusal or interruption */
  readonly code?: string;
  /** the same in words */
  readonly detail?: string;
  /** round-trip time, ms */
  readonly rtt?: number;
  /** server clock minus ours, ms */
  readonly clockOffset: number;
}

export type ConnectionEvent =
  /** something wants to be connected */
  | { readonly type: 'open' }
  | { readonly type: 'hello' }
  /** the attempt failed or the connection broke; `retryAfterMs` overrides the back-off */
  | { readonly type: 'down'; readonly code?: string; readonly detail?: string; readonly retryAfterMs?: number }
  /** the server said that repeating is pointless */
  | { readonly type: 'refuse'; readonly code: string; readonly detail?: string }
  /** the server asks to come back only when there is something to do, or nobody has looked at the application for a while */
  | { readonly type: 'rest' }
  | { readonly type: 'timer' }
  /** page visible again, network back */
  | { readonly type: 'wake' }
  | { readonly type: 'close' };

/** What a step may know of the world: wall time (epoch ms), chance in [0, 1), and whether the system says that there is a network. */
export interface Surroundings {
  readonly now: number;
  readonly random: number;
  readonly network: boolean;
}

const BASE_MS = 500;
const CAP_MS = 30_000;
/** ms online after which a loss starts the back-off anew */
const STABLE_MS = 30_000;

/** Back-off before attempt `n`: half to the whole of `min(30 s, 500 ms x 2^n)`. */
export const backoff = (n: number, random: number): number => (0.5 + random / 2) * Math.min(CAP_MS, BASE_MS * 2 ** n);

type Move = (c: Connection, e: ConnectionEvent, w: Surroundings) => Partial<Connection> & { readonly state: ConnectionState };

const dial: Move = (c) => ({ state: 'connecting', attempt: c.attempt + 1 });
const close: Move = () => ({ state: 'closed', code: 'CLOSED' });
const rest: Move = () => ({ state: 'idle', attempt: 0 });
/** why, as the event says it */
const why = (e: ConnectionEvent): Pick<Connection, 'code' | 'detail'> => ('code' in e ? { code: e.code, detail: e.detail } : {});
const refuse: Move = (_c, e) => ({ state: 'refused', ...why(e) });
const wait: Move = (c, e, w) => {
  const attempt = c.state === 'online' && w.now - c.since >= STABLE_MS ? 0 : c.attempt;
  const asked = e.type === 'down' ? e.retryAfterMs : undefined;
  return {
    state: w.network ? 'waiting' : 'offline',
    attempt,
    ...why(e),
    nextAttemptAt: w.now + (asked ?? (w.network ? backoff(Math.max(0, attempt - 1), w.random) : CAP_MS)),
  };
};

const table: { readonly [S in ConnectionState]: { readonly [E in ConnectionEvent['type']]?: Move } } = {
  idle: { open: dial, close },
  connecting: { hello: (c) => ({ state: 'online', attempt: c.attempt }), down: wait, refuse, rest, close },
  online: { down: wait, refuse, rest, close },
  waiting: { timer: dial, wake: dial, rest, close },
  offline: { timer: dial, wake: dial, rest, close },
  refused: { open: dial, close },
  closed: {},
};

export const idle = (now: number): Connection => ({ state: 'idle', since: now, attempt: 0, clockOffset: 0 });

/** The connection after `e`; the same object when the event means nothing in this state. */
export function step(c: Connection, e: ConnectionEvent, w: Surroundings): Connection {
  const move = table[c.state][e.type];
  if (move === undefined) return c;
  return { rtt: c.rtt, clockOffset: c.clockOffset, attempt: c.attempt, since: w.now, ...move(c, e, w) };
}
