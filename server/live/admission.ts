/** Who may open a socket at all; refusals are HTTP answers to the upgrade (realtime R2, R9, R13). */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock, TimerHandle } from '../../actors/types.ts';
import type { Config } from '../config.ts';
import { clientAddress } from '../http/address.ts';
import { accessCookie, readCookie } from '../identity/cookies.ts';
import { Bucket } from '../limits/limiter.ts';
import type { NewLimiter } from '../limits/limiter.ts';
import type { LoopDelay } from '../observe/loop.ts';
import type { LiveMetrics } from '../observe/metrics.ts';
import { Problem, toProblem } from '../problems.ts';
import type { ProblemDocument } from '../problems.ts';

export interface Admission {
  /** For engine.io's `allowRequest`. */
  readonly allowRequest: (req: IncomingMessage, done: Done) => void;
  opened(address: string): void;
  closed(address: string): void;
  /** Nobody comes in any more, nor do those who wait. */
  drain(): void;
}

type Done = (error: string | null | undefined, ok: boolean) => void;

interface Newcomer {
  readonly req: IncomingMessage;
  readonly done: Done;
  readonly address: string;
  /** mono ms at which his patience ends */
  readonly until: number;
}

/**
 * Newcomers are let in a few at a time, once in this time or once in a turn of the event loop, whichever is longer: a loop that turns slowly lets in
 * fewer. While it is late, it is a quarter of them.
 */
const TURN_MS = 20;
/** those for whom there is no room come back after 1 to 5 s */
const AGAIN_MS = [1_000, 4_000] as const;

/**
 * Over the rate of the node newcomers wait in a row, and are refused when the row is longer than what the rate lets in while they would wait. A browser
 * cannot read the answer to a refused upgrade, nor when to come back; so who comes after a node was lost is better held than sent away.
 */
export function createAdmission(o: {
  config: Config;
  clock: Clock;
  random: () => number;
  newId: () => string;
  loop: LoopDelay;
  newLimiter: NewLimiter;
  metrics: Pick<LiveMetrics, 'handshakes' | 'waiting'>;
}): Admission {
  const { config, clock, metrics } = o;
  const open = new Map<string, number>();
  const perMinute = config.connectsPerMinute;
  const accepts = o.newLimiter('connects', { perSecond: perMinute / 60, burst: Math.max(1, Math.ceil(perMinute / 2)) });
  const burst = config.connectsPerSecond * 2;
  const node = new Bucket({ perSecond: config.connectsPerSecond, burst }, clock.mono());
  const perTurn = Math.max(1, Math.ceil((burst * TURN_MS) / 1_000));
  const room = (config.connectsPerSecond * config.connectWaitMs) / 1_000;
  const cookie = accessCookie(config.publicUrl);
  const waiting = new Set<Newcomer>();
  let timer: TimerHandle | undefined;
  let turn = { at: Number.NEGATIVE_INFINITY, left: 0 };
  let draining = false;

  const overloaded = (): Problem => {
    const [least, more] = AGAIN_MS;
    return new Problem('OVERLOADED', 'too many new connections', undefined, { retryAfterMs: least + Math.floor(o.random() * more) });
  };
  const crowded = (address: string): Problem | undefined =>
    (open.get(address) ?? 0) < config.connectionsPerAddress
      ? undefined
      : new Problem('RATE_LIMITED', 'too many connections from this address', undefined, { retryAfterMs: 10_000 });

  const refusal = (req: IncomingMessage, address: string): Problem | undefined => {
    if (draining) return new Problem('DRAINING', undefined, undefined, { retryAfterMs: 2_000 });
    const { origin } = req.headers;
    const foreign = origin !== undefined && !config.allowedOrigins.includes(origin);
    if (foreign && readCookie(req.headers.cookie, cookie) !== undefined) return new Problem('ORIGIN_DENIED');
    const full = crowded(address);
    if (full !== undefined) return full;
    const accept = accepts.take(address);
    return accept.ok ? undefined : new Problem('RATE_LIMITED', 'too many new connections from this address', undefined, accept);
  };

  function refuse({ req, done }: Pick<Newcomer, 'req' | 'done'>, problem: Problem): void {
    metrics.handshakes.inc({ result: problem.code });
    answer(req.socket, toProblem(problem, o.newId()), () => done(problem.code, false));
  }

  /** Whether one more may come in during this turn. */
  function enter(now: number): boolean {
    if (now - turn.at >= TURN_MS) turn = { at: now, left: o.loop.p99() > config.loopDelayMs ? Math.ceil(perTurn / 4) : perTurn };
    if (turn.left === 0 || !node.take(now).ok) return false;
    turn.left -= 1;
    return true;
  }

  function letIn(): void {
    timer = undefined;
    const now = clock.mono();
    for (const newcomer of waiting) {
      const problem = now > newcomer.until ? overloaded() : crowded(newcomer.address);
      if (problem === undefined && !enter(now)) break;
      waiting.delete(newcomer);
      if (problem === undefined) newcomer.done(null, true);
      else refuse(newcomer, problem);
    }
    arm();
  }

  function arm(): void {
    metrics.waiting.set(waiting.size);
    if (waiting.size > 0) timer ??= clock.setTimer(TURN_MS, letIn);
  }

  return {
    allowRequest(req, done) {
      const address = clientAddress(req, config.trustedProxies);
      const problem = refusal(req, address);
      const now = clock.mono();
      if (problem !== undefined) refuse({ req, done }, problem);
      else if (waiting.size === 0 && enter(now)) done(null, true);
      else if (waiting.size >= room) refuse({ req, done }, overloaded());
      else {
        // nobody else listens to it yet
        req.socket.on('error', () => undefined);
        waiting.add({ req, done, address, until: now + config.connectWaitMs });
        arm();
      }
    },
    opened: (address) => void open.set(address, (open.get(address) ?? 0) + 1),
    closed(address) {
      const left = (open.get(address) ?? 1) - 1;
      if (left > 0) open.set(address, left);
      else open.delete(address);
    },
    drain() {
      draining = true;
      if (timer !== undefined) clock.clearTimer(timer);
      for (const newcomer of waiting) refuse(newcomer, new Problem('DRAINING', undefined, undefined, { retryAfterMs: 2_000 }));
      waiting.clear();
      metrics.waiting.set(0);
    },
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
