import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { freePort, startServer } from '../../scripts/server-process.ts';
import { until } from '../../scripts/story/watch.ts';

const PATIENCE_MS = 240_000;

/** The blocks of the tutorial as one shell script; the server is started by the test, and programs are saved where the page says. */
function scriptOf(page: string, folder: string): string {
  const steps: string[] = [];
  for (const [, name, language, body] of page.matchAll(/(?:<!-- run: (\S+) -->\n)?```(bash|js)\n([\s\S]*?)```/g)) {
    if (language === 'js') writeFileSync(join(folder, name!), body!);
    else if (!body!.includes('npm start')) steps.push(body!);
  }
  return steps.join('\n');
}

interface Run {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number | null;
}

/** Follows a page against a server of its own. `restartBefore`: the line before which the page has the server killed and started again. */
async function follow(t: ExecutionContext, page: string, restartBefore?: string): Promise<Run> {
  t.timeout(600_000);
  const dataDir = mkdtempSync(join(tmpdir(), 'thrum-tutorial-'));
  // below the project, because the program imports the client library
  mkdirSync('.tmp', { recursive: true });
  const folder = mkdtempSync(resolve('.tmp/tutorial-'));
  t.teardown(() => {
    for (const dir of [dataDir, folder]) rmSync(dir, { recursive: true, force: true });
  });
  const port = await freePort();
  let server = await startServer({ port, dataDir });
  t.teardown(() => server.end('SIGTERM'));
  await until('the studio is set up', () => server.output().includes('demo studio is set up'), PATIENCE_MS);

  let script = scriptOf(readFileSync(`docs/tutorial/${page}`, 'utf8'), folder).replaceAll('http://localhost:3000', server.url);
  if (restartBefore !== undefined) {
    t.true(script.includes(restartBefore));
    script = script.replace(restartBefore, `touch killed; until [ -e restarted ]; do sleep 0.1; done\n${restartBefore}`);
  }
  const shell = spawn('bash', ['-euc', `export URL\n${script}`], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  // a program that the page leaves running would keep the pipes open
  shell.once('exit', () => spawnSync('kill', ['--', `-${shell.pid}`]));
  const text = { stdout: '', stderr: '' };
  shell.stdout.on('data', (chunk: Buffer) => (text.stdout += chunk.toString()));
  shell.stderr.on('data', (chunk: Buffer) => (text.stderr += chunk.toString()));
  const ended = new Promise<number | null>((done) => void shell.once('close', done));
  const over = (): boolean => shell.exitCode !== null;
  if (restartBefore !== undefined) {
    await until('the page asks for another server', () => over() || existsSync(join(folder, 'killed')), PATIENCE_MS);
    await server.end('SIGKILL');
    server = await startServer({ port, dataDir });
    writeFileSync(join(folder, 'restarted'), '');
  }
  const status = await ended;
  t.log(text.stdout, text.stderr);
  t.is(status, 0, text.stderr);
  return { ...text, status };
}

test.serial('the tutorial "your first booking" works as it is written', async (t) => {
  const { stdout } = await follow(t, 'first-booking.md');
  t.deepEqual(stdout.match(/^status \d+$/gm), ['status 201', 'status 201', 'status 409', 'status 201']);
  t.regex(stdout, /"code":"SLOT_UNAVAILABLE"/);
  t.is(stdout.match(/^Quiet Room: \d+ busy times$/gm)?.length, 2);
});

test.serial('the tutorial "live in five minutes" works as it is written, with the server killed where the page says so', async (t) => {
  const { stdout } = await follow(t, 'live-in-five-minutes.md', 'node rename.mjs Second');
  t.is(stdout.match(/^committed as event \d+$/gm)?.length, 2);
  t.is(stdout.match(/^refused: VALIDATION/gm)?.length, 2);
  const last = stdout.slice(stdout.lastIndexOf('refused'));
  t.regex(last, /\n(.*)\nMia the First\nMia the Second\n$/, 'each view once and in order');
});
