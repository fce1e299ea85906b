/** Values that survive JSON unchanged. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Address of an actor, `kind:id`; the first colon ends the kind. */
export type ActorRef = string;

/**
 * Who asks. `user` is a signed-in person, `anonymous` nobody in particular; the others are the platform itself: another actor
 * (`id` is its ref), a verified webhook of a provider, an operator at the inspector, the server.
 */
export interface Principal {
  readonly kind: 'user' | 'anonymous' | 'actor' | 'webhook' | 'operator' | 'system';
  readonly id: string;
  readonly roles: readonly string[];
  /** the organisation that the user's token names; not in the journal, so no machine may decide by it */
  readonly org?: string;
  /** of an operator: why; it stands in the journal and the audit log, and no machine sees it on a replay */
  readonly reason?: string;
}

/** What every event carries beside its payload. `at` is wall time in epoch ms, `late` how long after its deadline a timer fired. */
export interface Stamp {
  readonly at: number;
  readonly seq: number;
  readonly from: Principal;
  readonly cause?: string;
  readonly late?: number;
}

export interface ArmedTimer {
  readonly seq: number;
  readonly due: number;
  readonly type: string;
}

export type StateValue = string | { readonly [region: string]: StateValue };

/** Everything that is durable about one actor; the fold of its journal. */
export interface ActorState {
  readonly value: StateValue;
  readonly status: 'active' | 'done';
  readonly context: { readonly [key: string]: Json };
  readonly output?: Json;
  readonly history?: { readonly [stateId: string]: readonly string[] };
  readonly timers: { readonly [id: string]: ArmedTimer };
  /** live invocations: invoke id -> seq that started it */
  readonly calls: { readonly [id: string]: number };
  /** log topics: view -> number of its last item */
  readonly logs: { readonly [view: string]: number };
}

/** Answer to a command. `dup` marks a replay of an earlier answer, `ch` names the hot views that the commit changed. */
export type Reply =
  | { readonly ok: true; readonly seq: number; readonly reply: Json; readonly dup?: true; readonly ch?: readonly string[] }
  | { readonly ok: false; readonly seq: number; readonly error: Refusal };

/** The kernel's form of an error; the edge adds type, title and status from the catalogue. */
export interface Refusal {
  readonly code: string;
  readonly detail?: string;
  readonly details?: { readonly [key: string]: Json };
  readonly retryAfterMs?: number;
}

export interface Clock {
  /** epoch ms, UTC */
  wall(): number;
  /** ms of a monotonic clock */
  mono(): number;
  /** ms for which the process has computed; absent where time is made up */
  computed?(): number;
  setTimer(ms: number, fn: () => void): TimerHandle;
  clearTimer(handle: TimerHandle): void;
}

export type TimerHandle = { readonly __timer?: never } | number | object;

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
