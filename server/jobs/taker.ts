/** Takes jobs of the table with `for update skip locked`, as many as a queue has places for, until nothing is due. */
import type { Clock, Log } from '../../actors/types.ts';
import { claim } from './rows.ts';
import type { Runner, RunnerDeps } from './runner.ts';

export interface TakerDeps extends Pick<RunnerDeps, 'knex'> {
  readonly clock: Clock;
  readonly log: Log;
  readonly runner: Runner;
  /** ms for which a job must have been due; default 0 */
  readonly lateMs?: number;
  /** whether jobs are to be taken now; default always */
  readonly may?: () => boolean;
}

/** @returns what takes the jobs of one queue; asked again while it does so, it takes another round */
export function createTaker({ knex, clock, log, runner, lateMs = 0, may = () => true }: TakerDeps): (queue: string) => Promise<void> {
  const queues = new Map([...runner.queues].map(([q, slots]) => [q, { slots, busy: 0, pumping: false, more: false }]));

  const pump = (queue: string): Promise<void> => runner.asked(take(queue));

  async function take(queue: string): Promise<void> {
    const q = queues.get(queue);
    if (q === undefined) return;
    if (q.pumping) {
      q.more = true;
      return;
    }
    q.pumping = true;
    try {
      do {
        q.more = false;
        const free = q.slots - q.busy;
        if (free <= 0 || !runner.running || !may()) break;
        const now = clock.wall();
        const jobs = await claim(knex, { queue, limit: free, node: runner.node, now, lockMs: runner.lockMs, dueBy: now - lateMs });
        q.busy += jobs.length;
        for (const job of jobs) {
          void runner.perform(job).finally(() => {
            q.busy -= 1;
            void pump(queue);
          });
        }
      } while (q.more);
    } catch (error) {
      log.warn({ err: error, queue }, 'jobs cannot be taken');
    } finally {
      q.pumping = false;
    }
  }

  return pump;
}
