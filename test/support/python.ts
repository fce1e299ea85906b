/** The receiver in Python of the documentation, as a process. */
import test from 'ava';
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The first interpreter that has the packages: Debian installs them for its own. */
const interpreter = ['python3', '/usr/bin/python3'].find((path) => spawnSync(path, ['-c', 'import socketio, websocket']).status === 0);

/** Skipped where `python3-socketio` and `python3-websocket` are not installed. */
export const pythonTest = interpreter === undefined ? test.skip : test.serial;

export interface Line {
  readonly n?: number;
  readonly s?: number;
  readonly view?: { readonly n: number };
  readonly user?: string;
}

/** What it prints, as it comes. */
export function receiver(url: string, topic: string, token: string): { lines: Line[]; errors: () => string; end: () => void } {
  const script = fileURLToPath(new URL('../../../docs/examples/receiver.py', import.meta.url));
  const child = spawn(interpreter ?? 'python3', [script, url, topic, token]);
  const lines: Line[] = [];
  let errors = '';
  createInterface(child.stdout).on('line', (line) => lines.push(JSON.parse(line) as Line));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  return { lines, errors: () => errors, end: () => child.kill('SIGKILL') };
}
