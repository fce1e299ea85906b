/** The databases of the benches: a private PostgreSQL with its data on the disk, and the embedded one. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startPostgres } from '../scripts/private-postgres.ts';
import { openDatabase } from '../server/db/database.ts';
import type { Database } from '../server/db/database.ts';
import type { Row } from './harness.ts';
import { benchLog } from './system.ts';

/** on the disk, where the temporary folder may be memory */
export const DISK = '/var/tmp';

export interface Measured {
  readonly rows: readonly Row[];
  readonly notes: readonly string[];
}

/** Measures on a new PostgreSQL, or gives no rows where none is installed. */
export async function onPostgres(measure: (db: Database) => Promise<readonly Row[]>): Promise<Measured> {
  const server = await startPostgres({ shared_buffers: '256MB', max_wal_size: '4GB' }, DISK);
  if (server === undefined) return { rows: [], notes: ['PostgreSQL is not installed: its part is not measured'] };
  try {
    const db = await openDatabase({ url: server.url, dataDir: DISK }, benchLog);
    const rows = await measure(db);
    await db.close();
    return { rows, notes: [`PostgreSQL ${db.version}, durability ${db.durability}, private, data on ${DISK}`] };
  } finally {
    await server.stop();
  }
}

/** Measures on a new embedded database. */
export async function onEmbedded(measure: (db: Database) => Promise<readonly Row[]>): Promise<Measured> {
  const dir = await mkdtemp(join(DISK, 'thrum-bench-'));
  try {
    const db = await openDatabase({ dataDir: dir }, benchLog);
    const rows = await measure(db);
    await db.close();
    return { rows, notes: [`PGlite with PostgreSQL ${db.version}, durability ${db.durability}, data on ${DISK}`] };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
