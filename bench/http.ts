/** A durable command over HTTP against a bare Koa route that does one INSERT, on one PostgreSQL, each server in a process of its own. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { startPostgres } from '../scripts/private-postgres.ts';
import { alternate, bounded, compare, median } from './harness.ts';
import type { Contender, Row } from './harness.ts';
import type { LoadOrder, LoadResult } from './http-load.ts';
import { parentOf, processorMs } from './processor.ts';
import type { Bench } from './run.ts';

const CONNECTIONS = 64;
const ACTORS = 10_000;
const DISK = '/var/tmp';
const LOG_LEVEL = 'info';

interface Started {
  readonly port: number;
  readonly token?: string;
  readonly pid: number;
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

/** Latencies of the rounds, and us of processor time per request, beside their rates. */
interface Watched extends Contender {
  readonly results: LoadResult[];
  readonly server: number[];
  readonly together: number[];
}

function contender(name: string, generator: ChildProcess, server: Started, database: number): Watched {
  const results: LoadResult[] = [];
  const own: number[] = [];
  const together: number[] = [];
  const headers: Record<string, string> =
    server.token === undefined ? {} : { authorization: `Bearer ${server.token}`, 'idempotency-key': '{n}' };
  return {
    name,
    results,
    server: own,
    together,
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
      const before = [processorMs(server.pid), processorMs(database)] as const;
      generator.send(order);
      const result = await answer<LoadResult>(generator, 'the load generator');
      const after = [processorMs(server.pid), processorMs(database)] as const;
      const wrong = Object.keys(result.statuses).filter((status) => status !== '200');
      if (wrong.length > 0) throw new Error(`${name} answered ${JSON.stringify(result.statuses)}`);
      results.push(result);
      const requests = Object.values(result.statuses).reduce((sum, n) => sum + n, 0);
      const us = (i: 0 | 1): number => (((after[i] ?? Number.NaN) - (before[i] ?? Number.NaN)) / requests) * 1_000;
      own.push(us(0));
      together.push(us(0) + us(1));
      return result.rate;
    },
  };
}

const latency = (id: string, what: string, of: Watched, by: Watched, read: (r: LoadResult) => number): Row => {
  const values = of.results.map(read);
  const baseline = median(by.results.map(read));
  return { id, what, value: median(values), min: Math.min(...values), unit: 'ms', baseline, ratio: median(values) / baseline };
};

/** The process that all processes of the database are children of. */
async function postmaster(url: string): Promise<number> {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  const pid = parentOf(rows[0]?.pid ?? 0);
  await client.end();
  return pid ?? 0;
}

export const httpBench: Bench = async function* (plan, say) {
  const postgres = await startPostgres({ shared_buffers: '256MB', max_wal_size: '4GB' }, DISK);
  if (postgres === undefined) {
    yield { rows: [], notes: ['PostgreSQL is not installed; nothing measured'] };
    return;
  }
  const quiet = openSync('/dev/null', 'w');
  const children: ChildProcess[] = [];
  const start = async (file: string, ...args: string[]): Promise<Started> => {
    const child = fork(path(file), [postgres.url, ...args], { stdio: ['ignore', quiet, 'inherit', 'ipc'] });
    children.push(child);
    return { ...(await answer<Omit<Started, 'pid'>>(child, file)), pid: child.pid ?? 0 };
  };
  try {
    const generator = fork(path('http-load.js'));
    children.push(generator);
    const database = await postmaster(postgres.url);
    const thrum = contender('thrum', generator, await start('http-thrum.js', LOG_LEVEL), database);
    const bare = contender('bare', generator, await start('http-bare.js'), database);
    await thrum.run(1_500); // warms both up
    await bare.run(1_500);
    for (const { results, server, together } of [thrum, bare]) results.length = server.length = together.length = 0;
    const rates = await alternate([thrum, bare], plan, say);
    yield {
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
        bounded({
          id: 'H4',
          what: 'processor time of a request, server and database',
          values: thrum.together,
          by: bare.together,
          unit: 'us',
          atMost: 1,
        }),
        bounded({
          id: 'H5',
          what: 'processor time of a request, the server process alone',
          values: thrum.server,
          by: bare.server,
          unit: 'us',
        }),
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
