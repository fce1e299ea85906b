import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createServer } from 'node:net';
import { resolve } from 'node:path';

/** The product as a process of its own, as `npm start` runs it. */
export interface ServerProcess {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** ms from the start of the process to the first answer of `/readyz` */
  readonly readyMs: number;
  /** everything it has written, standard output and error */
  readonly output: () => string;
  /** The process stands still, or goes on. */
  readonly signal: (name: 'SIGSTOP' | 'SIGCONT') => void;
  /** when it ends, by whomever: the exit code, or the signal that ended it */
  readonly ended: Promise<number | string>;
  /** Sends the signal and waits for the end. Gives what `ended` does. */
  readonly end: (signal: 'SIGTERM' | 'SIGKILL') => Promise<number | string>;
}

/** a new embedded database is five seconds of work for a processor that may have twenty others to serve */
const READY_WITHIN_MS = 300_000;
/** then it is asked again, and seen whether it still runs */
const ANSWER_WITHIN_MS = 5_000;
const KEPT_CHARS = 200_000;

/** Ports that are handed out: below those that the system gives to connections and to whoever listens on any port. */
const PORTS = { first: 10_240, block: 64, blocks: 350 };
let handedOut = 0;

/** Takes the port for a moment. */
function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(false));
    server.listen(port, '127.0.0.1', () => server.close(() => done(true)));
  });
}

/**
 * A port that nobody listens on, and that stays free until it is used: each process has ports of its own, by its id, and gives each once. A port that
 * the system chose might be given to somebody else while the server that it was chosen for is still starting.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORTS.block * PORTS.blocks; tries += 1) {
    const n = (process.pid % PORTS.blocks) * PORTS.block + handedOut;
    handedOut += 1;
    const port = PORTS.first + (n % (PORTS.block * PORTS.blocks));
    if (await isFree(port)) return port;
  }
  throw new Error('no port');
}

export const pause = (ms: number): Promise<void> =>
  new Promise((done) => {
    setTimeout(done, ms);
  });

async function ready(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) })).ok;
  } catch {
    return false;
  }
}

/**
 * Starts the compiled server and waits until it is ready.
 *
 * @param env settings beside PORT and DATA_DIR; nothing of the caller's environment but PATH and HOME is passed on
 * @throws when it ends or does not answer within five minutes, with what it has written
 */
export async function startServer(o: {
  port: number;
  dataDir: string;
  env?: { readonly [name: string]: string };
  /** default the product */
  script?: string;
  /** file to which everything it writes is added */
  log?: string;
}): Promise<ServerProcess> {
  const url = `http://127.0.0.1:${o.port}`;
  const began = performance.now();
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [resolve(o.script ?? 'dist/server/main.js')], {
    env: { PATH, HOME, PORT: String(o.port), DATA_DIR: o.dataDir, ...o.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const keep = (chunk: Buffer): void => {
    text = (text + chunk.toString('utf8')).slice(-KEPT_CHARS);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  if (o.log !== undefined) {
    const file = createWriteStream(o.log, { flags: 'a' });
    child.stdout.pipe(file);
    child.stderr.pipe(file);
  }
  const ended = new Promise<number | string>((done) => {
    child.once('exit', (code, signal) => done(code ?? signal ?? 'unknown'));
  });
  const over = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<number | string> => {
    child.kill(signal);
    return ended;
  };

  while (!(await ready(url))) {
    const late = performance.now() - began > READY_WITHIN_MS;
    if (late) await end('SIGKILL');
    if (late || over()) throw new Error(`the server ${late ? 'did not become ready' : 'ended'}:\n${text}`);
    await pause(25);
  }
  return {
    url,
    port: o.port,
    pid: child.pid ?? 0,
    readyMs: performance.now() - began,
    output: () => text,
    signal: (name) => void child.kill(name),
    ended,
    end,
  };
}
