/** The kernel against its baselines (kernel.md 15.3: P1 to P10, P14 to P19), on PostgreSQL, on the embedded database and without one. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { timersDue } from './alarms.ts';
import { coldActivations } from './cold.ts';
import { companionRows } from './companions.ts';
import { onEmbedded, onPostgres } from './databases.ts';
import type { Measured } from './databases.ts';
import { watchedAlone, watchedOnServer } from './feed.ts';
import { format } from './harness.ts';
import type { Plan, Row } from './harness.ts';
import type { HeapResult } from './heap.ts';
import { pairRows } from './pairs.ts';
import { depths, macrosteps, nullKernel } from './pure.ts';
import type { Bench } from './run.ts';
import { ACTORS, IN_FLIGHT } from './system.ts';
import { onServer, onWorker } from './throughput.ts';

type Say = (line: string) => void;

async function heap(say: Say): Promise<Row> {
  const child = fork(fileURLToPath(new URL('heap.js', import.meta.url)), { execArgv: ['--expose-gc'] });
  const { kernel, plain } = await new Promise<HeapResult>((resolve, reject) => {
    child.once('message', (message) => resolve(message as HeapResult));
    child.once('exit', (code) => reject(new Error(`the heap measurement ended with ${code}`)));
  });
  say(`  heap of an idle actor beyond its context: ${format(kernel)} bytes; of a started XState actor: ${format(plain)} bytes`);
  const off = Math.max(kernel / 1_536, kernel / (0.4 * plain));
  return {
    id: 'P9',
    what: 'heap of a hot idle actor beyond its context, against XState',
    value: kernel,
    min: kernel,
    unit: 'bytes',
    baseline: plain,
    ratio: kernel / plain,
    target: '<= 0.4 and <= 1,536',
    ok: off <= 1,
    broken: off > 1.3,
  };
}

interface Section {
  readonly ids: readonly string[];
  readonly run: (plan: Plan, say: Say, wanted: (id: string) => boolean) => Promise<Measured>;
}

const pure = async (rows: Promise<readonly Row[]>): Promise<Measured> => ({ rows: await rows, notes: [] });

const sections: readonly Section[] = [
  { ids: ['P1', 'P3', 'P4', 'P7', 'P7p99'], run: (plan, say, wanted) => onPostgres((db) => onServer(db, plan, say, wanted)) },
  { ids: ['P15', 'P16', 'P17'], run: (plan, say) => onPostgres((db) => companionRows(db, plan, say)) },
  { ids: ['P8'], run: (plan, say) => onPostgres((db) => coldActivations(db, plan, say)) },
  { ids: ['P10'], run: (plan, say) => onPostgres((db) => timersDue(db, plan, say)) },
  { ids: ['P2', 'P2n', 'P2h'], run: (plan, say) => onEmbedded((db) => onWorker(db, plan, say)) },
  { ids: ['P18', 'P18p50'], run: (plan, say) => onPostgres((db) => pairRows(db, 'P18', 'PostgreSQL', plan, say)) },
  { ids: ['P18e', 'P18ep50'], run: (plan, say) => onEmbedded((db) => pairRows(db, 'P18e', 'PGlite', plan, say)) },
  { ids: ['P14', 'P14a', 'P14c'], run: (plan, say) => onPostgres((db) => watchedOnServer(db, plan, say)) },
  { ids: ['P14n', 'P14na', 'P14nc'], run: (plan, say) => pure(watchedAlone(plan, say)) },
  { ids: ['P5'], run: (plan, say) => pure(nullKernel(plan, say)) },
  { ids: ['P6', 'P6t'], run: (plan, say) => pure(macrosteps(plan, say)) },
  { ids: ['P9'], run: async (_, say) => ({ rows: [await heap(say)], notes: [] }) },
  { ids: ['P19', 'P19t'], run: (plan) => pure(depths(plan)) },
];

export const kernelBench: Bench = async function* (plan, say, wanted) {
  yield { rows: [], notes: [`${ACTORS} actors, ${IN_FLIGHT} in flight, one lane; R: rows in batches of 256 on one connection`] };
  for (const { ids, run } of sections) {
    if (!ids.some(wanted)) continue;
    say(ids.join(', '));
    yield await run(plan, say, wanted);
  }
};
