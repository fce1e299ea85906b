import type { Config } from '../config.ts';
import { Bucket } from '../limits/limiter.ts';
import type { Verdict } from '../limits/limiter.ts';

/** What one connection may do (realtime R9). */
export interface ConnectionLimits {
  readonly sub: Bucket;
  readonly cmd: Bucket;
  readonly auth: Bucket;
  readonly pos: Bucket;
  readonly bytes: Bucket;
  readonly malformed: Bucket;
}

export const MOST_IN_FLIGHT = 64;

export function connectionLimits(config: Config, now: number): ConnectionLimits {
  const bucket = (perSecond: number, burst: number): Bucket => new Bucket({ perSecond, burst }, now);
  return {
    sub: bucket(50, 512),
    cmd: bucket(config.commandsPerSecond, config.commandsPerSecond * 2),
    auth: bucket(0.1, 6),
    pos: bucket(0.1, 2),
    bytes: bucket(262_144, 1_048_576),
    malformed: bucket(10 / 60, 10),
  };
}

export const both = (a: Verdict, b: () => Verdict): Verdict => (a.ok ? b() : a);
