/** The jobs of a queue as operators look for them: by state, by id, by the actor that wanted them (realtime R16). */
import type { Knex } from 'knex';
import type { Json } from '../../actors/types.ts';
import type { DeadJob } from './dead.ts';
import { msOf, rowsOf, ts } from './sql.ts';

export const jobStates = ['waiting', 'delayed', 'active', 'dead', 'done', 'cancelled'] as const;
export type JobState = (typeof jobStates)[number];

export interface ListedJob {
  readonly jobId: string;
  readonly kind: string;
  readonly state: JobState;
  readonly attempts: number;
  readonly maxAttempts: number;
  readonly priority: number;
  /** epoch ms, as the next four */
  readonly runAt: number;
  readonly createdAt: number;
  readonly lastAttemptAt: number | null;
  readonly finishedAt: number | null;
  /** key of the actor that wanted it */
  readonly actor: string | null;
  readonly replayOf: string | null;
  readonly replayedBy: string | null;
  readonly payload: Json;
  readonly errors: DeadJob['errors'];
}

/** A row that is due counts as waiting, whatever it was when it was written. */
const unfinished = `j.status in ('waiting', 'delayed') and j.run_at`;
const OF: { readonly [state in JobState]: { readonly where: string; readonly by: string; readonly sense: 'asc' | 'desc' } } = {
  waiting: { where: `${unfinished} <= :now`, by: 'run_at', sense: 'asc' },
  delayed: { where: `${unfinished} > :now`, by: 'run_at', sense: 'asc' },
  active: { where: `j.status = 'active'`, by: 'last_attempt_at', sense: 'asc' },
  dead: { where: `j.status = 'dead'`, by: 'dead_at', sense: 'desc' },
  done: { where: `j.status = 'done'`, by: 'finished_at', sense: 'desc' },
  cancelled: { where: `j.status = 'cancelled'`, by: 'finished_at', sense: 'desc' },
};

/**
 * Those of one state in the order in which they are next, or ended last; or those of any state that belong to something, the newest first.
 *
 * @param o.of    id of a job, or of an actor (`actorIdOf`)
 * @param o.after the last job of the page before
 */
export async function listJobs(
  db: Knex,
  o: { queue: string; state?: JobState | undefined; of?: string | undefined; after?: string | undefined; limit: number; now: number },
): Promise<ListedJob[]> {
  const { where, by, sense } = OF[o.state ?? 'waiting'];
  const [column, order] = o.of === undefined ? [by, sense] : ['created_at', 'desc'];
  const wanted = [
    'j.queue = :queue',
    ...(o.of === undefined || o.state !== undefined ? [where] : []),
    ...(o.of === undefined ? [] : ['(j.job_id = :of or j.actor_id = :of)']),
    ...(o.after === undefined
      ? []
      : [`(j.${column}, j.job_id) ${order === 'asc' ? '>' : '<'} (select ${column}, job_id from jobs where job_id = :after)`]),
  ];
  const result = await db.raw(
    `select j.job_id as "jobId", j.kind, case when ${unfinished} <= :now then 'waiting' when ${unfinished} > :now then 'delayed' else j.status end as state,
            j.attempts, j.max_attempts as "maxAttempts", j.priority, ${msOf('j.run_at')} as "runAt", ${msOf('j.created_at')} as "createdAt",
            ${msOf('j.last_attempt_at')} as "lastAttemptAt", ${msOf('j.finished_at')} as "finishedAt", a.kind || ':' || a.id as actor,
            j.replay_of as "replayOf", j.replayed_by as "replayedBy", j.payload, j.errors
       from jobs j left join thrum_actor a on a.actor_id = j.actor_id
      where ${wanted.join(' and ')} order by j.${column} ${order}, j.job_id ${order} limit :limit`,
    { queue: o.queue, now: ts(o.now), limit: o.limit, of: o.of ?? null, after: o.after ?? null },
  );
  return rowsOf(result);
}
