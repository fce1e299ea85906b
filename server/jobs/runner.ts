/** What the runners share: an attempt of a job and its outcome in the table, locks, standing jobs, the end. Who takes which job is theirs. */
import type { Knex } from 'knex';
import { z } from 'zod';
import type { Clock, Log, TimerHandle } from '../../actors/types.ts';
import { attemptsOf, backoffMs } from './backoff.ts';
import { replayDead } from './dead.ts';
import type { Replay } from './dead.ts';
import { JobFailure } from './jobs.ts';
import type { AnyJobKind, NewJob } from './jobs.ts';
import { discardJob, promoteJob } from './operate.ts';
import { again, bury, finish, insertJob, release, renew, takeOver, unstick } from './rows.ts';
import type { Attempt, Claimed } from './rows.ts';

export interface RunnerDeps {
  readonly knex: Knex;
  readonly kinds: readonly AnyJobKind[];
  readonly clock: Clock;
  /** uniform in [0, 1) */
  readonly random: () => number;
  readonly newId: () => string;
  readonly log: Log;
  /** jobs of a queue that run at once; default 4 */
  readonly concurrency?: { readonly [queue: string]: number };
  /** this is the only process on the database: locks of former ones are void at start */
  readonly exclusive?: boolean;
  readonly onOutcome?: (kind: string, outcome: 'done' | 'retried' | 'dead', attempts: number, ms: number) => void;
  readonly pollMs?: number;
  readonly lockMs?: number;
}

/** How an attempt ended, as the table says; `left`: it was given back, or its outcome could not be recorded and its lock will expire. */
export type Outcome =
  | { readonly is: 'done' }
  | { readonly is: 'again'; /** epoch ms */ readonly at: number }
  | { readonly is: 'dead'; readonly code: string }
  | { readonly is: 'left' };

export interface Runner {
  /** of the locks of this process */
  readonly node: string;
  readonly lockMs: number;
  /** queues of the kinds, with the jobs that may run at once */
  readonly queues: ReadonlyMap<string, number>;
  readonly running: boolean;
  enqueue(tx: Knex, job: NewJob): Promise<string | undefined>;
  replay(queue: string, jobId: string, runAt: number): Promise<Replay>;
  discard(queue: string, jobId: string): Promise<boolean>;
  promote(queue: string, jobId: string): Promise<boolean>;
  /** One attempt of a job that was claimed for {@link Runner.node}; a runner that stops gives the job back instead. Does not reject. */
  perform(job: Claimed): Promise<Outcome>;
  /** The runner has stopped only when this has ended. */
  asked<T>(question: Promise<T>): Promise<T>;
  /** Calls `fn` every `ms` until the runner stops; a round begins only when the one before has ended. */
  cycle(ms: number, fn: () => Promise<void>): void;
  start(): Promise<void>;
  drain(ms: number): Promise<void>;
  stop(): Promise<void>;
}

interface Running {
  readonly abort: AbortController;
  readonly done: Promise<Outcome>;
}

const UNSTICK_MS = 5_000;

