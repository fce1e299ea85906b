import test from 'ava';
import type { ExecutionContext } from 'ava';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openDatabase } from '../../server/db/database.ts';
import type { DatabaseConfig } from '../../server/db/database.ts';
import { embeddedDir } from '../support/embedded.ts';
import { quiet } from '../support/log.ts';

async function open(t: ExecutionContext, more: Partial<DatabaseConfig> = {}) {
  const dataDir = await embeddedDir();
  const database = await openDatabase({ dataDir, ...more }, quiet);
  t.teardown(async () => {
    await database.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  return database;
}

test.serial('a connection keeps the engine for its transaction, and others see it all or not at all', async (t) => {
  const database = await open(t);
  const [a, b] = [await database.connect(), await database.connect({ pipeline: true })];
  await a.query('begin');
  await a.query('insert into thrum_projection (name, version) values ($$one$$, 1)');
  let seen: unknown;
  const other = b.query('select count(*) as n from thrum_projection').then(({ rows }) => (seen = rows[0]));
  await a.query('insert into thrum_projection (name, version) values ($$two$$, 2)');
  t.is(seen, undefined);
  await a.query('commit');
  await other;
  t.deepEqual(seen, { n: 2 });
  await Promise.all([a.end(), b.end()]);
});

test.serial('prepared statements of one name on two connections do not meet, and go with their connection', async (t) => {
  const database = await open(t);
  const [a, b] = [await database.connect(), await database.connect()];
  for (let i = 0; i < 3; i++) {
    t.deepEqual((await a.query({ name: 'same', text: 'select $1::int + 1 as n', values: [i] })).rows, [{ n: i + 1 }]);
    t.deepEqual((await b.query({ name: 'same', text: `select $1::text || 'x' as s`, values: ['é'] })).rows, [{ s: 'éx' }]);
  }
  await a.end();
  await t.throwsAsync(b.query({ name: 'wrong', text: 'select nothing' }), { message: /nothing/ });
  const { rows } = await b.query('select count(*) as n from pg_prepared_statements');
  t.deepEqual(rows, [{ n: 1 }]);
  await b.end();
});

test.serial('a connection that breaks inside a transaction leaves nothing behind', async (t) => {
  const database = await open(t);
  const [a, b] = [await database.connect(), await database.connect()];
  await a.query('begin');
  await a.query('insert into thrum_projection (name, version) values ($$one$$, 1)');
  a.on('error', () => undefined);
  (a as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  t.deepEqual((await b.query('select count(*) as n from thrum_projection')).rows, [{ n: 0 }]);
  await b.end();
});

test.serial('a transaction that keeps others waiting too long is rolled back and its connection ended', async (t) => {
  const database = await open(t, { idleInTransaction: 50 });
  const [a, b] = [await database.connect(), await database.connect()];
  const ended = once(a, 'error');
  await a.query('begin');
  await a.query('insert into thrum_projection (name, version) values ($$one$$, 1)');
  t.deepEqual((await b.query('select count(*) as n from thrum_projection')).rows, [{ n: 0 }]);
  t.regex(String((await ended)[0]), /idle-in-transaction/);
  await b.end();
});

test.serial('a connection waits for an engine that is busy, for longer than it would for a server that says nothing', async (t) => {
  const database = await open(t);
  const busy = await database.connect();
  const long = busy.query('select pg_sleep(5.5)');
  const [late] = await Promise.all([database.connect(), long]);
  t.deepEqual((await late.query('select 1 as n')).rows, [{ n: 1 }]);
  await Promise.all([busy.end(), late.end()]);
});

test.serial('an error inside a batch of messages leaves the connection usable', async (t) => {
  const database = await open(t);
  const a = await database.connect({ pipeline: true });
  const outcomes = await Promise.allSettled([
    a.query('select 1 as n'),
    a.query({ text: 'select $1::int / 0 as n', values: [1] }),
    a.query({ text: 'select $1::int as n', values: [3] }),
  ]);
  t.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  await a.end();
});

test.serial('instants are epoch milliseconds, safe bigints numbers, others text, dates text', async (t) => {
  const database = await open(t);
  const row = (
    await database.knex.raw<{ rows: object[] }>(
      `select '2026-01-31 10:00:00.123456+02'::timestamptz as at, '0099-01-01'::date as d, 9007199254740991::bigint as safe,
              9007199254740993::bigint as large, 1.10::numeric as money, null::timestamptz as never`,
    )
  ).rows[0];
  t.deepEqual(row, {
    at: Date.UTC(2026, 0, 31, 8, 0, 0, 123),
    d: '0099-01-01',
    safe: 9007199254740991,
    large: '9007199254740993',
    money: '1.10',
    never: null,
  });
});

test.serial('what was committed survives kill -9 of the process, and the lock of the dead process is taken over', async (t) => {
  const dataDir = await embeddedDir();
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }));
  const child = spawn(process.execPath, [fileURLToPath(new URL('../support/writer.js', import.meta.url)), dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  let acknowledged = 0;
  for await (const chunk of child.stdout) {
    acknowledged = Number(String(chunk).trim().split('\n').at(-1));
    if (acknowledged < 200) continue;
    await t.throwsAsync(openDatabase({ dataDir }, quiet), { name: 'LockedError' });
    child.kill('SIGKILL');
    break;
  }
  await exited;
  const database = await openDatabase({ dataDir }, quiet);
  const [{ n }] = (await database.knex('thrum_projection').max('version as n')) as [{ n: number }];
  t.true(n >= acknowledged, `${n} of ${acknowledged}`);
  t.is(database.durability, 'process');
  await database.close();
});

test.serial('a directory that cannot be used is an error at the start, and leaves no lock', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'thrum-data-'));
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }));
  writeFileSync(join(dataDir, 'pg'), 'not a directory');
  await t.throwsAsync(openDatabase({ dataDir }, quiet), { message: /EEXIST/ });
  t.deepEqual(readdirSync(dataDir), ['pg']);
});
