/** A durable command over HTTP against a bare Koa route that does one INSERT, on one PostgreSQL, each server in a process of its own. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startPostgres } from '../scripts/private-postgres.ts';
import { alternate, compare, median } from './harness.ts';
import type { Contender, Row } from './harness.ts';
import type { LoadOrder, LoadResult } from './http-load.ts';
import type { Bench } from './run.ts';

const CONNECTIONS = 64;
const ACTORS = 10_000;
const DISK = '/var/tmp';
const LOG_LEVEL = 'info';

interface Started {
  readonly port: number;
  readonly token?: string;
}

const path = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

function answer<T>(child: ChildProcess, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const failed = (code: number | null): void => reject(new Error(`${what} ended with ${code}`));
    child.once('exit', failed);
    child.once('message', (message) => {
      child.off('exit', failed);
      resolve(message as T);
    });
  });
}

/** Latencies of the rounds beside their rates. */
interface Watched extends Contender {
  readonly results: LoadResult[];
}

function contender(name: string, generator: ChildProcess, server: Started): Watched {
  const results: LoadResult[] = [];
  const headers: Record<string, string> =
    server.token === undefined ? {} : { authorization: `Bearer ${server.token}`, 'idempotency-key': '{n}' };
  return {
    name,
    results,
    run: async (ms) => {
      const order: LoadOrder = {
        port: server.port,
        connections: CONNECTIONS,
        ms,
        actors: ACTORS,
        path: '/v1/steps/{actor}',
        headers,
        body: '{"amount":12,"note":"measured"}',
      };
      generator.send(order);
      const result = await answer<LoadResult>(generator, 'the load generator');
      const wrong = Object.keys(result.statuses).filter((status) => status !== '200');
      if (wrong.length > 0) throw new Error(`${name} answered ${JSON.stringify(result.statuses)}`);
      results.push(result);
      return result.rate;
    },
  };
}

const latency = (id: string, what: string, of: Watched, by: Watched, read: (r: LoadResult) => number): Row => {
  const values = of.results.map(read);
  const baseline = median(by.results.map(read));
  return { id, what, value: median(values), min: Math.min(...values), unit: 'ms', baseline, ratio: median(values) / baseline };
};

export const httpBench: Bench = async (plan, say) => {
  const postgres = await startPostgres({ shared_buffers: '256MB', max_wal_size: '4GB' }, DISK);
  if (postgres === undefined) return { rows: [], notes: ['PostgreSQL is not installed; nothing measured'] };
  const quiet = openSync('/dev/null', 'w');
  const children: ChildProcess[] = [];
  const start = async (file: string, ...args: string[]): Promise<Started> => {
    const child = fork(path(file), [postgres.url, ...args], { stdio: ['ignore', quiet, 'inherit', 'ipc'] });
    children.push(child);
    return answer<Started>(child, file);
  };
  try {
    const generator = fork(path('http-load.js'));
    children.push(generator);
    const thrum = contender('thrum', generator, await start('http-thrum.js', LOG_LEVEL));
    const bare = contender('bare', generator, await start('http-bare.js'));
    await thrum.run(1_500); // warms both up
    await bare.run(1_500);
    for (const { results } of [thrum, bare]) results.length = 0;
    const rates = await alternate([thrum, bare], plan, say);
    return {
      rows: [
        compare(rates, {
          id: 'H1',
          what: 'durable commands over HTTP, against a bare Koa route with one INSERT',
          of: 'thrum',
          by: 'bare',
          atLeast: 1,
        }),
        latency('H2', 'latency, median', thrum, bare, (r) => r.p50),
        latency('H3', 'latency, 99th percentile', thrum, bare, (r) => r.p99),
      ],
      notes: [
        `PostgreSQL ${postgres.version}, private, data on ${DISK}; ${CONNECTIONS} connections; stretch 1.5`,
        `thrum: ES256 tokens, idempotency keys, validation, log at ${LOG_LEVEL} to /dev/null, ${ACTORS} actors; bare: none of these, pool of 32`,
      ],
    };
  } finally {
    for (const child of children) if (child.connected) child.disconnect();
    for (const child of children) child.kill();
    await postgres.stop();
  }
};
