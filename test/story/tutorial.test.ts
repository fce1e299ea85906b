import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import test from 'ava';
import { freePort, startServer } from '../../scripts/server-process.ts';
import { until } from '../../scripts/story/watch.ts';

/** The blocks of the tutorial as one shell script; the server is started by the test, and programs are saved where the page says. */
function scriptOf(page: string, folder: string): string {
  const steps: string[] = [];
  for (const [, name, language, body] of page.matchAll(/(?:<!-- run: (\S+) -->\n)?```(bash|js)\n([\s\S]*?)```/g)) {
    if (language === 'js') writeFileSync(join(folder, name!), body!);
    else if (!body!.includes('npm start')) steps.push(body!);
  }
  return steps.join('\n');
}

test('the tutorial works as it is written', async (t) => {
  t.timeout(300_000);
  const dataDir = mkdtempSync(join(tmpdir(), 'thrum-tutorial-'));
  // below the project, because the program imports the client library
  mkdirSync('.tmp', { recursive: true });
  const folder = mkdtempSync(resolve('.tmp/tutorial-'));
  t.teardown(() => {
    for (const dir of [dataDir, folder]) rmSync(dir, { recursive: true, force: true });
  });
  const port = await freePort();
  const server = await startServer({ port, dataDir });
  t.teardown(() => server.end('SIGTERM'));
  await until('the studio is set up', () => server.output().includes('demo studio is set up'));

  const script = scriptOf(readFileSync('docs/tutorial/first-booking.md', 'utf8'), folder).replaceAll('http://localhost:3000', server.url);
  const { stdout, stderr, status } = spawnSync('bash', ['-euc', `export URL\n${script}`], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 120_000,
  });
  t.log(stdout, stderr);
  t.is(status, 0, stderr);
  t.deepEqual(stdout.match(/^status \d+$/gm), ['status 201', 'status 201', 'status 409', 'status 201']);
  t.regex(stdout, /"code":"SLOT_UNAVAILABLE"/);
  t.is(stdout.match(/^Quiet Room: \d+ busy times$/gm)?.length, 2);
});
