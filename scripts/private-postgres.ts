import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';

/** A PostgreSQL of our own in a temporary folder, reached by unix socket; nothing else on the machine can see it. */
export interface PrivatePostgres {
  readonly url: string;
  /** `15.18` */
  readonly version: string;
  /** of the server; another one after `restart` */
  pid(): Promise<number>;
  /** what starts it again when somebody has ended it */
  readonly again: string;
  /** Kills the server like a crash and starts it again over what it had written. */
  restart(): Promise<void>;
  /** Ends the server and removes its folder. */
  stop(): Promise<void>;
}

const PLACES = ['/usr/lib/postgresql/15/bin', '/usr/local/pgsql/bin', '/opt/homebrew/opt/postgresql@15/bin'];
const READY_WITHIN_MS = 30_000;

/** Folder with the programs of PostgreSQL, or undefined when there is none. */
export function postgresBinaries(): string | undefined {
  const debian = '/usr/lib/postgresql';
  const others = existsSync(debian) ? readdirSync(debian).map((version) => join(debian, version, 'bin')) : [];
  return [...PLACES, ...others].find((dir) => existsSync(join(dir, 'initdb')) && existsSync(join(dir, 'postgres')));
}

/** The server refuses to run as root; then it runs as the system's user `postgres`. */
function runAs(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const number = (flag: string): number => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout.trim());
  const [uid, gid] = [number('-u'), number('-g')];
  if (!uid || !gid) throw new Error('root cannot run PostgreSQL, and there is no user postgres');
  return { uid, gid };
}

async function answers(url: string): Promise<string | undefined> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ version: string }>("select split_part(current_setting('server_version'), ' ', 1) as version");
    return rows[0]?.version;
  } catch {
    return undefined;
  } finally {
    await client.end().catch(() => undefined);
  }
}

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => {
    child.once('exit', resolve);
  });
}

/**
 * Starts PostgreSQL with the given settings.
 *
 * @param settings server parameters, such as `{ fsync: 'off' }`
 * @param under    folder for the data; default the system's temporary folder
 * @returns undefined when the programs are not installed
 */
export async function startPostgres(settings: { readonly [name: string]: string }, under = tmpdir()): Promise<PrivatePostgres | undefined> {
  const bin = postgresBinaries();
  if (bin === undefined) return undefined;
  const user = runAs();
  const dir = await mkdtemp(join(under, 'thrum-pg-'));
  if (user.uid !== undefined && user.gid !== undefined) await chown(dir, user.uid, user.gid);
  const data = join(dir, 'data');
  const log = join(dir, 'log');

  const init = spawnSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync', '--no-instructions'],
    { ...user, cwd: dir, encoding: 'utf8' },
  );
  if (init.status !== 0) {
    await rm(dir, { recursive: true, force: true });
    throw new Error(`initdb failed: ${init.stderr}`);
  }

  const parameters = { listen_addresses: '', unix_socket_directories: dir, max_connections: '200', ...settings };
  const args = [join(bin, 'postgres'), '-D', data, ...Object.entries(parameters).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  // The shell ends the server when its input ends, so that nothing is left behind even if this process is killed.
  const guard =
    '"$@" >>"$LOG" 2>&1 & server=$!; cat >/dev/null; kill -INT "$server" 2>/dev/null; wait "$server"; [ -n "$(cat "$DIR/again" 2>/dev/null)" ] || rm -rf "$DIR"';
  const run = (): ChildProcess & { stdin: NodeJS.WritableStream } =>
    spawn('sh', ['-c', guard, 'sh', ...args], {
      ...user,
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { ...process.env, LOG: log, DIR: dir },
    });
  let child = run();
  const stop = async (): Promise<void> => {
    child.stdin.end();
    await ended(child);
    await rm(dir, { recursive: true, force: true });
  };

  const url = `postgresql://postgres@localhost/postgres?host=${encodeURIComponent(dir)}`;
  async function ready(): Promise<string> {
    for (let waited = 0; waited < READY_WITHIN_MS && child.exitCode === null; waited += 100) {
      const version = await answers(url);
      if (version !== undefined) return version;
      await pause(100);
    }
    const said = await readFile(log, 'utf8').catch(() => '');
    await stop();
    throw new Error(`PostgreSQL did not start: ${said}`);
  }
  const pid = async (): Promise<number> => Number((await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n')[0]);
  async function restart(): Promise<void> {
    await writeFile(join(dir, 'again'), 'yes');
    process.kill(await pid(), 'SIGQUIT');
    child.stdin.end();
    await ended(child);
    await rm(join(dir, 'again'));
    child = run();
    await ready();
  }
  const again = `${process.getuid?.() === 0 ? 'setpriv --reuid=postgres --regid=postgres --clear-groups ' : ''}${args.join(' ')}`;
  return { version: await ready(), url, pid, again, restart, stop };
}
