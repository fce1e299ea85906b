/** Dead jobs and what operators do with them, and the health of queues (booking 18.3). */
import type { Knex } from 'knex';

const rowsOf = <T>(result: unknown): T[] => (result as { rows: T[] }).rows;
const ts = (ms: number): Date => new Date(ms);
const ms = (column: string): string => `extract(epoch from ${column})::float8 * 1000`;

export interface DeadJob {
  readonly jobId: string;
  readonly kind: string;
  readonly attempts: number;
  readonly reason: string;
  /** epoch ms */
  readonly at: number;
  readonly createdAt: number;
  /** the last five attempts */
  readonly errors: readonly { readonly at: number; readonly code: string; readonly message: string; readonly durationMs: number }[];
}

/** Those of a queue, the last dead first. @param before id of the last one of the page before */
export async function deadJobs(db: Knex, o: { queue: string; before?: string | undefined; limit: number }): Promise<DeadJob[]> {
  const older = o.before === undefined ? '' : 'and (dead_at, job_id) < (select dead_at, job_id from jobs where job_id = ?)';
  const result = await db.raw(
    `select job_id as "jobId", kind, attempts, dead_reason as reason, ${ms('dead_at')} as at, ${ms('created_at')} as "createdAt", errors
       from jobs where status = 'dead' and queue = ? ${older} order by dead_at desc, job_id desc limit ?`,
    [o.queue, ...(o.before === undefined ? [] : [o.before]), o.limit],
  );
  return rowsOf(result);
}

export type Replay = { readonly is: 'replayed'; readonly jobId: string } | { readonly is: 'unknown' | 'waiting' };

/**
 * A new job with what a dead one was to do. The dead one is over then and names its successor.
 *
 * @returns `waiting` when an unfinished job has the same dedupe key
 */
export async function replayDead(
  db: Knex,
  o: { queue: string; jobId: string; newId: string; runAt: number; now: number },
): Promise<Replay> {
  return db.transaction(async (tx): Promise<Replay> => {
    const dead = rowsOf(
      await tx.raw(`select 1 from jobs where job_id = ? and queue = ? and status = 'dead' for update`, [o.jobId, o.queue]),
    );
    if (dead.length === 0) return { is: 'unknown' };
    const made = await tx.raw(
      `insert into jobs (job_id, queue, kind, dedupe_key, payload, priority, status, max_attempts, run_at, created_at, replay_of, actor_id, seq)
       select ?, queue, kind, dedupe_key, payload, priority, ?, max_attempts, ?, ?, job_id, actor_id, seq from jobs where job_id = ?
       on conflict do nothing returning 1`,
      [o.newId, o.runAt > o.now ? 'delayed' : 'waiting', ts(o.runAt), ts(o.now), o.jobId],
    );
    if (rowsOf(made).length === 0) return { is: 'waiting' };
    await tx.raw(`update jobs set status = 'cancelled', finished_at = ?, replayed_by = ? where job_id = ?`, [ts(o.now), o.newId, o.jobId]);
    return { is: 'replayed', jobId: o.newId };
  });
}

/** Gives a dead job up for good; false when there is none. Its record goes with those of finished jobs. */
export async function discardDead(db: Knex, o: { queue: string; jobId: string; now: number }): Promise<boolean> {
  const result = await db.raw(
    `update jobs set status = 'cancelled', finished_at = ? where job_id = ? and queue = ? and status = 'dead' returning 1`,
    [ts(o.now), o.jobId, o.queue],
  );
  return rowsOf(result).length > 0;
}

export interface QueueHealth {
  readonly queue: string;
  readonly status: 'green' | 'yellow' | 'red';
  /** due and not begun; `delayed`: not due yet */
  readonly waiting: number;
  readonly delayed: number;
  readonly active: number;
  readonly dead: number;
  /** ages of due jobs, s */
  readonly oldestWaitingAgeS: number;
  readonly waitingAgeP50S: number;
  readonly waitingAgeP95S: number;
  readonly deadOldestAgeS: number;
  /** unfinished jobs whose runner has died before */
  readonly stalled: number;
  /** jobs done a minute, over the last one and the last fifteen; standing jobs are never done */
  readonly perMinute: number;
  readonly perMinute15: number;
}

type Counted = Omit<QueueHealth, 'status' | 'perMinute15'> & { readonly done15: number; readonly deadLately: number };

/** Sorted by name; a queue of `names` without any job is there too. */
export async function queueHealth(db: Knex, names: Iterable<string>, now: number): Promise<QueueHealth[]> {
  const due = `status in ('waiting', 'delayed') and run_at <= ?`;
  const age = `extract(epoch from ?::timestamptz - run_at)::float8`;
  const at = ts(now);
  const result = await db.raw(
    `select queue,
            count(*) filter (where ${due})::int as waiting,
            count(*) filter (where status in ('waiting', 'delayed') and run_at > ?)::int as delayed,
            count(*) filter (where status = 'active')::int as active,
            count(*) filter (where status = 'dead')::int as dead,
            coalesce(max(${age}) filter (where ${due}), 0) as "oldestWaitingAgeS",
            coalesce(percentile_cont(0.5) within group (order by ${age}) filter (where ${due}), 0) as "waitingAgeP50S",
            coalesce(percentile_cont(0.95) within group (order by ${age}) filter (where ${due}), 0) as "waitingAgeP95S",
            coalesce(extract(epoch from ?::timestamptz - min(dead_at) filter (where status = 'dead'))::float8, 0) as "deadOldestAgeS",
            count(*) filter (where stalls > 0 and status in ('waiting', 'delayed', 'active'))::int as stalled,
            count(*) filter (where status = 'done' and finished_at > ?)::int as "perMinute",
            count(*) filter (where status = 'done')::int as done15,
            count(*) filter (where status = 'dead' and dead_at > ?)::int as "deadLately"
       from jobs
      where status in ('waiting', 'delayed', 'active', 'dead') or (status = 'done' and finished_at > ?)
      group by queue`,
    [at, at, at, at, at, at, at, at, at, ts(now - 60_000), ts(now - 600_000), ts(now - 900_000)],
  );
  const found = new Map(rowsOf<Counted>(result).map((row) => [row.queue, row]));
  return [...new Set([...names, ...found.keys()])].toSorted().map((queue) => {
    const { done15, deadLately, ...row } = found.get(queue) ?? { ...idle, queue };
    const isRed = row.oldestWaitingAgeS > 300 || deadLately > 100;
    const status = isRed ? 'red' : row.oldestWaitingAgeS > 60 || row.dead > 0 ? 'yellow' : 'green';
    return { ...row, status, perMinute15: done15 / 15 };
  });
}

const idle = {
  waiting: 0,
  delayed: 0,
  active: 0,
  dead: 0,
  oldestWaitingAgeS: 0,
  waitingAgeP50S: 0,
  waitingAgeP95S: 0,
  deadOldestAgeS: 0,
  stalled: 0,
  perMinute: 0,
  done15: 0,
  deadLately: 0,
} as const;
