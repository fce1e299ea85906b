/** `npm run chaos`: three nodes, Postgres, Redis, 64 clients and five minutes of faults. `--quick` commits each fault once, and shorter. */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { chaos, report } from './run.ts';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    nodes: { type: 'string', default: '3' },
    clients: { type: 'string', default: '64' },
    minutes: { type: 'string' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', multiple: true },
    report: { type: 'string' },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const outcome = await chaos({
  nodes: Number(values.nodes),
  clients: Number(values.clients),
  watchers: 8,
  duration: Number(values.minutes ?? (values.quick ? 0 : 5)) * 60_000,
  thinkMs: 250,
  seed: values.seed,
  scale: values.quick ? 0.3 : 1,
  ...(values.only === undefined ? {} : { only: values.only }),
  say,
});
if (outcome === undefined) {
  say('skipped: PostgreSQL or redis-server is not installed');
} else {
  const text = report(outcome);
  say(`\n${text}`);
  if (values.report !== undefined) await writeFile(values.report, text);
  process.exitCode = outcome.ok ? 0 : 1;
}
