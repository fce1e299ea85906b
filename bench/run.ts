/** `npm run bench -- NAME [--quick] [--only P1,P4] [--clients N] [--json FILE]`: runs one bench, prints one table, ends with 1 when a target is missed by more than 30 %. */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { FULL, QUICK, machine, table } from './harness.ts';
import type { Plan, Report, Row } from './harness.ts';

/** What was measured together; `notes` describe on what. */
export interface Measured {
  readonly rows: readonly Row[];
  readonly notes?: readonly string[];
}

/** A bench measures by the plan, part by part. It may leave out what is not `wanted`, by the id of a row. */
export type Bench = (plan: Plan, say: (line: string) => void, wanted: (id: string) => boolean) => AsyncIterable<Measured>;

const benches: { readonly [name: string]: () => Promise<Bench> } = {
  cluster: async () => (await import('./cluster.ts')).clusterBench,
  http: async () => (await import('./http.ts')).httpBench,
  kernel: async () => (await import('./kernel.ts')).kernelBench,
  lists: async () => (await import('./lists.ts')).listsBench,
  realtime: async () => (await import('./realtime.ts')).realtimeBench,
  scale: async () => (await import('./scale.ts')).scaleBench,
};

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      only: { type: 'string' },
      clients: { type: 'string' },
    },
  });
  const name = positionals[0] ?? '';
  const load = benches[name];
  if (load === undefined) {
    process.stderr.write(
      `usage: npm run bench -- NAME [--quick] [--only ID,ID] [--clients N] [--json FILE]\nbenches: ${Object.keys(benches).join(', ')}\n`,
    );
    return 2;
  }
  const bench = await load();
  const on = machine();
  process.stdout.write(`${name} on ${on}\n`);
  const only = values.only?.split(',');
  const wanted = (id: string): boolean => only === undefined || only.includes(id);
  const plan = values.quick ? QUICK : FULL;
  const clients = Number(values.clients ?? plan.clients);
  const rows: Row[] = [];
  const notes = new Set<string>();
  for await (const part of bench({ ...plan, clients }, (line) => void process.stdout.write(`${line}\n`), wanted)) {
    rows.push(...part.rows.filter(({ id }) => wanted(id) || wanted(id.replace(/\D+$/, ''))));
    for (const note of part.notes ?? []) notes.add(note);
    const report: Report = { name, at: new Date().toISOString(), machine: [on, ...notes].join('; '), rows };
    // After every part: a run that is cut short keeps what it has measured.
    if (values.json !== undefined && part.rows.length > 0) await writeFile(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
  }
  process.stdout.write(`\n${[...notes].map((n) => `${n}\n`).join('')}\n${table(rows)}\n`);
  return values.quick || !rows.some(({ broken }) => broken) ? 0 : 1;
}

process.exitCode = await main();
