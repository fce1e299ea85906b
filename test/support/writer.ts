/** A process that commits numbers to the embedded database and prints each when it is acknowledged, until it is killed. */
import { openDatabase } from '../../server/db/database.ts';
import { quiet } from './log.ts';

const database = await openDatabase({ dataDir: process.argv[2] ?? '' }, quiet);
const client = await database.connect();
for (let n = 1; n < 32_000; n++) {
  await client.query({ name: 'write', text: 'insert into thrum_projection (name, version) values ($1, $2)', values: [String(n), n] });
  process.stdout.write(`${n}\n`);
}
