/**
 * Mutation checks (kernel.md 16.2.6): each mutant is the compiled kernel with one safeguard taken out, and the kernel's own suites must fail on
 * it. A mutant that survives means that nobody would notice the safeguard's loss. A safeguard that was reworded fails here too, by its name.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import test from 'ava';

interface Mutant {
  readonly without: string;
  /** below `dist/` */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** suites below `dist/test/`, of which at least one must fail */
  readonly suites: readonly string[];
}

const KERNEL = ['kernel/*.test.js'];

const mutants: readonly Mutant[] = [
  {
    without: 'the gate of replies',
    file: 'actors/activation.js',
    find: 'this.#k.committer(this.at.slot).submit(unit);',
    replace: 'this.#k.committer(this.at.slot).submit(unit); answer(e, reply);',
    suites: KERNEL,
  },
  {
    without: 'the gate of refusals computed on uncommitted state',
    file: 'actors/activation.js',
    find: 'last.waiters.push({ envelope: e, reply });',
    replace: 'answer(e, reply);',
    suites: KERNEL,
  },
  {
    without: 'the rule of one statement in flight',
    file: 'actors/committer.js',
    find: 'if (this.#busy || this.#stopped || this.#open.empty)',
    replace: 'if (this.#stopped || this.#open.empty)',
    suites: KERNEL,
  },
  {
    without: 'the comparison of commit ids',
    file: 'actors/committer.js',
    find: 'if (stored === cid)',
    replace: 'if (stored !== undefined)',
    suites: KERNEL,
  },
  {
    without: 'the sequence of the invocation',
    file: 'actors/internal.js',
    find: 'if (base.state.calls[invoke] !== id.seq)',
    replace: 'if (base.state.calls[invoke] === undefined)',
    suites: KERNEL,
  },
];

const made: string[] = [];

/** A copy of what was compiled, with the change; its dependencies are the real ones. */
function mutate({ without, file, find, replace }: Mutant): string {
  mkdirSync('.tmp', { recursive: true });
  const dir = mkdtempSync(resolve('.tmp/mutant-'));
  made.push(dir);
  cpSync('dist', join(dir, 'dist'), { recursive: true, filter: (path) => !/\/(web|bench|static|mutation|e2e)$/.test(path) });
  for (const name of ['node_modules', 'package.json', 'ava.config.js']) symlinkSync(resolve(name), join(dir, name));
  const path = join(dir, 'dist', file);
  const text = readFileSync(path, 'utf8');
  if (text.split(find).length !== 2) throw new Error(`the safeguard '${without}' is not where it was: ${file} must hold once: ${find}`);
  writeFileSync(
    path,
    text.replace(find, () => replace),
  );
  return dir;
}

async function runSuites(dir: string, suites: readonly string[]): Promise<{ code: number | null; text: string }> {
  const ava = resolve('node_modules/ava/entrypoints/cli.mjs');
  const child = spawn(process.execPath, [ava, '--fail-fast', '--timeout=20s', ...suites.map((s) => `dist/test/${s}`)], {
    cwd: dir,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  const code = await new Promise<number | null>((done) => {
    child.once('exit', done);
  });
  return { code, text };
}

test.after.always(() => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true });
});

for (const mutant of mutants) {
  test.serial(`the kernel without ${mutant.without} does not pass its suites`, async (t) => {
    t.timeout(120_000);
    const { code, text } = await runSuites(mutate(mutant), mutant.suites);
    t.not(code, 0, 'the mutant survived');
    t.regex(text, /✘ \[fail\]|Timed out|uncaught exception|unhandled rejection/i, text.slice(-2_000));
    const [first] = /✘ .*/.exec(text) ?? [];
    t.log(first ?? 'no failed test');
  });
}
