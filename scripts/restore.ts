/**
 * `npm run restore`: the last step after a backup was put back, while no server runs: erases again whom `DATA_DIR/erasures.jsonl` names, and
 * replaces the data id, so that clients take fresh snapshots instead of trusting numbers that now mean something else.
 */
import { registryOf } from '../actors/companion.ts';
import { createPgStore } from '../actors/store/pg.ts';
import { kinds } from '../machines/kinds.ts';
import { readConfig } from '../server/config.ts';
import { openDatabase } from '../server/db/database.ts';
import { erasureKey, loadSecrets } from '../server/identity/keys.ts';
import { readErasures } from '../server/lifecycle/erasures.ts';
import { finishRestore } from '../server/lifecycle/restore.ts';
import { createLog } from '../server/observe/log.ts';

const { dataDir, databaseUrl: url, logLevel } = readConfig();
const database = await openDatabase({ dataDir, ...(url === undefined ? {} : { url }) }, createLog(logLevel));
const store = createPgStore(database, registryOf(kinds));
try {
  const { erased, dataId } = await finishRestore({
    store,
    knex: database.knex,
    key: erasureKey(await loadSecrets(dataDir, Date.now())),
    register: await readErasures(dataDir),
    versions: new Map(kinds.map((k) => [k.kind, k.version])),
    now: () => Date.now(),
    random: () => Math.random(),
  });
  process.stdout.write(`${erased} actor(s) erased again; the data id is now ${dataId}. Servers may start.\n`);
} finally {
  await store.stop();
  await database.close();
}
