/** What operators do with queues and with single jobs (realtime R16); dead ones are replayed by dead.ts. */
import type { Knex } from 'knex';
import { z } from 'zod';
import { msOf, rowsOf, ts } from './sql.ts';

export const QueuePause = z.strictObject({
  by: z.string().describe('id of the operator'),
  reason: z.string(),
  since: z.int().describe('epoch ms'),
});
export type QueuePause = z.output<typeof QueuePause>;

/** For the statements that take jobs: those of a stopped queue are left. */
export const isOpen = 'not exists (select 1 from job_pauses p where p.queue = jobs.queue)';

/** By queue. */
export async function queuePauses(db: Knex): Promise<ReadonlyMap<string, QueuePause>> {
  const result = await db.raw(`select queue, admin as by, reason, ${msOf('at')} as since from job_pauses`);
  return new Map(
    rowsOf<QueuePause & { queue: string }>(result).map(({ queue, by, reason, since }) => [queue, { by, reason, since: Math.round(since) }]),
  );
}

/** Of a queue that is stopped already the first reason stays. */
export async function pauseQueue(db: Knex, queue: string, { by, reason, since }: QueuePause): Promise<void> {
  await db.raw('insert into job_pauses (queue, admin, reason, at) values (?, ?, ?, ?) on conflict do nothing', [
    queue,
    by,
    reason,
    ts(since),
  ]);
}

/** False when it was not stopped. */
export async function resumeQueue(db: Knex, queue: string): Promise<boolean> {
  return rowsOf(await db.raw('delete from job_pauses where queue = ? returning 1', [queue])).length > 0;
}

/** Lets a job run now that was not due yet; false when there is none. */
export async function promoteJob(db: Knex, o: { queue: string; jobId: string; now: number }): Promise<boolean> {
  const result = await db.raw(
    `update jobs set status = 'waiting', run_at = ? where job_id = ? and queue = ? and status in ('waiting', 'delayed') and run_at > ? returning 1`,
    [ts(o.now), o.jobId, o.queue, ts(o.now)],
  );
  return rowsOf(result).length > 0;
}

/**
 * Gives a job up for good that is dead or has not begun; false when there is none. Its record goes with those of finished jobs. Standing jobs are
 * not given up: nobody would begin them again before the next start.
 */
export async function discardJob(db: Knex, o: { queue: string; jobId: string; now: number }): Promise<boolean> {
  const result = await db.raw(
    `update jobs set status = 'cancelled', finished_at = ? where job_id = ? and queue = ? and status in ('waiting', 'delayed', 'dead')
        and dedupe_key is distinct from 'standing:' || kind returning 1`,
    [ts(o.now), o.jobId, o.queue],
  );
  return rowsOf(result).length > 0;
}
