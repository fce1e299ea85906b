import type { ProblemCode } from './generated/contract.ts';
import type { Problem } from './protocol.ts';

/** Every code of the server's catalogue, those that only the SDK raises, and any that a newer server may add. */
export type ErrorCode =
  | ProblemCode
  | 'OFFLINE'
  | 'CLOSED'
  | 'ABORTED'
  | 'EXPIRED_OFFLINE'
  | 'OUTBOX_FULL'
  | 'PUSH_UNSUPPORTED'
  | 'PUSH_BLOCKED'
  | 'PUSH_NEEDS_GESTURE'
  | (string & {});

/** The only error that the SDK throws: the server's problem object, or one of its own with the same fields. */
export class ThrumError extends Error {
  declare readonly code: ErrorCode;
  /** HTTP status of the catalogue; 0 when the error arose in the client */
  declare readonly status: number;
  declare readonly detail: string | undefined;
  declare readonly details: unknown;
  /** whether repeating the same request, with the same key, may succeed */
  declare readonly retryable: boolean;
  declare readonly retryAfterMs: number | undefined;
  /** `urn:thrum:request:<id>`; finds the server's log line */
  declare readonly instance: string | undefined;

  constructor(problem: Problem) {
    super(problem.detail ?? problem.title ?? problem.code);
    Object.assign(this, { status: 0, retryable: false }, problem, { name: 'ThrumError' });
  }
}
