import { createRunner } from './runner.ts';
import type { RunnerDeps } from './runner.ts';
import type { Jobs } from './jobs.ts';
import { claim, dueQueues, release } from './rows.ts';

/** The embedded runner: takes jobs of the table with `for update skip locked`, woken in the process and by a poll each second. */
export function createTableJobs(deps: RunnerDeps): Jobs {
  const { knex, clock, log } = deps;
  const runner = createRunner(deps, (queue) => void pump(queue));
  const queues = new Map([...runner.queues].map(([q, slots]) => [q, { slots, busy: 0, pumping: false, more: false }]));

  const pump = (queue: string): Promise<void> => runner.asked(take(queue));

  /** Takes what fits into the free slots of the queue; asked again while it runs, it takes another round. */
  async function take(queue: string): Promise<void> {
    const q = queues.get(queue);
    if (q === undefined || !runner.running) return;
    if (q.pumping) {
      q.more = true;
      return;
    }
    q.pumping = true;
    try {
      do {
        q.more = false;
        const free = q.slots - q.busy;
        if (free <= 0) break;
        const now = clock.wall();
        const jobs = await claim(knex, { queue, limit: free, node: runner.node, now, lockMs: runner.lockMs });
        if (!runner.running) {
          const ids = jobs.map((job) => job.job_id);
          await release(knex, ids, runner.node);
          break;
        }
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

  async function poll(): Promise<void> {
    const due = await dueQueues(knex, clock.wall());
    await Promise.all(due.map(pump));
  }

  return {
    enqueue: (tx, job) => runner.enqueue(tx, job),
    wake: (queue) => void pump(queue),
    queues: [...queues.keys()],
    async replay(queue, jobId, runAt) {
      const replay = await runner.replay(queue, jobId, runAt);
      void pump(queue);
      return replay;
    },
    discard: (queue, jobId) => runner.discard(queue, jobId),
    async start() {
      await runner.start();
      runner.cycle(deps.pollMs ?? 1_000, poll);
      void runner.asked(poll().catch((err: unknown) => log.warn({ err }, 'jobs cannot be taken')));
    },
    drain: (ms) => runner.drain(ms),
    stop: () => runner.stop(),
  };
}