/** @param freed called with the queue of a job whose runner had died and that may run again */
export function createRunner(deps: RunnerDeps, freed: (queue: string) => void): Runner {
  const { knex, clock, log } = deps;
  const node = deps.newId();
  const lockMs = deps.lockMs ?? 30_000;
  const kinds = new Map(deps.kinds.map((k) => [k.kind, k]));
  const queues = new Map([...new Set(deps.kinds.map((k) => k.queue))].map((q) => [q, deps.concurrency?.[q] ?? 4]));
  const running = new Map<string, Running>();
  let state: 'idle' | 'running' | 'draining' = 'idle';
  const timers = new Set<TimerHandle>();
  /** questions to the database under way */
  const asking = new Set<Promise<unknown>>();

  function asked<T>(question: Promise<T>): Promise<T> {
    asking.add(question);
    return question.finally(() => asking.delete(question));
  }

  const enqueue = async (tx: Knex, job: NewJob): Promise<string | undefined> => {
    const kind = kinds.get(job.kind);
    const now = clock.wall();
    const jobId = deps.newId();
    const row = {
      jobId,
      queue: job.queue,
      kind: job.kind,
      payload: job.payload,
      dedupeKey: job.dedupeKey,
      runAt: job.runAt ?? now,
      now,
      attempts: job.attempts ?? (kind === undefined ? 8 : attemptsOf(kind)),
      priority: job.priority ?? 0,
    };
    return (await insertJob(tx, row)) ? jobId : undefined;
  };

  function perform(job: Claimed): Promise<Outcome> {
    // it was taken while the runner was told to stop: nobody would wait for it
    if (state !== 'running') return asked(giveBack([job.job_id]).then(() => ({ is: 'left' }) as const));
    const abort = new AbortController();
    const done = performed(job, abort).finally(() => running.delete(job.job_id));
    running.set(job.job_id, { abort, done });
    return done;
  }

  async function performed(job: Claimed, abort: AbortController): Promise<Outcome> {
    const started = clock.mono();
    const kind = kinds.get(job.kind);
    const broken = await attempt(kind, job, abort).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    // an abort by drain has already given the job back
    if (broken !== undefined && state !== 'running' && abort.signal.aborted) return { is: 'left' };
    const ms = clock.mono() - started;
    const outcome = broken === undefined ? succeeded(kind, job, ms) : failed(kind, job, broken.error, Math.round(ms));
    return outcome.catch((err: unknown): Outcome => {
      log.error({ err, jobId: job.job_id, kind: job.kind }, 'the outcome of a job cannot be recorded; its lock will expire');
      return { is: 'left' };
    });
  }

  async function succeeded(kind: AnyJobKind | undefined, job: Claimed, ms: number): Promise<Outcome> {
    const at = clock.wall() + (kind?.every ?? 0);
    if (kind?.every === undefined) await finish(knex, job.job_id, node, at);
    else await again(knex, { jobId: job.job_id, node, runAt: at, attempts: 0, standing: true });
    deps.onOutcome?.(job.kind, 'done', job.attempts, ms);
    return kind?.every === undefined ? { is: 'done' } : { is: 'again', at };
  }

  async function attempt(kind: AnyJobKind | undefined, job: Claimed, abort: AbortController): Promise<void> {
    if (kind === undefined) throw new JobFailure('UNKNOWN_KIND', `no handler for ${job.kind}`, { retryable: false });
    const payload: unknown = parsed(kind, job.payload);
    const ms = kind.timeout ?? 60_000;
    let timer: TimerHandle | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = clock.setTimer(ms, () => {
        reject(new JobFailure('TIMEOUT', `no result within ${ms} ms`));
        abort.abort();
      });
      abort.signal.addEventListener('abort', () => reject(new JobFailure('ABORTED', 'the job was aborted')), { once: true });
    });
    try {
      const run = kind.run({ jobId: job.job_id, payload, attempt: job.attempts, signal: abort.signal, log });
      await Promise.race([run, late]);
    } finally {
      if (timer !== undefined) clock.clearTimer(timer);
    }
  }

  async function failed(kind: AnyJobKind | undefined, job: Claimed, error: unknown, durationMs: number): Promise<Outcome> {
    const now = clock.wall();
    const failure =
      error instanceof JobFailure
        ? error
        : new JobFailure('FAILED', error instanceof Error ? error.message : String(error), { cause: error });
    const noted: Attempt = { at: now, code: failure.code, message: failure.message, durationMs };
    const base = { jobId: job.job_id, node };
    const about = { err: error, jobId: job.job_id, kind: job.kind, attempt: job.attempts };
    if (kind?.every !== undefined) {
      log.warn(about, 'a standing job failed');
      await again(knex, { ...base, runAt: now + kind.every, error: noted, attempts: 0, standing: true });
      return { is: 'again', at: now + kind.every };
    }
    const attempts = failure.counts ? job.attempts : job.attempts - 1;
    if (!failure.retryable || attempts >= job.max_attempts) {
      log.error(about, 'a job is dead');
      await bury(knex, { ...base, now, reason: failure.retryable ? 'max_attempts' : 'non_retryable', error: noted });
      deps.onOutcome?.(job.kind, 'dead', attempts, durationMs);
      return { is: 'dead', code: failure.code };
    }
    const wait = failure.retryAfterMs ?? backoffMs(kind?.backoff, Math.max(1, attempts), deps.random());
    log.debug({ ...about, wait }, 'a job will be tried again');
    await again(knex, { ...base, runAt: now + wait, attempts, ...(failure.counts ? { error: noted } : {}) });
    deps.onOutcome?.(job.kind, 'retried', attempts, durationMs);
    return { is: 'again', at: now + wait };
  }

  function cycle(ms: number, fn: () => Promise<void>): void {
    const handle = clock.setTimer(ms, () => {
      timers.delete(handle);
      void asked(round(ms, fn));
    });
    timers.add(handle);
  }

  async function round(ms: number, fn: () => Promise<void>): Promise<void> {
    try {
      await fn();
    } catch (error) {
      log.warn({ err: error }, 'a round of the job runner failed');
    }
    if (state === 'running') cycle(ms, fn);
  }

  async function keepLocks(): Promise<void> {
    const held = new Map(running);
    if (held.size === 0) return;
    const ours = await renew(knex, [...held.keys()], node, clock.wall() + lockMs);
    // by now another run of the same job may be ours
    for (const [id, { abort }] of held) if (!ours.has(id)) abort.abort();
  }

  /** The attempts do not count. */
  async function giveBack(jobIds: readonly string[]): Promise<void> {
    try {
      await release(knex, jobIds, node);
    } catch (err) {
      log.warn({ err, jobs: jobIds.length }, 'jobs cannot be given back; their locks will expire');
    }
  }

  async function sweep(): Promise<void> {
    for (const job of await unstick(knex, clock.wall())) {
      if (job.status === 'dead') log.error({ queue: job.queue }, 'a job lost its runner three times and is dead');
      else freed(job.queue);
    }
  }

  async function drain(ms: number): Promise<void> {
    state = 'draining';
    for (const t of timers) clock.clearTimer(t);
    timers.clear();
    if (ms > 0) {
      let timer: TimerHandle | undefined;
      const patience = new Promise<void>((resolve) => {
        timer = clock.setTimer(ms, resolve);
      });
      await Promise.race([Promise.allSettled([...running.values()].map((r) => r.done)), patience]);
      if (timer !== undefined) clock.clearTimer(timer);
    }
    const left = [...running.entries()];
    if (left.length === 0) return;
    await giveBack(left.map(([id]) => id));
    for (const [, r] of left) r.abort.abort();
    await Promise.allSettled(left.map(([, r]) => r.done));
  }

  return {
    node,
    lockMs,
    queues,
    get running() {
      return state === 'running';
    },
    enqueue,
    replay: (queue, jobId, runAt) => replayDead(knex, { queue, jobId, newId: deps.newId(), runAt, now: clock.wall() }),
    discard: (queue, jobId) => discardJob(knex, { queue, jobId, now: clock.wall() }),
    promote: (queue, jobId) => promoteJob(knex, { queue, jobId, now: clock.wall() }),
    perform,
    asked,
    cycle,
    async start() {
      state = 'running';
      if (deps.exclusive === true) await takeOver(knex, node, clock.wall());
      for (const kind of deps.kinds) {
        if (kind.every !== undefined)
          await enqueue(knex, { queue: kind.queue, kind: kind.kind, payload: {}, dedupeKey: `standing:${kind.kind}` });
      }
      cycle(lockMs / 3, keepLocks);
      cycle(Math.min(UNSTICK_MS, lockMs / 3), sweep);
    },
    drain,
    async stop() {
      if (state === 'running') await drain(0);
      state = 'idle';
      while (asking.size > 0) await Promise.allSettled(asking);
    },
  };
}

function parsed(kind: AnyJobKind, payload: unknown): unknown {
  const result = kind.payload.safeParse(payload);
  if (result.success) return result.data;
  throw new JobFailure('BAD_PAYLOAD', z.prettifyError(result.error), { retryable: false });
}
