/** The client library as it is published: packed, unpacked elsewhere, and used. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import anyTest from 'ava';
import type { TestFn } from 'ava';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const test = anyTest as TestFn<{ app: string; folder: string; entries: string[] }>;

/** A folder with the package in its `node_modules`, and what the package depends on. */
test.before((t) => {
  const app = mkdtempSync(join(tmpdir(), 'thrum-package-'));
  const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', app], { cwd: 'client-sdk', encoding: 'utf8' });
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  const folder = join(app, 'node_modules/@thrum/client');
  mkdirSync(folder, { recursive: true });
  execFileSync('tar', ['-xzf', join(app, filename), '--strip-components=1', '-C', folder]);
  for (const name of ['socket.io-client', 'react', '@types/react', '@types/node']) {
    const at = join(app, 'node_modules', name);
    mkdirSync(join(at, '..'), { recursive: true });
    symlinkSync(resolve('node_modules', name), at);
  }
  const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { exports: object };
  const entries = Object.keys(exports)
    .filter((e) => e !== './package.json')
    .map((e) => join('@thrum/client', e));
  t.context = { app, folder, entries };
});

test.after.always(({ context }) => rmSync(context.app, { recursive: true, force: true }));

test('publint has nothing to say', async (t) => {
  const { folder } = t.context;
  const { messages, pkg } = await publint({ pkgDir: folder, strict: true });
  t.deepEqual(
    messages.map((m) => formatMessage(m, pkg)),
    [],
  );
});

test('every entry can be imported by Node.js', (t) => {
  const { app, entries } = t.context;
  const code = entries.map((e) => `await import('${e}');`).join('');
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { cwd: app, encoding: 'utf8' });
  t.is(status, 0, stderr);
});

for (const [module, moduleResolution] of [
  ['nodenext', 'nodenext'],
  ['esnext', 'bundler'],
] as const) {
  test(`every entry has its types, with ${moduleResolution} resolution`, (t) => {
    const { app, entries } = t.context;
    const dir = join(app, moduleResolution);
    mkdirSync(dir);
    const lines = entries.map((e, i) => `import * as m${i} from '${e}';\nexport const keep${i}: object = m${i};`);
    const use = `import { createClient } from '@thrum/client';
export const score: number | undefined = createClient({ url: 'http://x' }).topic('user:me/energy').value?.score;
// @ts-expect-error a view has no such field
export const wrong = createClient({ url: 'http://x' }).topic('user:me/energy').value?.energie;`;
    writeFileSync(join(dir, 'app.mts'), `${lines.join('\n')}\n${use}\n`);
    const options = {
      module,
      moduleResolution,
      target: 'es2022',
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      lib: ['es2023', 'dom', 'dom.iterable'],
    };
    writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify({ compilerOptions: { ...options, types: [] }, files: ['app.mts'] }));
    const { status, stdout } = spawnSync(process.execPath, [resolve('node_modules/typescript/bin/tsc'), '-p', dir], { encoding: 'utf8' });
    t.is(status, 0, stdout);
  });
}
