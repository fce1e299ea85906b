/** `npm run gen`: writes what is made from the code. With `--check` it writes nothing and fails when a file is out of date. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buildApp } from '../server/app.ts';
import { readConfig } from '../server/config.ts';
import { generated } from './generated.ts';

async function main(): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'thrum-gen-'));
  const app = await buildApp(readConfig({ DATA_DIR: dataDir, LOG_LEVEL: 'silent', DEMO: 'off' }));
  try {
    const check = process.argv.includes('--check');
    for (const [path, text] of generated(app)) {
      const old = await readFile(path, 'utf8').catch(() => '');
      if (old === text) continue;
      process.stdout.write(`${check ? 'out of date' : 'wrote'} ${path}\n`);
      if (check) process.exitCode = 1;
      else {
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, text);
      }
    }
  } finally {
    await app.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

await main();
