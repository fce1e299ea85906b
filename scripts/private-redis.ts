import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';

/** A Redis of our own in a temporary folder, reached by unix socket; nothing else on the machine can see it. */
export interface PrivateRedis {
  readonly url: string;
  /** of the server; undefined while it is killed */
  readonly pid: number | undefined;
  /** what starts it again when somebody has ended it */
  readonly again: string;
  /** Kills the server; what it knew is lost unless it was started with `keep`. */
  kill(): Promise<void>;
  /** Starts it again after `kill`. */
  start(): Promise<void>;
  /** The process stands still, or goes on. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
  /** Ends the server and removes its folder. */
  stop(): Promise<void>;
}

const READY_WITHIN_MS = 30_000;

/** Path of `redis-server`, or undefined when it is not installed. */
export function redisBinary(): string | undefined {
  const { PATH = '' } = process.env;
  return PATH.split(delimiter)
    .map((dir) => join(dir, 'redis-server'))
    .find((path) => existsSync(path));
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = createConnection(socket, () => connection.write('PING\r\n'));
    const end = (yes: boolean): void => {
      connection.destroy();
      resolve(yes);
    };
    connection.once('data', (data) => end(data.toString().startsWith('+PONG')));
    connection.once('error', () => end(false));
  });
}

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly ended: Promise<void>;
}

/** The shell ends the server when its input ends, so that nothing is left behind even if this process is killed. */
export async function runGuarded(binary: string, args: readonly string[]): Promise<Running> {
  const guard = '"$@" >/dev/null 2>&1 & server=$!; echo "$server"; cat >/dev/null; kill -KILL "$server"; wait "$server"';
  const child = spawn('sh', ['-c', guard, 'sh', binary, ...args], { cwd: '/', detached: true, stdio: ['pipe', 'pipe', 'ignore'] });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  for await (const line of createInterface({ input: child.stdout })) return { child, pid: Number(line), ended };
  throw new Error('redis-server did not start');
}

/**
 * Starts Redis.
 *
 * @param o.keep a restarted server knows what it knew
 * @returns undefined when it is not installed
 */
export async function startRedis(o: { readonly keep?: boolean } = {}): Promise<PrivateRedis | undefined> {
  const binary = redisBinary();
  if (binary === undefined) return undefined;
  const dir = await mkdtemp(join(tmpdir(), 'thrum-redis-'));
  const socket = join(dir, 'redis.sock');
  const memory = ['--save', '', '--appendonly', o.keep === true ? 'yes' : 'no', '--appendfsync', 'always'];
  const args = ['--port', '0', '--unixsocket', socket, '--dir', dir, '--daemonize', 'no', ...memory];
  let running: Running | undefined;

  async function start(): Promise<void> {
    running = await runGuarded(binary ?? '', args);
    for (let waited = 0; waited < READY_WITHIN_MS; waited += 20) {
      if (await answers(socket)) return;
      await pause(20);
    }
    throw new Error('redis-server does not answer');
  }

  async function kill(): Promise<void> {
    running?.child.stdin?.end();
    await running?.ended;
    await rm(socket, { force: true });
    running = undefined;
  }

  await start();
  return {
    url: `unix://${socket}`,
    get pid() {
      return running?.pid;
    },
    again: [binary, ...args.map((arg) => (arg === '' ? "''" : arg))].join(' '),
    start,
    kill,
    signal: (name) => void (running !== undefined && process.kill(running.pid, name)),
    async stop() {
      await kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
