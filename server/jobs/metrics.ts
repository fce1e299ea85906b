import type { Knex } from 'knex';
import { Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import { depths } from './rows.ts';
import type { RunnerDeps } from './runner.ts';

/** Gauges of the jobs table, read when they are scraped (booking 18.5), and what observes outcomes. */
export function queueMetrics(registry: Registry, knex: Knex, now: () => number): NonNullable<RunnerDeps['onOutcome']> {
  const oldest = new Gauge({
    name: 'thrum_queue_oldest_waiting_seconds',
    help: 'Age of the oldest due job',
    labelNames: ['queue'],
    registers: [registry],
  });
  const dead = new Gauge({ name: 'thrum_queue_dlq_size', help: 'Dead jobs', labelNames: ['queue'], registers: [registry] });
  const depth: Gauge<'queue' | 'status'> = new Gauge({
    name: 'thrum_queue_depth',
    help: 'Jobs by queue and status',
    labelNames: ['queue', 'status'],
    registers: [registry],
    async collect() {
      const rows = await depths(knex, now());
      for (const g of [depth, oldest, dead]) g.reset();
      for (const r of rows) {
        depth.set({ queue: r.queue, status: r.status }, r.count);
        if (r.status === 'dead') dead.set({ queue: r.queue }, r.count);
        if (r.status === 'waiting') oldest.set({ queue: r.queue }, r.oldestS);
      }
    },
  });
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
