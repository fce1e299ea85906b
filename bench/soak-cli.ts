/**
 * `npm run soak -- [--minutes 10] [--actors 100000]` on a private PostgreSQL. Ends with 1 when an actor takes more memory than it may, or when
 * anything grows: the heap, the process, dead rows, tables, prepared statements or the server's processes.
 */
import { parseArgs } from 'node:util';
import { startPostgres } from '../scripts/private-postgres.ts';
import { openDatabase } from '../server/db/database.ts';
import { DISK } from './databases.ts';
import { growing, mib, slope, soak, untidy } from './soak.ts';
import type { Soaked } from './soak.ts';
import { HOT_BYTES, WARM_BYTES } from './soak-bounds.ts';
import { benchLog } from './system.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);
/** growth in ten minutes, as a part of the mean */
const SLOPE = 0.01;
const BACKENDS = 2 * 1_048_576;
/** now and then a batch has parts that none before it had together; a lane keeps 64 statements */
const STATEMENTS = 8;
const ROUND = 10_000;
const LEAST_ROUNDS = 6;

/** What is not as it should be. */
function faults({ hot, warm, samples, rest }: Soaked): string[] {
  const [heap, rss] = [slope(samples, (s) => s.heap), slope(samples, (s) => s.rss)];
  const [middle, last] = [samples[Math.floor(samples.length / 2)]?.database, samples.at(-1)?.database];
  const [prepared, backends] = [(last?.prepared ?? 0) - (middle?.prepared ?? 0), (last?.backends ?? 0) - (middle?.backends ?? 0)];
  say(`growth in ten minutes: heap ${(heap * 100).toFixed(2)} %, process ${(rss * 100).toFixed(2)} %`);
  say(`in the second half: ${prepared} more prepared statements, ${mib(backends)} more in backends`);
  return [
    ...(samples.length < LEAST_ROUNDS ? [`only ${samples.length} rounds`] : []),
    ...(hot > HOT_BYTES ? [`a hot actor takes ${hot} bytes`] : []),
    ...(warm > WARM_BYTES ? [`a warm actor takes ${warm} bytes`] : []),
    ...(!(heap < SLOPE) ? ['the heap grows'] : []),
    ...(!(rss < SLOPE) ? ['the process grows'] : []),
    ...(prepared > STATEMENTS ? ['prepared statements grow'] : []),
    ...(backends > BACKENDS ? ['the backends grow'] : []),
    ...growing(samples),
    ...untidy(rest),
  ];
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' }, actors: { type: 'string', default: '100000' } } });
  const actors = Number(values.actors);
  const server = await startPostgres({ fsync: 'off', shared_buffers: '256MB', max_wal_size: '4GB', autovacuum_naptime: '10s' }, DISK);
  if (server === undefined) {
    say('no PostgreSQL is installed');
    return 2;
  }
  try {
    const db = await openDatabase({ url: server.url, dataDir: DISK }, benchLog);
    say(`PostgreSQL ${db.version}`);
    const plan = { actors, busy: Math.ceil(actors / 500), until: { ms: Number(values.minutes) * 60_000 }, round: ROUND };
    const wrong = faults(await soak(db, plan, say));
    await db.close();
    say(wrong.length === 0 ? 'within the bounds' : `beyond the bounds:\n  ${wrong.join('\n  ')}`);
    return wrong.length === 0 ? 0 : 1;
  } finally {
    await server.stop();
  }
}

process.exitCode = await main();
