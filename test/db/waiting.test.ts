import test from 'ava';
import { createConnection, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { openDatabase } from '../../server/db/database.ts';
import { KeptLog } from '../support/kernel.ts';
import { startPostgres } from '../support/postgres.ts';

/** ErrorResponse of a server that is still starting. */
function starting(): Buffer {
  const fields = Buffer.from('SFATAL\0C57P03\0Mthe database system is starting up\0\0');
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

test('a server that is still starting is waited for; a database that does not exist is not', async (t) => {
  const server = await startPostgres();
  if ('skip' in server) {
    t.log(server.skip);
    t.pass();
    return;
  }
  const url = new URL((await server.database()).replace('@/', '@localhost/'));
  const folder = url.searchParams.get('host') ?? '';
  let refused = 0;
  const proxy = createServer((socket) => {
    socket.on('error', () => undefined);
    if (refused < 2) {
      refused += 1;
      socket.once('data', () => socket.end(starting()));
    } else {
      const behind = createConnection(join(folder, '.s.PGSQL.5432'));
      behind.on('error', () => socket.destroy());
      socket.pipe(behind).pipe(socket);
    }
  });
  await new Promise<void>((resolve) => void proxy.listen(0, '127.0.0.1', resolve));
  t.teardown(async () => {
    proxy.close();
    await server.stop();
  });
  const log = new KeptLog();
  const at = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const database = await openDatabase({ url: `postgres://postgres@${at}${url.pathname}`, dataDir: '' }, log);
  await database.close();
  t.is(refused, 2);
  t.deepEqual(
    log.lines.map((line) => line.message),
    ['waiting for the database'],
  );
  await t.throwsAsync(openDatabase({ url: `postgres://postgres@${at}/nowhere`, dataDir: '' }, log), { code: '3D000' });
});
