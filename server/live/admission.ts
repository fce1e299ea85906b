/** Who may open a socket at all; refusals are HTTP answers to the upgrade (realtime R2, R9, R13). */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../../actors/types.ts';
import type { Config } from '../config.ts';
import { clientAddress } from '../http/address.ts';
import { accessCookie, readCookie } from '../identity/cookies.ts';
import { Bucket } from '../limits/limiter.ts';
import type { NewLimiter } from '../limits/limiter.ts';
import type { LoopDelay } from '../observe/loop.ts';
import { Problem, toProblem } from '../problems.ts';
import type { ProblemDocument } from '../problems.ts';

export interface Admission {
  /** For engine.io's `allowRequest`. */
  readonly allowRequest: (req: IncomingMessage, done: (error: string | null | undefined, ok: boolean) => void) => void;
  opened(address: string): void;
  closed(address: string): void;
  drain(): void;
}

/** While the event loop is late a storm would make it later; a few people may come all the same. */
const LATE_RATE = { perSecond: 10, burst: 20 };

export function createAdmission(o: {
  config: Config;
  clock: Clock;
  newId: () => string;
  loop: LoopDelay;
  newLimiter: NewLimiter;
  refused: (code: string) => void;
}): Admission {
  const { config, clock } = o;
  const open = new Map<string, number>();
  const perMinute = config.connectsPerMinute;
  const accepts = o.newLimiter('connects', { perSecond: perMinute / 60, burst: Math.max(1, Math.ceil(perMinute / 2)) });
  const node = new Bucket({ perSecond: config.connectsPerSecond, burst: config.connectsPerSecond * 2 }, clock.mono());
  const late = new Bucket(LATE_RATE, clock.mono());
  const cookie = accessCookie(config.publicUrl);
  let draining = false;

  const refusal = (req: IncomingMessage): Problem | undefined => {
    if (draining) return new Problem('DRAINING', undefined, undefined, { retryAfterMs: 2_000 });
    const { origin } = req.headers;
    const foreign = origin !== undefined && !config.allowedOrigins.includes(origin);
    if (foreign && readCookie(req.headers.cookie, cookie) !== undefined) return new Problem('ORIGIN_DENIED');
    const address = clientAddress(req, config.trustedProxies);
    if ((open.get(address) ?? 0) >= config.connectionsPerAddress) {
      return new Problem('RATE_LIMITED', 'too many connections from this address', undefined, { retryAfterMs: 10_000 });
    }
    const accept = accepts.take(address);
    if (!accept.ok) return new Problem('RATE_LIMITED', 'too many new connections from this address', undefined, accept);
    const now = clock.mono();
    const few = late.take(now);
    const all = few.ok || o.loop.p99() <= config.loopDelayMs ? node.take(now) : few;
    if (!all.ok)
      return new Problem('OVERLOADED', 'too many new connections', undefined, { retryAfterMs: Math.max(1_000, all.retryAfterMs) });
    return undefined;
  };

  return {
    allowRequest(req, done) {
      const problem = refusal(req);
      if (problem === undefined) {
        done(null, true);
        return;
      }
      o.refused(problem.code);
      answer(req.socket, toProblem(problem, o.newId()), () => done(problem.code, false));
    },
    opened: (address) => void open.set(address, (open.get(address) ?? 0) + 1),
    closed(address) {
      const left = (open.get(address) ?? 1) - 1;
      if (left > 0) open.set(address, left);
      else open.delete(address);
    },
    drain: () => void (draining = true),
  };
}

const REASONS: { readonly [status: number]: string } = { 403: 'Forbidden', 429: 'Too Many Requests', 503: 'Service Unavailable' };

/** Engine.io refuses every upgrade with 400; the true status is written first, and its own answer then finds the socket ended. */
function answer(socket: Socket, problem: ProblemDocument, then: () => void): void {
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${REASONS[problem.status] ?? 'Refused'}`,
    'Connection: close',
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(problem.retryAfterMs === undefined ? [] : [`Retry-After: ${Math.ceil(problem.retryAfterMs / 1_000)}`]),
  ];
  socket.on('error', () => undefined);
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, then);
}
