/**
 * Runs everything that must hold: lint, format, size and coverage of the client library, then the test suite over every store that the machine has.
 * Arguments go to AVA (`npm test -- dist/test/kernel/*.test.js`); then only they run.
 * The last line is `N passed, N failed, N skipped`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';

const { startPostgres } = await import('../dist/scripts/private-postgres.js');

const patterns = process.argv.slice(2);
const count = { passed: 0, failed: 0, skipped: 0 };
const skips = [];

function check(name, command, args) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  const ok = status === 0;
  count[ok ? 'passed' : 'failed'] += 1;
  process.stdout.write(ok ? `  ✔ ${name}\n` : `${stdout}${stderr}\n  ✘ ${name}\n`);
}

/** AVA's own output, line by line as it comes; the marks at the beginning of a line are counted. */
async function suite(env) {
  const child = spawn('node_modules/.bin/ava', patterns, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let failed = 0;
  let other = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    process.stdout.write(`${line}\n`);
    if (line.startsWith('  ✔ ')) count.passed += 1;
    else if (line.startsWith('  ✘ [fail]')) failed += 1;
    else if (line.startsWith('  - [skip] ') || line.startsWith('  - [todo] ')) {
      count.skipped += 1;
      skips.push(line.slice(4));
    } else if (/^ {2}\d+ (uncaught exception|unhandled rejection)/.test(line)) other += Number.parseInt(line, 10);
  }
  const code = child.exitCode ?? (await new Promise((resolve) => child.once('exit', resolve)));
  count.failed += failed + other;
  if (code !== 0 && failed + other === 0) count.failed += 1; // a file that crashed, a time-out, no test found
}

async function main() {
  if (patterns.length === 0) {
    check('lint', 'node_modules/.bin/oxlint', ['--type-aware', '.']);
    check('format', 'node_modules/.bin/oxfmt', ['--check', '.']);
    check('sizes of the client library', process.execPath, ['scripts/size.mjs']);
    check('coverage of the client library', process.execPath, ['scripts/coverage-sdk.mjs']);
  }
  const given = process.env.TEST_DATABASE_URL;
  // Nothing here must survive a power cut, so the flushes are off.
  const own = given ? undefined : await startPostgres({ fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' });
  process.stdout.write(
    own
      ? `  PostgreSQL ${own.version}, private\n`
      : given
        ? '  PostgreSQL of TEST_DATABASE_URL\n'
        : '  no PostgreSQL: its half of the suites is skipped\n',
  );
  const stop = () => void (own?.stop() ?? Promise.resolve()).finally(() => process.exit(130));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    await suite(own ? { ...process.env, TEST_DATABASE_URL: own.url } : process.env);
  } finally {
    await own?.stop();
  }
}

await main();
if (skips.length > 0) process.stdout.write(`\nSkipped:\n${skips.map((s) => `  ${s}`).join('\n')}\n`);
process.stdout.write(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`);
process.exitCode = count.failed > 0 ? 1 : 0;
