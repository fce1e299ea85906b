/**
 * Runs the tests of the client library and fails when less than 95 % of its own lines were executed, in Node or in the pages of the tests.
 * A line counts when the compiler made code of it: comments, types and blank lines do not. Needs a build; prints what was not executed.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const WANTED = 0.95;
const RAW = resolve('dist/coverage-sdk');
const SOURCES = 'client-sdk/src/';

try {
  accessSync(process.env.CHROMIUM_PATH ?? '/usr/bin/chromium');
} catch {
  console.log('coverage of the client library is not measured: a part of it needs a browser (set CHROMIUM_PATH)');
  process.exit(0);
}

/** Every piece of code that came from the library: `{ offset, source, line }`, where `source` is the path below client-sdk/src and lines count from 1. */
function piecesOf(text, map) {
  const pieces = [];
  let offset = 0;
  text.split('\n').forEach((code, at) => {
    for (let column = 0; column < code.length && !code.startsWith('//#'); column += 1) {
      const { generatedLine, generatedColumn, originalLine, originalSource } = map.findEntry(at, column);
      if (generatedLine !== at || generatedColumn !== column || originalSource === undefined) continue;
      const source = originalSource.includes(SOURCES) ? originalSource.split(SOURCES)[1] : originalSource.replace(/^(\.\.\/)+src\//, '');
      if (!source.includes('node_modules')) pieces.push({ offset: offset + column, source, line: originalLine + 1 });
    }
    offset += code.length + 1;
  });
  return pieces;
}

/** 1 for each character of the script that was executed. V8 reports ranges that lie in each other; the innermost one counts. */
function executed(length, functions) {
  const ran = new Uint8Array(length);
  const ranges = functions.flatMap((f) => f.ranges);
  ranges.sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
  for (const { startOffset, endOffset, count } of ranges) ran.fill(count > 0 ? 1 : 0, startOffset, endOffset);
  return ran;
}

const scripts = new Map();
/** The text of a script and its pieces, by its address; undefined for what is not the library's. */
function scriptAt(url) {
  if (!/client-sdk\/dist\/(?!generated)[^?]*\.js$|dist\/page-[^/]+\/page\.js$/.test(url)) return undefined;
  if (!scripts.has(url)) {
    const path = fileURLToPath(url);
    const text = readFileSync(path, 'utf8');
    const inline = /\n\/\/# sourceMappingURL=data:[^,]*,(.*)/.exec(text)?.[1];
    const map = inline === undefined ? readFileSync(`${path}.map`, 'utf8') : Buffer.from(inline, 'base64').toString();
    scripts.set(url, { length: text.length, pieces: piecesOf(text, new SourceMap(JSON.parse(map))) });
  }
  return scripts.get(url);
}

rmSync(RAW, { recursive: true, force: true });
const { status, stdout } = spawnSync('node_modules/.bin/ava', ['dist/test/sdk/*.test.js'], {
  env: { ...process.env, NODE_V8_COVERAGE: RAW },
  encoding: 'utf8',
});
if (status !== 0) {
  console.log(`${stdout}\nthe tests of the client library failed`);
  process.exit(1);
}

/** lines that became code, and those that ran, by file */
const lines = new Map();
const ran = new Map();
for (const name of readdirSync('client-sdk/dist', { recursive: true, encoding: 'utf8' })) {
  for (const { source, line } of scriptAt(pathToFileURL(join('client-sdk/dist', name)).href)?.pieces ?? []) {
    if (!lines.has(source)) {
      lines.set(source, new Set());
      ran.set(source, new Set());
    }
    lines.get(source).add(line);
  }
}
for (const name of readdirSync(RAW)) {
  for (const { url, functions } of JSON.parse(readFileSync(join(RAW, name), 'utf8')).result) {
    const script = scriptAt(url);
    if (script === undefined) continue;
    const hit = executed(script.length, functions);
    for (const { offset, source, line } of script.pieces) if (hit[offset] === 1) ran.get(source).add(line);
  }
}
rmSync(RAW, { recursive: true, force: true });
for (const name of readdirSync('dist')) if (name.startsWith('page-')) rmSync(join('dist', name), { recursive: true });

let all = 0;
let done = 0;
for (const [source, code] of [...lines].sort(([a], [b]) => (a < b ? -1 : 1))) {
  const missing = [...code].filter((line) => !ran.get(source).has(line)).sort((a, b) => a - b);
  all += code.size;
  done += code.size - missing.length;
  if (missing.length > 0) console.log(`${relative('.', join(SOURCES, source))}  not executed: ${missing.join(', ')}`);
}
console.log(`client library: ${done} of ${all} lines executed, ${((100 * done) / all).toFixed(1)} % (at least ${100 * WANTED} %)`);
if (!(done / all >= WANTED)) process.exitCode = 1;
