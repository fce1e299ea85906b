import type { Json, Refusal } from './types.ts';

interface ProblemEntry {
  readonly status: number;
  readonly title: string;
  readonly retryable: boolean;
}

/** The kernel's own error codes. The key is public API: never rename, only add. */
export const kernelProblems = {
  VALIDATION: { status: 400, title: 'The input does not fit its schema', retryable: false },
  UNAUTHENTICATED: { status: 401, title: 'Credentials are missing or wrong', retryable: false },
  FORBIDDEN: { status: 403, title: 'You may not do this', retryable: false },
  UNKNOWN_KIND: { status: 404, title: 'There is no such kind of actor', retryable: false },
  UNKNOWN_COMMAND: { status: 404, title: 'There is no such command', retryable: false },
  NOT_FOUND: { status: 404, title: 'Nothing is found under this name', retryable: false },
  NOT_ALLOWED: { status: 409, title: 'The command is not possible in this state', retryable: false },
  SEQ_MISMATCH: { status: 409, title: 'The object has changed since you read it', retryable: false },
  IDEMPOTENCY_MISMATCH: { status: 422, title: 'The idempotency key was used for another request', retryable: false },
  PAYLOAD_TOO_LARGE: { status: 413, title: 'The payload is too large', retryable: false },
  STATE_TOO_LARGE: { status: 507, title: 'The state of the object would become too large', retryable: false },
  LIMIT_EXCEEDED: { status: 429, title: 'A limit of the object is reached', retryable: false },
  MAILBOX_FULL: { status: 429, title: 'Too many commands wait for this object', retryable: true },
  OVERLOADED: { status: 503, title: 'The server is overloaded', retryable: true },
  RETRY: { status: 503, title: 'A race was lost; nothing was applied', retryable: true },
  UNAVAILABLE: { status: 503, title: 'The database cannot be reached; nothing was applied', retryable: true },
  COMMIT_UNKNOWN: { status: 504, title: 'The outcome is not known yet; repeat with the same key', retryable: true },
  TIMEOUT: { status: 504, title: 'The deadline passed before the command ran', retryable: true },
  MOVED: { status: 503, title: 'Another node serves this object', retryable: true },
  DRAINING: { status: 503, title: 'The server is shutting down', retryable: true },
  ACTOR_FAULT: { status: 500, title: 'The machine failed on this command; nothing was applied', retryable: false },
  ACTOR_QUARANTINED: { status: 503, title: 'The object is quarantined after repeated faults', retryable: true },
  ACTOR_PAUSED: { status: 503, title: 'The object is paused by an operator', retryable: true },
  NOT_RETAINED: { status: 410, title: 'The history before this is no longer kept', retryable: false },
  ACTOR_ERASED: { status: 410, title: 'The object has been erased', retryable: false },
  MIGRATION_FAILED: { status: 503, title: 'The object could not be brought to the current version', retryable: true },
  VERSION_AHEAD: { status: 503, title: 'The object was written by a newer version', retryable: true },
  FORMAT_AHEAD: { status: 503, title: 'The history was written in a newer format', retryable: true },
  UNKNOWN_TOPIC: { status: 404, title: 'There is no such topic', retryable: false },
} as const satisfies Record<string, ProblemEntry>;

export type KernelCode = keyof typeof kernelProblems;

/** An error that the caller should see. Codes of refusals by a machine are those of its command's `rejects`. */
export class KernelProblem extends Error implements Refusal {
  readonly code: string;
  readonly detail: string | undefined;
  readonly details: { readonly [key: string]: Json } | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(refusal: Refusal, cause?: unknown) {
    super(refusal.detail ?? refusal.code, cause === undefined ? undefined : { cause });
    this.name = 'KernelProblem';
    this.code = refusal.code;
    this.detail = refusal.detail;
    this.details = refusal.details;
    this.retryAfterMs = refusal.retryAfterMs;
  }
}

export function refusal(code: KernelCode, detail?: string, details?: { readonly [key: string]: Json }, retryAfterMs?: number): Refusal {
  return {
    code,
    ...(detail === undefined ? {} : { detail }),
    ...(details === undefined ? {} : { details }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** Thrown by an effect when another attempt cannot help. */
export class NonRetryable extends Error {
  readonly code: string;

  constructor(message: string, code = 'EFFECT_FAILED') {
    super(message);
    this.name = 'NonRetryable';
    this.code = code;
  }
}
