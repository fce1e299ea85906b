/** `/healthz` and `/readyz`. */
import type { Clock, Json, TimerHandle } from '../../actors/types.ts';
import { Problem } from '../problems.ts';

export type Durability = 'power' | 'process' | 'none';

/** What an operator must know about the durability class (kernel 7.7). */
export const durabilityText: { readonly [D in Durability]: string } = {
  power: 'acknowledged commands survive a crash of the server and a loss of power',
  process: 'acknowledged commands survive a crash of the server, but not a loss of power: the embedded database does not sync to disk',
  none: 'nothing survives the end of the process: the store is in memory',
};

interface CheckResult {
  readonly status: 'up' | 'down';
  readonly ms: number;
}

export type Check = () => Promise<unknown>;

const LIMIT_MS = 500;
const CACHE_MS = 1_000;

export interface Health {
  /** `advisory`: it is shown, but the server is ready without it. */
  add(name: string, check: Check, o?: { readonly advisory?: boolean }): void;
  /** From now on `/readyz` says 503 `DRAINING`. */
  drain(): void;
  readonly draining: boolean;
  live(): { status: 'ok'; uptimeS: number; version: string };
  /** @throws Problem NOT_READY or DRAINING with the checks in details */
  ready(): Promise<{
    status: 'ready';
    durability: Durability;
    durabilityText: string;
    relaxed: readonly string[];
    checks: Record<string, CheckResult>;
  }>;
}

/** @param o.relaxed kinds whose last commits may be lost when the database crashes */
export function createHealth(o: { clock: Clock; durability: Durability; relaxed: readonly string[]; version: string }): Health {
  const checks = new Map<string, Check>();
  const advisory = new Set<string>();
  const started = o.clock.mono();
  let draining = false;
  let cached: { at: number; result: Promise<Record<string, CheckResult>> } | undefined;

  const runAll = async (): Promise<Record<string, CheckResult>> => {
    const entries = await Promise.all([...checks].map(async ([name, check]) => [name, await runOne(o.clock, check)] as const));
    return Object.fromEntries(entries);
  };

  return {
    add(name, check, { advisory: only = false } = {}) {
      checks.set(name, check);
      if (only) advisory.add(name);
    },
    drain: () => void (draining = true),
    get draining() {
      return draining;
    },
    live: () => ({ status: 'ok', uptimeS: Math.floor((o.clock.mono() - started) / 1_000), version: o.version }),
    async ready() {
      const now = o.clock.mono();
      if (cached === undefined || now - cached.at >= CACHE_MS) cached = { at: now, result: runAll() };
      const results = await cached.result;
      const facts = { durability: o.durability, durabilityText: durabilityText[o.durability], relaxed: o.relaxed, checks: results };
      const details = facts as unknown as { [key: string]: Json };
      if (draining) throw new Problem('DRAINING', undefined, { ...details, draining: true });
      const down = Object.keys(results).filter((name) => results[name]?.status === 'down' && !advisory.has(name));
      if (down.length > 0) throw new Problem('NOT_READY', `down: ${down.join(', ')}`, details);
      return { status: 'ready', ...facts };
    },
  };
}

async function runOne(clock: Clock, check: Check): Promise<CheckResult> {
  const started = clock.mono();
  let timer: TimerHandle | undefined;
  const late = new Promise<'down'>((resolve) => {
    timer = clock.setTimer(LIMIT_MS, () => resolve('down'));
  });
  const attempt = async (): Promise<'up' | 'down'> => {
    try {
      await check();
      return 'up';
    } catch {
      return 'down';
    }
  };
  const status = await Promise.race([attempt(), late]);
  if (timer !== undefined) clock.clearTimer(timer);
  return { status, ms: Math.round((clock.mono() - started) * 10) / 10 };
}
