import { pino } from 'pino';
import type { DestinationStream, Logger } from 'pino';

const SECRET = new Set([
  'authorization',
  'cookie',
  'set-cookie',
  'password',
  'passwordHash',
  'password_hash',
  'token',
  'accessToken',
  'refreshToken',
  'secret',
  'email',
  'notes',
  'payload',
]);
const DEPTH = 4;

/** The same object when it holds nothing secret, else a copy. Only plain objects and arrays are looked into. */
function redacted(fields: object, depth = 0): object {
  let copy: Record<string, unknown> | undefined;
  for (const key of Object.keys(fields)) {
    const value = (fields as Record<string, unknown>)[key];
    let safe = value;
    if (SECRET.has(key)) safe = '[redacted]';
    else if (typeof value === 'object' && value !== null && !(value instanceof Error))
      safe = depth < DEPTH ? redacted(value, depth + 1) : '[deep]';
    if (safe === value) continue;
    copy ??= (Array.isArray(fields) ? [...fields] : { ...fields }) as Record<string, unknown>;
    copy[key] = safe;
  }
  return copy ?? fields;
}

/**
 * JSON lines on standard output. Personal data and secrets do not belong in a log; the redaction by name, at any depth, is the second line of
 * defence. It is our own because the logger's, with wildcards, took a twentieth of the time of a request.
 */
export function createLog(level: string, to?: DestinationStream): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: (fields) => redacted(fields) as Record<string, unknown> },
    },
    to ?? pino.destination({ fd: 1, sync: true }),
  );
}
