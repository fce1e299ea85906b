import type { Server as HttpServer } from 'node:http';
import type { Registry } from 'prom-client';
import type { z } from 'zod';
import type { ActorSystem } from '../../actors/system.ts';
import type { Clock, Log } from '../../actors/types.ts';
import type { Settler } from '../booking/settle.ts';
import type { Config } from '../config.ts';
import { jsonFault } from '../http/body.ts';
import type { Identity } from '../identity/identity.ts';
import type { NewId } from '../ids.ts';
import type { InspectorFeed } from '../inspector/feed.ts';
import type { Limiter, NewLimiter, Verdict } from '../limits/limiter.ts';
import type { LoopDelay } from '../observe/loop.ts';
import type { LiveMetrics } from '../observe/metrics.ts';
import { invalid, Problem } from '../problems.ts';
import type { ProblemDocument } from '../problems.ts';
import type { LiveSocket } from './connection.ts';
import type { CongestionWatch } from './congestion.ts';
import type { Rates } from './limits.ts';
import type { Presence } from './presence.ts';
import type { Bye } from './outgoing.ts';
import type { Rights } from './rights.ts';
import type { NodeAdapter } from './adapter.ts';
import type { TopicSource } from './computed.ts';
import type { coalescedSlices } from './slices.ts';

export interface GatewayDeps {
  readonly http: HttpServer;
  readonly config: Config;
  readonly actors: Pick<ActorSystem, 'ask' | 'read'>;
  readonly topics: TopicSource;
  readonly identity: Identity;
  readonly clock: Clock;
  readonly random: () => number;
  readonly presence: Presence;
  /** hears of actors that have changed */
  readonly settler: Pick<Settler, 'changed'>;
  readonly newLimiter: NewLimiter;
  readonly loop: LoopDelay;
  readonly newId: NewId;
  /** name of this node in `hello` */
  readonly node: string;
  readonly log: Log;
  readonly registry: Registry;
  /** the live feed of the inspector */
  readonly inspector: InspectorFeed;
  /** absent on a single node */
  readonly nodes?: NodeAdapter | undefined;
}

/** What the handlers of single messages share. */
export interface LiveContext extends Omit<GatewayDeps, 'http' | 'loop'> {
  /** what is under way to one topic of one socket, by both */
  readonly turns: Map<string, Promise<unknown>>;
  readonly slices: ReturnType<typeof coalescedSlices>;
  readonly metrics: LiveMetrics;
  readonly rates: Rates;
  readonly congestion: CongestionWatch;
  readonly rights: Rights;
  /** commands of one user over all sockets */
  readonly perUser: Limiter;
  problem(error: unknown): ProblemDocument;
  /** over the limit of sockets of one user the one that was idle longest goes */
  makeRoom(userId: string): void;
  bye(socket: LiveSocket, bye: Omit<Bye, 'retry'>): void;
}

/** @throws Problem RATE_LIMITED */
export function limited(verdict: Verdict): void {
  if (!verdict.ok) throw new Problem('RATE_LIMITED', undefined, undefined, verdict);
}

/** Reads a message. Ten of a wrong shape in a minute end the connection. @throws Problem VALIDATION */
export function parse<S extends z.ZodType>(x: LiveContext, socket: LiveSocket, schema: S, payload: unknown): z.output<S> {
  const result = schema.safeParse(payload);
  const fault = result.success ? jsonFault(payload, x.config) : undefined;
  if (result.success && fault === undefined) return result.data;
  countMalformed(x, socket);
  if (result.success) throw invalid([{ path: '', message: fault ?? 'malformed' }]);
  throw invalid(result.error.issues.map((i) => ({ path: i.path.map(String).join('.'), message: i.message })));
}

export function countMalformed(x: LiveContext, socket: LiveSocket): void {
  const verdict = socket.data.connection.limits.take('malformed', x.clock.mono());
  if (!verdict.ok) x.bye(socket, { code: 'RATE_LIMITED', retryAfterMs: verdict.retryAfterMs });
}
