/** Child process of the short soak, started with `--expose-gc`: sends what it has measured, or nothing where there is no PostgreSQL. */
import { startPostgres } from '../scripts/private-postgres.ts';
import { openDatabase } from '../server/db/database.ts';
import { soak } from './soak.ts';
import { benchLog } from './system.ts';

const server = await startPostgres({ fsync: 'off', full_page_writes: 'off', autovacuum_naptime: '1s' });
if (server === undefined) process.send?.({ skip: 'PostgreSQL is not installed' });
else {
  try {
    const db = await openDatabase({ url: server.url, dataDir: '' }, benchLog);
    process.send?.(await soak(db, { actors: 20_000, busy: 40, until: { rounds: 9 }, round: 3_000 }, () => undefined));
    await db.close();
  } finally {
    await server.stop();
  }
}
process.disconnect();
