/**
 * Every problem a client can meet, over HTTP (RFC 9457) and over the socket alike. The key is public API: never rename, only add.
 * Modules add their codes below the edge's own.
 */
import { KernelProblem, kernelProblems } from '../actors/errors.ts';
import type { Json, Refusal } from '../actors/types.ts';

interface Entry {
  readonly status: number;
  readonly title: string;
  readonly retryable: boolean;
}

export const problems = {
  ...kernelProblems,

  // edge and identity (realtime R2, R8; biosync 1)
  TOKEN_EXPIRED: { status: 401, title: 'The access token has expired', retryable: true },
  REFRESH_REUSED: { status: 401, title: 'The refresh token was used before; the session is closed', retryable: false },
  CSRF: { status: 403, title: 'The request did not come from our own pages', retryable: false },
  ORIGIN_DENIED: { status: 403, title: 'Cookies are not accepted from this origin', retryable: false },
  METHOD_NOT_ALLOWED: { status: 405, title: 'The path does not answer this method', retryable: false },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: 'The body must be JSON in UTF-8', retryable: false },
  ACCOUNT_LOCKED: { status: 423, title: 'Too many failed logins; the account is locked for a while', retryable: true },
  UNSUPPORTED_VERSION: { status: 426, title: 'The protocol version is not supported', retryable: false },
  RATE_LIMITED: { status: 429, title: 'Too many requests', retryable: true },
  TOO_MANY_TOPICS: { status: 429, title: 'The connection has too many topics', retryable: true },
  TOO_MANY_SUBSCRIBERS: { status: 429, title: 'The circuit has as many subscribers as it can tell', retryable: false },
  TOO_MANY_IN_FLIGHT: { status: 429, title: 'Too many commands wait for their answer', retryable: true },
  INVALID_IDEMPOTENCY_KEY: { status: 400, title: 'The idempotency key must be 1 to 255 visible ASCII characters', retryable: false },
  NOT_READY: { status: 503, title: 'The server is not ready', retryable: true },
  INTERNAL: { status: 500, title: 'Something failed on our side', retryable: true },

  // other systems that the server needs (readings 4)
  CIRCUIT_OPEN: { status: 503, title: 'A system that is needed for this does not work now', retryable: true },
  REMOTE_SATURATED: { status: 503, title: 'Too many calls wait for a system that is needed for this', retryable: true },

  // booking
  SLOT_UNAVAILABLE: { status: 409, title: 'The slot is not free', retryable: false },
  CLAIM_CONFLICT: { status: 409, title: 'Another writer has taken the slot', retryable: true },
  NO_CHANGE: { status: 409, title: 'The booking is there already', retryable: false },
  HOLD_EXPIRED: { status: 409, title: 'The hold has ended', retryable: false },
  PARTICIPANT_LOST: { status: 409, title: 'The resource withdrew the claim', retryable: false },
  IDEMPOTENCY_IN_PROGRESS: { status: 409, title: 'The first request with this key is still being worked on', retryable: true },
  RESOURCE_EXISTS: { status: 409, title: 'There is a resource of this name', retryable: false },
  RESOURCE_IN_USE: { status: 409, title: 'The resource has future bookings', retryable: false },
  RESOURCE_SUSPENDED: { status: 409, title: 'The resource takes no bookings for now', retryable: false },
  RESOURCE_RETIRED: { status: 409, title: 'The resource takes no bookings any more', retryable: false },
  RESOURCE_CLAIM_LIMIT: { status: 409, title: 'The resource has as many bookings as it can hold', retryable: false },
  RESOURCE_NOT_FOUND: { status: 404, title: 'There is no such resource', retryable: false },
  BOOKING_NOT_FOUND: { status: 404, title: 'There is no such booking', retryable: false },
  INVALID_DURATION: { status: 422, title: 'The duration is not possible', retryable: false },
  INVALID_GRANULARITY: { status: 422, title: 'Bookings start on whole minutes', retryable: false },
  IN_PAST: { status: 422, title: 'The start lies in the past', retryable: false },
  MIN_NOTICE: { status: 422, title: 'The start is too soon', retryable: false },
  BEYOND_HORIZON: { status: 422, title: 'The start is too far away', retryable: false },
  OFF_GRID: { status: 422, title: 'The start is not one of the offered times', retryable: false },
  OUTSIDE_OPENING_HOURS: { status: 422, title: 'The resource is closed then', retryable: false },
  NONEXISTENT_LOCAL_TIME: { status: 422, title: 'The clocks skip this local time', retryable: false },
  AMBIGUOUS_LOCAL_TIME: { status: 422, title: 'This local time occurs twice', retryable: false },
  UNKNOWN_TIME_ZONE: { status: 422, title: 'The time zone is not known', retryable: false },

  // anomaly monitors
  ALERT_CLOSED: { status: 409, title: 'The alert is closed', retryable: false },
  BACKFILL_GAP: { status: 422, title: 'The points do not reach those that the monitor still knows', retryable: false },
  NOTHING_TO_CLASSIFY: { status: 422, title: 'A score or a deviation is needed', retryable: false },
  POINT_IN_FUTURE: { status: 422, title: 'The point lies in the future', retryable: false },
  INVALID_RANGE: { status: 422, title: 'The range is empty or too wide', retryable: false },

  // notifications
  PUSH_PROVIDER_OFF: { status: 422, title: 'The push service is not set up on this server', retryable: false },

  // biosync: devices and intake of deliveries
  SYNC_IN_PROGRESS: { status: 409, title: 'A sync of this device is running', retryable: true },
  SYNC_TOO_SOON: { status: 429, title: 'The device was synced a moment ago', retryable: true },
  SCOPES_MISSING: { status: 422, title: 'The provider was not given the rights that are needed', retryable: false },
  SIGNATURE_INVALID: { status: 401, title: 'The signature of the delivery is missing, forged or too old', retryable: false },
} as const satisfies Record<string, Entry>;

