import { pino } from 'pino';
import type { DestinationStream, Logger } from 'pino';

const SECRET = [
  'authorization',
  'cookie',
  '["set-cookie"]',
  'password',
  'token',
  'accessToken',
  'refreshToken',
  'secret',
  'email',
  'notes',
  'payload',
];

/** JSON lines on standard output. Personal data and secrets do not belong in a log; the redaction is the second line of defence. */
export function createLog(level: string, to?: DestinationStream): Logger {
  const below = (prefix: string): string[] => SECRET.map((k) => (k.startsWith('[') ? `${prefix}${k}` : `${prefix}.${k}`));
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: [...SECRET, ...below('*'), ...below('*.*')], censor: '[redacted]' },
    },
    to ?? pino.destination({ fd: 1, sync: true }),
  );
}
