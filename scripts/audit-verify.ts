/**
 * `npm run audit:verify`: walks the chains of the audit log and names the first row of each that is not as it was written. `--head CHAIN:SEQ:HASH`
 * (repeated) expects a head that was written down earlier, for instance the log's. Writes nothing; a server may run on a PostgreSQL database
 * meanwhile. Exit code 1 when a chain is broken, or when entries wait that nobody seals.
 */
import { parseArgs } from 'node:util';
import { verifyAudit } from '../server/audit/verify.ts';
import { auditKey, readSecrets } from '../server/identity/keys.ts';
import { checking, withDatabase } from './read-store.ts';

await checking(() => {
  const { values } = parseArgs({ options: { head: { type: 'string', multiple: true, default: [] } } });
  const expected = values.head.map((text) => {
    const [chain = '', seq = '', hash = ''] = text.split(':');
    if (!/^w?[0-9a-f]$/.test(chain) || !/^\d+$/.test(seq) || !/^[0-9a-f]{64}$/.test(hash)) throw new Error(`not a head: ${text}`);
    return { chain, seq: Number(seq), hash };
  });
  return withDatabase(async ({ database, dataDir }) => {
    const secrets = await readSecrets(dataDir);
    if (secrets === undefined) throw new Error(`there are no secrets in ${dataDir}: the heads cannot be checked`);
    const { ok, chains, rows, faults, waiting } = await verifyAudit(database.knex, auditKey(secrets), expected);
    for (const { chain, seq, what } of faults) process.stdout.write(`  ${chain}/${seq}: ${what}\n`);
    if (waiting > 0) process.stdout.write(`  ${waiting} entries have waited for more than 10 s\n`);
    process.stdout.write(`${rows} entries in ${chains} chains, ${faults.length} faults\n`);
    return ok;
  });
});
