/** Applies a mutant to a copy of what was compiled and lets its finders look for it. */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { kernelCopy } from '../simulation/kernel-copy.ts';
import type { Mutant } from './mutants.ts';

/** @throws when the text to replace does not stand there exactly once: the safeguard was reworded, or is gone */
export function mutated({ name, file, edits }: Mutant, whole: string): string {
  let text = whole;
  for (const [wanted, instead] of edits) {
    const parts = text.split(wanted);
    if (parts.length !== 2) throw new Error(`'${wanted}' stands ${parts.length - 1} times in ${file}; the mutant '${name}' needs it once`);
    text = parts.join(instead);
  }
  return text;
}

async function bySimulation(mutant: Mutant, seeds: number, nodes = 1): Promise<string | undefined> {
  const { simulate, remove } = await kernelCopy(mutant.name, [mutant.file], (text) => mutated(mutant, text));
  try {
    for (let seed = 1; seed <= seeds; seed += 1) {
      const { failure } = await simulate({ seed, nodes });
      if (failure !== undefined) return `seed ${seed}: ${failure.message}`;
    }
    return undefined;
  } finally {
    remove();
  }
}

async function bySuites(mutant: Mutant, suites: readonly string[]): Promise<string | undefined> {
  mkdirSync('.tmp', { recursive: true });
  const dir = mkdtempSync(resolve('.tmp/mutant-'));
  try {
    cpSync('dist', join(dir, 'dist'), { recursive: true, filter: (path) => !/\/(web|bench|static|mutation|e2e|\.copies)$/.test(path) });
    for (const name of ['node_modules', 'package.json', 'ava.config.js']) symlinkSync(resolve(name), join(dir, name));
    const path = join(dir, 'dist', mutant.file);
    writeFileSync(path, mutated(mutant, readFileSync(path, 'utf8')));
    return await failureOf(dir, suites);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The first failure of the suites as AVA prints it; undefined when they pass. @throws when they did not run */
async function failureOf(dir: string, suites: readonly string[]): Promise<string | undefined> {
  const ava = resolve('node_modules/ava/entrypoints/cli.mjs');
  const child = spawn(process.execPath, [ava, '--fail-fast', '--timeout=40s', ...suites.map((s) => `dist/test/${s}`)], {
    cwd: dir,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  const code = await new Promise<number | null>((done) => {
    child.once('exit', done);
  });
  if (code === 0) return undefined;
  const [failed] = /✘ .*|.*(Timed out|uncaught exception|unhandled rejection).*/i.exec(text) ?? [];
  if (failed === undefined) throw new Error(`the suites did not run:\n${text.slice(-2_000)}`);
  return failed.trim();
}

/** What noticed the mutant; undefined when it lives. */
export const hunt = (mutant: Mutant): Promise<string | undefined> =>
  'seeds' in mutant.found ? bySimulation(mutant, mutant.found.seeds, mutant.found.nodes) : bySuites(mutant, mutant.found.suites);