export type ProblemCode = keyof typeof problems;

/** RFC 9457 object; the same over HTTP and over the socket. */
export interface ProblemDocument {
  readonly type: `urn:thrum:error:${string}`;
  readonly code: string;
  readonly status: number;
  readonly title: string;
  readonly detail?: string;
  /** `urn:thrum:request:<id>`; finds the log line */
  readonly instance: `urn:thrum:request:${string}`;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  readonly details?: Json;
}

interface ProblemOptions {
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
  /** another status than the catalogue's: 412 for a `SEQ_MISMATCH` that came from `If-Match` */
  readonly status?: number | undefined;
}

/** An error that the client should see. */
export class Problem extends Error {
  readonly code: string;
  readonly detail: string | undefined;
  readonly details: Json | undefined;
  readonly retryAfterMs: number | undefined;
  readonly status: number | undefined;

  constructor(code: ProblemCode, detail?: string, details?: Json, o: ProblemOptions = {}) {
    super(detail ?? code, o.cause === undefined ? undefined : { cause: o.cause });
    this.name = 'Problem';
    this.code = code;
    this.detail = detail;
    this.details = details;
    this.retryAfterMs = o.retryAfterMs;
    this.status = o.status;
  }

  /** A refusal by the kernel or by a machine, whose code stands in the catalogue too. */
  static from(r: Refusal, o: ProblemOptions = {}): Problem {
    return new Problem(r.code as ProblemCode, r.detail, r.details, { retryAfterMs: r.retryAfterMs, ...o });
  }
}

/** `VALIDATION` with `details.issues`, the paths dotted. */
export const invalid = (issues: readonly { path: string; message: string }[], detail = 'the input does not fit its schema'): Problem =>
  new Problem('VALIDATION', detail, { issues: issues.slice(0, 50).map(({ path, message }) => ({ path, message })) });

/** True for errors that are meant for the client; everything else is a bug and is logged with its stack. */
export const isProblem = (error: unknown): error is Problem | KernelProblem => error instanceof Problem || error instanceof KernelProblem;

/** The document of any error. Bugs become `INTERNAL` and tell nothing but the request id. */
export function toProblem(error: unknown, requestId: string): ProblemDocument {
  if (!isProblem(error)) return document({ code: 'INTERNAL' }, requestId);
  return document(error, requestId, error instanceof Problem ? error.status : undefined);
}

/** The document of a refusal as the kernel answers it. */
export function document(r: Omit<Refusal, 'details'> & { readonly details?: Json }, requestId: string, status?: number): ProblemDocument {
  const entry: Entry = (problems as Record<string, Entry>)[r.code] ?? { status: 409, title: 'The request was refused', retryable: false };
  return {
    type: `urn:thrum:error:${r.code}`,
    code: r.code,
    status: status ?? entry.status,
    title: entry.title,
    ...(r.detail === undefined ? {} : { detail: r.detail }),
    instance: `urn:thrum:request:${requestId}`,
    retryable: entry.retryable,
    ...(r.retryAfterMs === undefined ? {} : { retryAfterMs: r.retryAfterMs }),
    ...(r.details === undefined ? {} : { details: r.details }),
  };
}
