import test from 'ava';
import type { ExecutionContext } from 'ava';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LockedError, takeLock } from '../../server/db/lock.ts';

function path(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'thrum-lock-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'pg.lock');
}

test('a lock is held once, and again after its release; nothing else stays in the directory', (t) => {
  const file = path(t);
  const release = takeLock(file);
  t.throws(() => takeLock(file), { instanceOf: LockedError, message: new RegExp(`process ${process.pid} `) });
  release();
  takeLock(file)();
  t.deepEqual(readdirSync(join(file, '..')), []);
});

test('the lock of a dead process is taken over, also when its pid is in use again', (t) => {
  const file = path(t);
  const { pid } = spawnSync('true');
  for (const holder of [
    { pid, started: '1', token: 'a' },
    { pid: process.pid, started: '1', token: 'b' },
  ]) {
    if (holder.pid === process.pid && process.platform !== 'linux') continue;
    writeFileSync(file, JSON.stringify(holder));
    const release = takeLock(file);
    t.is((JSON.parse(readFileSync(file, 'utf8')) as { pid: number }).pid, process.pid);
    release();
  }
});

test('what is no lock at all is replaced', (t) => {
  const file = path(t);
  writeFileSync(file, '');
  takeLock(file)();
  writeFileSync(file, 'nonsense');
  t.notThrows(takeLock(file));
});

test('a lock that another process has meanwhile taken is not released', (t) => {
  const file = path(t);
  const release = takeLock(file);
  const theirs = JSON.stringify({ pid: 1, started: null, token: 'theirs' });
  writeFileSync(file, theirs);
  release();
  t.is(readFileSync(file, 'utf8'), theirs);
});
