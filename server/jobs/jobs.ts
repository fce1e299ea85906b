/**
 * Background jobs. To enqueue is to insert a row of table `jobs` in the caller's transaction, so a job exists if and only if the change that
 * wanted it does; a `job` action of a machine is such a row too (kernel 8.2). Handlers run at least once and must be idempotent.
 */
import type { Knex } from 'knex';
import type { z } from 'zod';
import type { Log } from '../../actors/types.ts';
import type { Replay } from './dead.ts';
import type { QueuePause } from './operate.ts';

export interface NewJob {
  readonly queue: string;
  readonly kind: string;
  /** ids, not data: payloads are kept with the record of the job */
  readonly payload: object;
  /** unique among unfinished jobs; a second one is a no-op */
  readonly dedupeKey?: string;
  /** epoch ms; default at once */
  readonly runAt?: number;
  /** tries before the job is dead; default that of its kind */
  readonly attempts?: number;
  /** higher goes first; default 0 */
  readonly priority?: number;
}

export interface JobContext<P> {
  readonly jobId: string;
  readonly payload: P;
  /** 1 for the first */
  readonly attempt: number;
  /** aborted at the time-out, when the lock is lost, and when the runner stops */
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** Waiting time before the next attempt, ms: exponential, or listed by attempt. Both are spread by `jitter`. */
export type Backoff =
  | { readonly base: number; readonly cap: number; readonly jitter?: number }
  | { readonly delays: readonly number[]; readonly jitter?: number };

/** What a job of this kind is and does. */
export interface JobKind<P = unknown> {
  readonly queue: string;
  readonly kind: string;
  readonly payload: z.ZodType<P>;
  readonly run: (c: JobContext<P>) => Promise<void>;
  /** default 8 */
  readonly attempts?: number;
  /** default base 2 s, cap 1 h, jitter 0.2 */
  readonly backoff?: Backoff;
  /** ms of one attempt; default 60,000 */
  readonly timeout?: number;
  /** a standing job: runs every so many ms whether it succeeds or not, one row for ever; missed runs are not made up for */
  readonly every?: number;
}

// oxlint-disable-next-line typescript/no-explicit-any -- kinds with different payloads share one table
export type AnyJobKind = JobKind<any>;

export const jobKind = <P>(k: JobKind<P>): JobKind<P> => k;

/** An attempt that failed, with what the runner should know about it. Any other error is retried like `new JobFailure('FAILED', …)`. */
export class JobFailure extends Error {
  readonly code: string;
  readonly retryable: boolean;
  /** instead of the kind's backoff */
  readonly retryAfterMs: number | undefined;
  /** false: the attempt is not counted, it only had to wait */
  readonly counts: boolean;

  constructor(code: string, message: string, o: { retryable?: boolean; retryAfterMs?: number; counts?: boolean; cause?: unknown } = {}) {
    super(message, o.cause === undefined ? undefined : { cause: o.cause });
    this.name = 'JobFailure';
    this.code = code;
    this.retryable = o.retryable ?? true;
    this.retryAfterMs = o.retryAfterMs;
    this.counts = o.counts ?? true;
  }
}

export interface Jobs {
  /**
   * Inserts the job through `tx`. The runner is woken by the caller with {@link Jobs.wake} after its commit, else it finds the job by itself
   * within a second.
   *
   * @returns its id, or undefined when an unfinished job has the same dedupe key
   */
  enqueue(tx: Knex, job: NewJob): Promise<string | undefined>;
  /** There may be work in this queue. */
  wake(queue: string): void;
  /** Queues of the kinds that this process runs. */
  readonly queues: readonly string[];
  /** Does what a dead job could not, as a new job, not before `runAt` (epoch ms). */
  replay(queue: string, jobId: string, runAt: number): Promise<Replay>;
  /** Gives a job up for good that is dead or has not begun; false when there is none, and for standing jobs. */
  discard(queue: string, jobId: string): Promise<boolean>;
  /** Lets a job run now that was not due yet; false when there is none. */
  promote(queue: string, jobId: string): Promise<boolean>;
  /** Nothing of the queue begins any more, at no node; what runs ends. */
  pause(queue: string, by: QueuePause): Promise<void>;
  /** False when it was not stopped. */
  resume(queue: string): Promise<boolean>;
  start(): Promise<void>;
  /** Takes no more jobs and waits at most `ms` for those that run; the rest is aborted and goes back to the queue. */
  drain(ms: number): Promise<void>;
  stop(): Promise<void>;
}
