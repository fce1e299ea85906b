import type { Jobs } from './jobs.ts';
import { pauseQueue, resumeQueue } from './operate.ts';
import { dueQueues } from './rows.ts';
import { createRunner } from './runner.ts';
import type { RunnerDeps } from './runner.ts';
import { createTaker } from './taker.ts';

/** The embedded runner: takes jobs of the table, woken in the process and by a poll each second. */
export function createTableJobs(deps: RunnerDeps): Jobs {
  const { knex, clock, log } = deps;
  const runner = createRunner(deps, (queue) => void pump(queue));
  const pump = createTaker({ knex, clock, log, runner });

  async function poll(): Promise<void> {
    const due = await dueQueues(knex, clock.wall());
    await Promise.all(due.map(pump));
  }

  return {
    enqueue: (tx, job) => runner.enqueue(tx, job),
    wake: (queue) => void pump(queue),
    queues: [...runner.queues.keys()],
    async replay(queue, jobId, runAt) {
      const replay = await runner.replay(queue, jobId, runAt);
      void pump(queue);
      return replay;
    },
    discard: (queue, jobId) => runner.discard(queue, jobId),
    async promote(queue, jobId) {
      const promoted = await runner.promote(queue, jobId);
      void pump(queue);
      return promoted;
    },
    pause: (queue, by) => pauseQueue(knex, queue, by),
    async resume(queue) {
      const resumed = await resumeQueue(knex, queue);
      void pump(queue);
      return resumed;
    },
    async start() {
      await runner.start();
      runner.cycle(deps.pollMs ?? 1_000, poll);
      void runner.asked(poll().catch((err: unknown) => log.warn({ err }, 'jobs cannot be taken')));
    },
    drain: (ms) => runner.drain(ms),
    stop: () => runner.stop(),
  };
}
