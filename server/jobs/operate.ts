/** What operators do with queues and with single jobs (realtime R16); dead ones are replayed by dead.ts. */
import type { Knex } from 'knex';
import { z } from 'zod';

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
  const { rows } = (await db.raw('select queue, admin as by, reason, extract(epoch from at)::float8 * 1000 as since from job_pauses')) as {
    rows: (QueuePause & { queue: string })[];
  };
  return new Map(rows.map(({ queue, by, reason, since }) => [queue, { by, reason, since: Math.round(since) }]));
}

/** Of a queue that is stopped already the first reason stays. */
export async function pauseQueue(db: Knex, queue: string, { by, reason, since }: QueuePause): Promise<void> {
  await db.raw('insert into job_pauses (queue, admin, reason, at) values (?, ?, ?, ?) on conflict do nothing', [
    queue,
    by,
    reason,
    new Date(since),
  ]);
}

/** False when it was not stopped. */
export async function resumeQueue(db: Knex, queue: string): Promise<boolean> {
  const { rows } = (await db.raw('delete from job_pauses where queue = ? returning 1', [queue])) as { rows: unknown[] };
  return rows.length > 0;
}

/** Lets a job run now that was not due yet; false when there is none. */
export async function promoteJob(db: Knex, o: { queue: string; jobId: string; now: number }): Promise<boolean> {
  const { rows } = (await db.raw(
    `update jobs set status = 'waiting', run_at = ? where job_id = ? and queue = ? and status in ('waiting', 'delayed') and run_at > ? returning 1`,
    [new Date(o.now), o.jobId, o.queue, new Date(o.now)],
  )) as { rows: unknown[] };
  return rows.length > 0;
}

/**
 * Gives a job up for good that is dead or has not begun; false when there is none. Its record goes with those of finished jobs. Standing jobs are
 * not given up: nobody would begin them again before the next start.
 */
export async function discardJob(db: Knex, o: { queue: string; jobId: string; now: number }): Promise<boolean> {
  const { rows } = (await db.raw(
    `update jobs set status = 'cancelled', finished_at = ? where job_id = ? and queue = ? and status in ('waiting', 'delayed', 'dead')
        and dedupe_key is distinct from 'standing:' || kind returning 1`,
    [new Date(o.now), o.jobId, o.queue],
  )) as { rows: unknown[] };
  return rows.length > 0;
}
