/** The store of DATABASE_URL, or of the embedded database in DATA_DIR while no server runs on it, for checks, and for repairs that write. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { registryOf } from '../actors/companion.ts';
import type { Registry } from '../actors/companion.ts';
import { runtimeOf } from '../actors/runtime.ts';
import type { Runtime } from '../actors/runtime.ts';
import { createPgStore } from '../actors/store/pg.ts';
import type { JournalStore } from '../actors/store/store.ts';
import { kinds as all } from '../machines/kinds.ts';
import { readConfig } from '../server/config.ts';
import { openDatabase } from '../server/db/database.ts';
import type { Database } from '../server/db/database.ts';
import { createLog } from '../server/observe/log.ts';

export interface ReadOnly {
  readonly store: JournalStore;
  readonly registry: Registry;
  readonly kinds: ReadonlyMap<string, Runtime>;
}

export const runtimes = (): ReadonlyMap<string, Runtime> => new Map(all.map((def) => [def.kind, runtimeOf(def)]));

/** @param write by default the database is opened read-only */
export async function withDatabase<T>(run: (r: { database: Database; dataDir: string }) => Promise<T>, { write = false } = {}): Promise<T> {
  const { dataDir, databaseUrl: url, logLevel } = readConfig();
  if (url === undefined && !existsSync(join(dataDir, 'pg', 'PG_VERSION'))) throw new Error(`there is no database in ${dataDir}`);
  const database = await openDatabase({ dataDir, readOnly: !write, ...(url === undefined ? {} : { url }) }, createLog(logLevel));
  try {
    return await run({ database, dataDir });
  } finally {
    await database.close();
  }
}

/** @param write as of {@link withDatabase} */
export const withStore = <T>(run: (r: ReadOnly) => Promise<T>, o: { readonly write?: boolean } = {}): Promise<T> =>
  withDatabase(async ({ database }) => {
    const registry = registryOf(all);
    const store = createPgStore(database, registry);
    try {
      return await run({ store, registry, kinds: runtimes() });
    } finally {
      await store.stop();
    }
  }, o);

/** Runs a check and ends the process with its exit code: 0 nothing found, 1 something found, 2 the check itself failed. */
export async function checking(run: () => Promise<boolean>): Promise<void> {
  try {
    process.exitCode = (await run()) ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 2;
  }
}
