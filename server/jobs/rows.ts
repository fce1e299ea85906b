/** The statements of the jobs table. */
import type { Knex } from 'knex';
import { isOpen } from './operate.ts';
import { msOf, rowsOf, ts } from './sql.ts';

export interface Claimed {
  readonly job_id: string;
  readonly kind: string;
  readonly payload: unknown;
  readonly attempts: number;
  readonly max_attempts: number;
}

export interface Attempt {
  readonly at: number;
  readonly code: string;
  readonly message: string;
  readonly durationMs: number;
}

export async function insertJob(
  tx: Knex,
  j: {
    jobId: string;
    queue: string;
    kind: string;
    payload: object;
    dedupeKey: string | undefined;
    runAt: number;
    now: number;
    attempts: number;
    priority: number;
  },
): Promise<boolean> {
  const result = await tx.raw(
    `insert into jobs (job_id, queue, kind, dedupe_key, payload, priority, status, max_attempts, run_at, created_at)
     values (?, ?, ?, ?, ?::jsonb, ?, ?, ?, ?, ?) on conflict do nothing returning job_id`,
    [
      j.jobId,
      j.queue,
      j.kind,
      j.dedupeKey ?? null,
      JSON.stringify(j.payload),
      j.priority,
      j.runAt > j.now ? 'delayed' : 'waiting',
      j.attempts,
      ts(j.runAt),
      ts(j.now),
    ],
  );
  return rowsOf(result).length > 0;
}

type Ordered = Claimed & { readonly priority: number; readonly run_at: string };

const taking = `update jobs j set status = 'active', attempts = j.attempts + 1, locked_by = ?, lock_until = ?,
            first_attempt_at = coalesce(j.first_attempt_at, ?), last_attempt_at = ?
       from due where j.job_id = due.job_id
     returning j.job_id, j.kind, j.payload, j.attempts, j.max_attempts, j.priority, j.run_at`;

interface Taker {
  readonly node: string;
  readonly now: number;
  readonly lockMs: number;
}
const takes = (o: Taker): (string | Date)[] => [o.node, ts(o.now + o.lockMs), ts(o.now), ts(o.now)];

/** Takes up to `limit` jobs of a queue that were due at `dueBy`; other runners skip them. */
export async function claim(db: Knex, o: Taker & { queue: string; limit: number; dueBy: number }): Promise<Claimed[]> {
  const result = await db.raw(
    `with due as (
       select job_id from jobs where queue = ? and status in ('waiting', 'delayed') and run_at <= ? and ${isOpen}
        order by priority desc, run_at, job_id limit ? for update skip locked)
     ${taking}`,
    [o.queue, ts(o.dueBy), o.limit, ...takes(o)],
  );
  const order = (r: Ordered): number => new Date(r.run_at).getTime();
  return rowsOf<Ordered>(result).toSorted((a, b) => b.priority - a.priority || order(a) - order(b));
}

/** Takes this one job if it is due and nobody has it. */
export async function claimOne(db: Knex, o: Taker & { jobId: string }): Promise<Claimed | undefined> {
  const result = await db.raw(
    `with due as (
       select job_id from jobs where job_id = ? and status in ('waiting', 'delayed') and run_at <= ? and ${isOpen} for update skip locked)
     ${taking}`,
    [o.jobId, ts(o.now), ...takes(o)],
  );
  return rowsOf<Claimed>(result)[0];
}

/** When it is worth asking for an unfinished job again, epoch ms; undefined when it has ended or is gone. */
export async function readyAt(db: Knex, jobId: string): Promise<number | undefined> {
  const result = await db.raw(
    `select extract(epoch from case when status = 'active' then lock_until else run_at end)::float8 * 1000 as at
       from jobs where job_id = ? and status in ('waiting', 'delayed', 'active')`,
    [jobId],
  );
  return rowsOf<{ at: number }>(result)[0]?.at;
}

export interface Relayed {
  readonly job_id: string;
  readonly queue: string;
  readonly priority: number;
  /** epoch ms */
  readonly at: number;
}

const relayed = `job_id, queue, priority, ${msOf('run_at')} as at`;

/** Jobs that no dispatcher has heard of, those due first. */
export async function unrelayed(db: Knex, queues: readonly string[], limit: number): Promise<Relayed[]> {
  const result = await db.raw(
    `select ${relayed} from jobs where queue = any(?) and status in ('waiting', 'delayed') and relayed_at is null
      order by run_at, priority desc, job_id limit ?`,
    [[...queues], limit],
  );
  return rowsOf(result);
}

/** Jobs that were due at `before` and have not been handed on since: the dispatcher may have forgotten them. */
export async function overdue(db: Knex, queues: readonly string[], before: number, limit: number): Promise<Relayed[]> {
  const result = await db.raw(
    `select ${relayed} from jobs where queue = any(?) and status in ('waiting', 'delayed') and run_at < ? and relayed_at < ? and ${isOpen}
      order by run_at, priority desc, job_id limit ?`,
    [[...queues], ts(before), ts(before), limit],
  );
  return rowsOf(result);
}

export async function markRelayed(db: Knex, jobIds: readonly string[], now: number): Promise<void> {
  await db.raw(`update jobs set relayed_at = ? where job_id = any(?)`, [ts(now), [...jobIds]]);
}

