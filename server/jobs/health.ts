/** How the queues do (booking 18.3). */
import type { Knex } from 'knex';
import { z } from 'zod';
import { QueuePause, queuePauses } from './operate.ts';
import { rowsOf, ts } from './sql.ts';

export const QueueHealth = z.strictObject({
  queue: z.string(),
  status: z
    .enum(['green', 'yellow', 'red'])
    .describe(
      'red: a job has been due for five minutes, or more than a hundred have died in ten; yellow: for one minute, or there are dead ones',
    ),
  waiting: z.int().describe('due and not begun'),
  delayed: z.int().describe('not due yet'),
  active: z.int(),
  retrying: z.int().describe('among the waiting and delayed: those that have failed before'),
  dead: z.int(),
  oldestWaitingAgeS: z.int().describe('of due jobs, as the next two'),
  waitingAgeP50S: z.int(),
  waitingAgeP95S: z.int(),
  deadOldestAgeS: z.int(),
  stalled: z.int().describe('unfinished ones that have lost their runner before'),
  perMinute: z.int().describe('done within the last minute; standing jobs are never done'),
  perMinute15: z.number().describe('the same over fifteen minutes'),
  paused: QueuePause.optional().describe('an operator has stopped it: nothing of it begins'),
});
export type QueueHealth = z.output<typeof QueueHealth>;

type Counted = Omit<QueueHealth, 'status' | 'perMinute15' | 'paused'> & { readonly done15: number; readonly deadLately: number };

/** Every part is what one index of the table is for: the done jobs of a week are not looked at. */
const lately = `(
  select queue, status, run_at, attempts, stalls, dead_at, finished_at from jobs where status in ('waiting', 'delayed')
  union all select queue, status, run_at, attempts, stalls, dead_at, finished_at from jobs where status = 'active'
  union all select queue, status, run_at, attempts, stalls, dead_at, finished_at from jobs where status = 'dead'
  union all select queue, status, run_at, attempts, stalls, dead_at, finished_at from jobs where status = 'done' and finished_at > ?) j`;

/** Sorted by name; a queue of `names` without any job is there too, and so is one that is stopped. */
export async function queueHealth(db: Knex, names: Iterable<string>, now: number): Promise<QueueHealth[]> {
  const due = `status in ('waiting', 'delayed') and run_at <= ?`;
  const age = `extract(epoch from ?::timestamptz - run_at)`;
  const at = ts(now);
  const result = await db.raw(
    `select queue,
            count(*) filter (where ${due})::int as waiting,
            count(*) filter (where status in ('waiting', 'delayed') and run_at > ?)::int as delayed,
            count(*) filter (where status = 'active')::int as active,
            count(*) filter (where status in ('waiting', 'delayed') and attempts > 0)::int as retrying,
            count(*) filter (where status = 'dead')::int as dead,
            coalesce(max(${age}) filter (where ${due}), 0)::int as "oldestWaitingAgeS",
            coalesce(percentile_cont(0.5) within group (order by ${age}::float8) filter (where ${due}), 0)::int as "waitingAgeP50S",
            coalesce(percentile_cont(0.95) within group (order by ${age}::float8) filter (where ${due}), 0)::int as "waitingAgeP95S",
            coalesce(extract(epoch from ?::timestamptz - min(dead_at) filter (where status = 'dead')), 0)::int as "deadOldestAgeS",
            count(*) filter (where stalls > 0 and status in ('waiting', 'delayed', 'active'))::int as stalled,
            count(*) filter (where status = 'done' and finished_at > ?)::int as "perMinute",
            count(*) filter (where status = 'done')::int as done15,
            count(*) filter (where status = 'dead' and dead_at > ?)::int as "deadLately"
       from ${lately} group by queue`,
    [at, at, at, at, at, at, at, at, at, ts(now - 60_000), ts(now - 600_000), ts(now - 900_000)],
  );
  const pauses = await queuePauses(db);
  const found = new Map(rowsOf<Counted>(result).map((row) => [row.queue, row]));
  return [...new Set([...names, ...found.keys(), ...pauses.keys()])].toSorted().map((queue) => {
    const { done15, deadLately, ...row } = found.get(queue) ?? { ...idle, queue };
    const isRed = row.oldestWaitingAgeS > 300 || deadLately > 100;
    const status = isRed ? 'red' : row.oldestWaitingAgeS > 60 || row.dead > 0 ? 'yellow' : 'green';
    const paused = pauses.get(queue);
    return { ...row, status, perMinute15: done15 / 15, ...(paused === undefined ? {} : { paused }) };
  });
}

const idle = {
  waiting: 0,
  delayed: 0,
  active: 0,
  retrying: 0,
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
