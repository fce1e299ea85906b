/** Dead jobs and what operators do with them (booking 18.3). */
import type { Knex } from 'knex';
import type { Json } from '../../actors/types.ts';
import { msOf, rowsOf, ts } from './sql.ts';

export interface DeadJob {
  readonly jobId: string;
  readonly kind: string;
  readonly attempts: number;
  readonly reason: string;
  /** epoch ms */
  readonly at: number;
  readonly createdAt: number;
  readonly payload: Json;
  /** the last five attempts */
  readonly errors: readonly { readonly at: number; readonly code: string; readonly message: string; readonly durationMs: number }[];
}

/** Those of a queue, the last dead first. @param before id of the last one of the page before */
export async function deadJobs(db: Knex, o: { queue: string; before?: string | undefined; limit: number }): Promise<DeadJob[]> {
  const older = o.before === undefined ? '' : 'and (dead_at, job_id) < (select dead_at, job_id from jobs where job_id = ?)';
  const result = await db.raw(
    `select job_id as "jobId", kind, attempts, dead_reason as reason, ${msOf('dead_at')} as at, ${msOf('created_at')} as "createdAt", payload, errors
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
