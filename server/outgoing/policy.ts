/**
 * How calls to other systems are made (readings 4.2), outermost first: a bulkhead, retries with a budget, the circuit, a time-out for each try.
 * The reason for own code, and not cockatiel, is ADR 26.
 */
import { counted, totalOf } from '../../calc/breaker/window.ts';
import type { Buckets, Window } from '../../calc/breaker/window.ts';
import type { Clock } from '../../actors/types.ts';
import { Problem } from '../problems.ts';
import type { Circuit } from './circuit.ts';

/** What a result says about the dependency. `again`: another try may help; `afterMs`: as it asked for. */
export type Judgement = 'ok' | 'ignored' | { readonly failed: true; readonly again: boolean; readonly afterMs?: number };

export interface Call<T> {
  readonly signal: AbortSignal;
  /** @param signal aborted with the caller's, and at the time-out */
  run(signal: AbortSignal): Promise<T>;
  judge(result: T): Judgement;
  /** default: a failure after which another try may help */
  judgeError?(error: unknown): Judgement;
}

export interface Policy {
  /**
   * The result of the last try, whatever its judgement, or its error.
   *
   * @throws Problem `CIRCUIT_OPEN` with the time to wait, or `REMOTE_SATURATED`; neither has called anybody
   */
  call<T>(c: Call<T>): Promise<T>;
}

export interface PolicyOptions {
  readonly circuit: Circuit;
  readonly clock: Clock;
  /** uniform in [0, 1) */
  readonly random: () => number;
  /** of one try */
  readonly timeoutMs: number;
  /** tries after the first; default none */
  readonly retries?: number;
}

const ACTIVE = 20;
const WAITING = 50;
/** least and most wait before the second, the third … try, ms */
const WAITS = [
  [100, 400],
  [300, 1_200],
] as const;
const MOST_ASKED_MS = 2_000;
/** retries per request over a minute, beside a few that are always allowed */
const BUDGET = 0.2;
const ALWAYS = 3;
const minute: Window = { windowMs: 60_000 };

export function createPolicy(o: PolicyOptions): Policy {
  const { circuit, clock } = o;
  /** requests, and retries as their failures */
  let spent: Buckets = {};
  let active = 0;
  const waiting: (() => void)[] = [];

  async function enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (active < ACTIVE) {
      active += 1;
      return;
    }
    if (waiting.length >= WAITING) throw new Problem('REMOTE_SATURATED');
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        waiting.splice(waiting.indexOf(go), 1);
        reject(signal.reason as Error);
      };
      const go = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      signal.addEventListener('abort', leave, { once: true });
      waiting.push(go);
    });
  }

  /** The place of a call that has ended goes to the one that has waited longest. */
  function leave(): void {
    const next = waiting.shift();
    if (next === undefined) active -= 1;
    else next();
  }

  function mayRetry(): boolean {
    const { calls, failures } = totalOf(spent, minute, clock.mono());
    if (failures >= ALWAYS && failures + 1 > calls * BUDGET) return false;
    spent = counted(spent, minute, clock.mono(), { calls: 0, failures: 1, slow: 0 });
    return true;
  }

  const pause = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const over = (): void => {
        clock.clearTimer(timer);
        reject(signal.reason as Error);
      };
      const timer = clock.setTimer(ms, () => {
        signal.removeEventListener('abort', over);
        resolve();
      });
      signal.addEventListener('abort', over, { once: true });
    });

  /** One try within its time; a function that does not heed its signal is left alone. */
  async function within<T>(c: Call<T>): Promise<T> {
    const late = new AbortController();
    const signal = AbortSignal.any([c.signal, late.signal]);
    const timer = clock.setTimer(o.timeoutMs, () => late.abort(new Error(`no answer within ${o.timeoutMs} ms`)));
    try {
      return await Promise.race([c.run(signal), aborted(signal)]);
    } finally {
      clock.clearTimer(timer);
    }
  }

  /** One sample of the circuit. */
  async function attempt<T>(c: Call<T>): Promise<{ judged: Judgement; value: T } | { judged: Judgement; error: unknown }> {
    const leave = circuit.admit();
    if (!leave.ok) throw new Problem('CIRCUIT_OPEN', undefined, undefined, { retryAfterMs: leave.retryAfterMs });
    const began = clock.mono();
    let judged: Judgement = 'ignored';
    try {
      const value = await within(c);
      judged = c.judge(value);
      return { judged, value };
    } catch (error) {
      if (!c.signal.aborted) judged = c.judgeError?.(error) ?? { failed: true, again: true };
      return { judged, error };
    } finally {
      circuit.settle(leave, typeof judged === 'string' ? judged : 'failed', clock.mono() - began);
    }
  }

  async function tried<T>(c: Call<T>): Promise<T> {
    for (let n = 0; ; n += 1) {
      const outcome = await attempt(c);
      const { judged } = outcome;
      const wait = typeof judged === 'string' || !judged.again || n >= (o.retries ?? 0) ? undefined : waitOf(n, judged.afterMs);
      if (wait === undefined || !mayRetry()) {
        if ('error' in outcome) throw outcome.error;
        return outcome.value;
      }
      await pause(wait, c.signal);
    }
  }

  /** Before the next try; undefined when the dependency asks for more patience than a call has. */
  function waitOf(n: number, askedMs = 0): number | undefined {
    const [least, most] = WAITS[Math.min(n, WAITS.length - 1)] ?? [0, 0];
    return askedMs > MOST_ASKED_MS ? undefined : Math.max(askedMs, least + (most - least) * o.random());
  }

  return {
    async call(c) {
      await enter(c.signal);
      try {
        spent = counted(spent, minute, clock.mono(), { calls: 1, failures: 0, slow: 0 });
        return await tried(c);
      } finally {
        leave();
      }
    },
  };
}

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }));
