import type { Knex } from 'knex';
import { Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import type { Clock, Log } from '../../actors/types.ts';
import { within } from '../../actors/within.ts';
import { depths } from './rows.ts';
import type { Depth } from './rows.ts';
import type { RunnerDeps } from './runner.ts';

/** for the database; a scrape must show the rest when it is silent, and Prometheus waits for ten seconds at most */
const PATIENCE_MS = 1_000;

/**
 * Gauges of the jobs table, read when they are scraped (booking 18.5), and what observes outcomes. While the database does not answer the gauges are
 * absent, so that nobody takes old numbers for new ones.
 */
export function queueMetrics(o: { registry: Registry; knex: Knex; clock: Clock; log: Log }): NonNullable<RunnerDeps['onOutcome']> {
  const { registry, clock } = o;
  let counting: Promise<readonly Depth[]> | undefined;

  /** The gauges of one scrape are of one count. */
  function counted(): Promise<readonly Depth[]> {
    counting ??= within(clock, PATIENCE_MS, depths(o.knex, clock.wall()))
      .catch((err: unknown) => {
        o.log.warn({ err }, 'the queues could not be counted for the metrics');
        return [];
      })
      .finally(() => (counting = undefined));
    return counting;
  }

  function gauge<L extends string>(name: string, help: string, labelNames: readonly L[], set: (to: Gauge<L>, row: Depth) => void): void {
    const made = new Gauge<L>({
      name,
      help,
      labelNames,
      registers: [],
      async collect() {
        const rows = await counted();
        this.reset();
        for (const row of rows) set(this, row);
      },
    });
    registry.registerMetric(made);
  }

  gauge('thrum_queue_oldest_waiting_seconds', 'Age of the oldest due job', ['queue'], (to, { queue, status, oldestS }) => {
    if (status === 'waiting') to.set({ queue }, oldestS);
  });
  gauge('thrum_queue_dlq_size', 'Dead jobs', ['queue'], (to, { queue, status, count }) => {
    if (status === 'dead') to.set({ queue }, count);
  });
  gauge('thrum_queue_depth', 'Jobs by queue and status', ['queue', 'status'], (to, { queue, status, count }) =>
    to.set({ queue, status }, count),
  );

  const attempts = new Histogram({
    name: 'thrum_queue_attempts',
    help: 'Attempts of jobs when they end',
    labelNames: ['kind', 'outcome'],
    buckets: [1, 2, 3, 5, 8],
    registers: [registry],
  });
  return (kind, outcome, n) => {
    if (outcome !== 'retried') attempts.observe({ kind, outcome }, n);
  };
}
