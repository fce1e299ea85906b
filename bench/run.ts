/** `npm run bench -- NAME [--quick] [--only P1,P4] [--clients N] [--json FILE]`: runs one bench, prints one table, ends with 1 when a target is missed by more than 30 %. */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { FULL, QUICK, machine, table } from './harness.ts';
import type { Plan, Report, Row } from './harness.ts';

/** A bench measures by the plan and gives its rows; `notes` describe what it ran on. It may leave out what is not `wanted`, by the id of a row. */
export type Bench = (
  plan: Plan,
  say: (line: string) => void,
  wanted: (id: string) => boolean,
) => Promise<{ rows: readonly Row[]; notes?: readonly string[] }>;

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
  const measured = await bench({ ...plan, clients }, (line) => void process.stdout.write(`${line}\n`), wanted);
  const { notes = [] } = measured;
  const rows = measured.rows.filter(({ id }) => wanted(id) || wanted(id.replace(/\D+$/, '')));
  process.stdout.write(`\n${notes.map((n) => `${n}\n`).join('')}\n${table(rows)}\n`);
  const report: Report = { name, at: new Date().toISOString(), machine: [on, ...notes].join('; '), rows };
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
  return values.quick || !rows.some(({ broken }) => broken) ? 0 : 1;
}

process.exitCode = await main();
