/** Compiles everything: TypeScript by its incremental build, the web pages by Vite when their sources have changed. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

function run(command, args) {
  const { status } = spawnSync(join('node_modules', '.bin', command), args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** Newest modification time below a folder, ms; 0 when it does not exist. */
function newest(path) {
  if (!existsSync(path)) return 0;
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}

/** Removes compiled files whose source has gone, so that a deleted test is not run for ever. */
function prune(path) {
  for (const entry of existsSync(path) ? readdirSync(path, { withFileTypes: true }) : []) {
    const full = join(path, entry.name);
    if (entry.isDirectory()) prune(full);
    else if (/\.js(\.map)?$/.test(entry.name) && !existsSync(full.replace(/^dist\//, '').replace(/\.js(\.map)?$/, '.ts'))) rmSync(full);
  }
}

for (const folder of ['actors', 'bench', 'calc', 'machines', 'migrations', 'scripts', 'server', 'test']) prune(join('dist', folder));
run('tsc', ['-b']);
cpSync('server/redis/lua', 'dist/server/redis/lua', { recursive: true });

const sources = [
  'web/src',
  'web/public',
  'web/index.html',
  'web/inspect.html',
  'web/vite.config.ts',
  'client-sdk/dist',
  'package-lock.json',
];
if (existsSync('web/vite.config.ts') && newest('dist/web/.built') < Math.max(...sources.map(newest))) {
  run('vite', ['build', 'web', '--logLevel', 'warn']);
}
