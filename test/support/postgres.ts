/** A Postgres server for tests: the one of TEST_DATABASE_URL, or a private one from the binaries of this machine. */
import { execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';

export interface TestServer {
  /** a new, empty database; gives its URL */
  database(): Promise<string>;
  stop(): Promise<void>;
}

/** The server, or the reason why there is none. */
export async function startPostgres(): Promise<TestServer | { skip: string }> {
  const given = process.env['TEST_DATABASE_URL'];
  if (given) return server(given, async () => undefined);
  const bin = binaries();
  if (!bin) return { skip: 'TEST_DATABASE_URL is not set and no Postgres binaries are installed' };
  return privateServer(bin);
}

function binaries(): string | undefined {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(a) - Number(b)) : [];
  return versions.map((version) => join(root, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb')));
}

/** Runs on a unix socket in a temporary directory. A server refuses to run as root, who therefore becomes `postgres`. */
async function privateServer(bin: string): Promise<TestServer | { skip: string }> {
  const dir = mkdtempSync(join(tmpdir(), 'thrum-pg-'));
  const as: { uid?: number; gid?: number } = {};
  if (process.getuid?.() === 0) {
    try {
      as.uid = Number(execFileSync('id', ['-u', 'postgres'], { encoding: 'utf8' }));
      as.gid = Number(execFileSync('id', ['-g', 'postgres'], { encoding: 'utf8' }));
    } catch {
      return { skip: 'running as root, and there is no user postgres' };
    }
    chownSync(dir, as.uid, as.gid);
  }
  const data = join(dir, 'data');
  execFileSync(join(bin, 'initdb'), ['-D', data, '-A', 'trust', '-U', 'postgres', '--no-sync', '-E', 'UTF8', '--locale=C.UTF-8'], {
    ...as,
    cwd: dir,
    stdio: 'ignore',
  });
  const options = ['-D', data, '-k', dir, '-h', '', '-F', '-c', 'max_connections=50', '-c', 'deadlock_timeout=200ms'];
  const child = spawn(join(bin, 'postgres'), options, { ...as, cwd: dir, stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const kill = (): void => void child.kill('SIGQUIT');
  process.once('exit', kill);
  await listening(join(dir, '.s.PGSQL.5432'), () => child.exitCode === null);
  return server(`postgres://postgres@/postgres?host=${encodeURIComponent(dir)}`, async () => {
    process.off('exit', kill);
    child.kill('SIGINT');
    await ended;
    rmSync(dir, { recursive: true, force: true });
  });
}

async function listening(socket: string, alive: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 300 && alive(); attempt++) {
    const up = await new Promise<boolean>((resolve) => {
      const connection = createConnection(socket);
      connection.once('connect', () => resolve(connection.destroy() !== undefined));
      connection.once('error', () => resolve(false));
    });
    if (up) return;
    await pause(50);
  }
  throw new Error('the private Postgres server does not start');
}

function server(url: string, stop: () => Promise<void>): TestServer {
  const made: string[] = [];
  const admin = async (sql: string): Promise<void> => {
    for (let attempt = 0; ; attempt++) {
      const client = new Client({ connectionString: url });
      try {
        await client.connect();
        await client.query(sql);
        return;
      } catch (error) {
        // 57P03: still starting up
        if ((error as { code?: string }).code !== '57P03' || attempt >= 100) throw error;
        await pause(50);
      } finally {
        await client.end();
      }
    }
  };
  return {
    database: async () => {
      const name = `thrum_test_${process.pid}_${Date.now()}_${made.length}`;
      await admin(`create database ${name}`);
      made.push(name);
      const one = new URL(url.replace('postgres://postgres@/', 'postgres://postgres@unix/'));
      one.pathname = `/${name}`;
      return one.href.replace('@unix/', '@/');
    },
    stop: async () => {
      for (const name of made) await admin(`drop database if exists ${name} with (force)`);
      await stop();
    },
  };
}