/** Queues that have a due job. */
export async function dueQueues(db: Knex, now: number): Promise<string[]> {
  const result = await db.raw(`select distinct queue from jobs where status in ('waiting', 'delayed') and run_at <= ?`, [ts(now)]);
  return rowsOf<{ queue: string }>(result).map((r) => r.queue);
}

const mine = `where job_id = ? and locked_by = ? and status = 'active'`;

export async function finish(db: Knex, jobId: string, node: string, now: number): Promise<void> {
  await db.raw(`update jobs set status = 'done', finished_at = ?, locked_by = null, lock_until = null ${mine}`, [ts(now), jobId, node]);
}

const noted = `errors = (case when jsonb_array_length(errors) < 5 then errors else errors - 0 end) || ?::jsonb`;
const entry = (a: Attempt): string => JSON.stringify([{ ...a, message: a.message.slice(0, 500) }]);

/** Back to the queue after a failed attempt, or with `standing` after a run of a standing job: the next run has lost no runner yet. */
export async function again(
  db: Knex,
  o: { jobId: string; node: string; runAt: number; error?: Attempt; attempts: number; standing?: boolean },
): Promise<void> {
  const set = [
    `status = 'delayed', run_at = ?, attempts = ?, locked_by = null, lock_until = null`,
    ...(o.standing === true ? ['stalls = 0'] : []),
    ...(o.error === undefined ? [] : [noted]),
  ];
  const values = [ts(o.runAt), o.attempts, ...(o.error === undefined ? [] : [entry(o.error)]), o.jobId, o.node];
  await db.raw(`update jobs set ${set.join(', ')} ${mine}`, values);
}

export async function bury(
  db: Knex,
  o: { jobId: string; node: string; now: number; reason: 'max_attempts' | 'non_retryable'; error: Attempt },
): Promise<void> {
  await db.raw(
    `update jobs set status = 'dead', dead_at = ?, dead_reason = ?, finished_at = ?, locked_by = null, lock_until = null, ${noted} ${mine}`,
    [ts(o.now), o.reason, ts(o.now), entry(o.error), o.jobId, o.node],
  );
}

/** Renews the locks; gives the jobs that are still ours. */
export async function renew(db: Knex, jobIds: readonly string[], node: string, until: number): Promise<Set<string>> {
  const result = await db.raw(
    `update jobs set lock_until = ? where job_id = any(?) and locked_by = ? and status = 'active' returning job_id`,
    [ts(until), [...jobIds], node],
  );
  return new Set(rowsOf<{ job_id: string }>(result).map((r) => r.job_id));
}

/** Gives up jobs that are ours; the attempt does not count. */
export async function release(db: Knex, jobIds: readonly string[], node: string): Promise<void> {
  await db.raw(
    `update jobs set status = 'waiting', attempts = greatest(attempts - 1, 0), locked_by = null, lock_until = null
      where job_id = any(?) and locked_by = ? and status = 'active'`,
    [[...jobIds], node],
  );
}

/** Jobs whose runner has died: back to the queue, dead at the third time. */
export async function unstick(db: Knex, now: number): Promise<{ queue: string; status: string }[]> {
  const result = await db.raw(
    `update jobs set stalls = stalls + 1, locked_by = null, lock_until = null, run_at = ?,
            status = case when stalls >= 2 then 'dead' else 'waiting' end,
            dead_at = case when stalls >= 2 then ?::timestamptz end, dead_reason = case when stalls >= 2 then 'poison' end,
            errors = (case when jsonb_array_length(errors) < 5 then errors else errors - 0 end) || ?::jsonb
      where status = 'active' and lock_until < ? returning queue, status`,
    [ts(now), ts(now), entry({ at: now, code: 'STALLED', message: 'the runner lost its lock', durationMs: 0 }), ts(now)],
  );
  return rowsOf(result);
}

/** Locks of processes that are known to be gone: the only node of a database has just started. The attempts count, no stall is noted. */
export async function takeOver(db: Knex, node: string, now: number): Promise<void> {
  await db.raw(
    `update jobs set status = 'waiting', locked_by = null, lock_until = null, run_at = ? where status = 'active' and locked_by is distinct from ?`,
    [ts(now), node],
  );
}

/** Removes records of finished jobs, at most `limit`; dead ones stay until an operator decides. */
export async function pruneFinished(db: Knex, before: number, limit: number): Promise<number> {
  const result = await db.raw(
    `with old as (select job_id from jobs where status in ('done', 'cancelled') and finished_at < ? limit ?)
     delete from jobs j using old where j.job_id = old.job_id returning 1`,
    [ts(before), limit],
  );
  return rowsOf(result).length;
}

export interface Depth {
  readonly queue: string;
  readonly status: string;
  readonly count: number;
  /** age of the oldest due job, s; 0 where none is due */
  readonly oldestS: number;
}

/** Each part along its index: the done jobs of a week are not looked at. */
export async function depths(db: Knex, now: number): Promise<Depth[]> {
  const result = await db.raw(
    `select queue, status, count(*)::int as count,
            coalesce(extract(epoch from max(case when run_at <= ? then ?::timestamptz - run_at end)), 0)::float8 as "oldestS"
       from (select queue, status, run_at from jobs where status in ('waiting', 'delayed')
             union all select queue, status, run_at from jobs where status = 'active'
             union all select queue, status, run_at from jobs where status = 'dead') j group by queue, status`,
    [ts(now), ts(now)],
  );
  return rowsOf(result);
}
