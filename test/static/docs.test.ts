import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
import { settings } from '../../server/config.ts';
import { filesBelow } from './sources.ts';

const pages = filesBelow('.', /\.md$/).map((path) => ({ path, text: readFileSync(path, 'utf8') }));

/** Targets of links and images, without code blocks. */
const linksOf = (text: string): string[] =>
  [...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((l) => !/^([a-z]+:|#)/.test(l));

test('links between pages lead somewhere', (t) => {
  t.deepEqual(linksOf('[a](b.md) [c](https://x) ![d](e.png)\n```\n[no](f.md)\n```\n'), ['b.md', 'e.png']);
  const broken = pages.flatMap(({ path, text }) =>
    linksOf(text)
      .filter((link) => !existsSync(join(dirname(path), link.replace(/#.*$/, ''))))
      .map((link) => `${path}: ${link}`),
  );
  t.deepEqual(broken, []);
});

test('decisions are numbered without gap and have the same sections', (t) => {
  const decisions = pages.filter(({ path }) => path.startsWith('docs/adr/'));
  t.true(decisions.length > 0);
  for (const [i, { path, text }] of decisions.entries()) {
    t.true(path.startsWith(`docs/adr/${String(i + 1).padStart(4, '0')}-`), path);
    t.true(text.startsWith(`# ${i + 1}. `), path);
    for (const section of ['*Status:*', '## Context', '## Decision', '## Consequences', '## Rejected'])
      t.true(text.includes(section), `${path}: ${section}`);
  }
});

test('the operations page names only environment variables that the server reads', (t) => {
  const page = pages.find(({ path }) => path === 'docs/ops/operations.md')!;
  const named = [...page.text.matchAll(/^\| `([A-Z][A-Z0-9_]*)` \|/gm)].map(([, name]) => name!);
  const known = new Set<string>(Object.values(settings).map(({ name }) => name));
  t.true(named.length >= 6);
  t.deepEqual(
    named.filter((name) => !known.has(name)),
    [],
  );
});

test('the README has exactly two commands', (t) => {
  const readme = readFileSync('README.md', 'utf8');
  const blocks = [...readme.matchAll(/^```(?:bash|sh)\n([\s\S]*?)^```/gm)].flatMap(([, body]) => body!.trim().split('\n'));
  t.deepEqual(blocks, ['npm ci && npm start', 'npm ci && npm test']);
  t.regex(readme, /!\[[^\]]+\]\(docs\/images\/[^)]+\)/, 'a picture');
});

const QUOTED = /<!-- file: (\S+) -->\n```ts\n([\s\S]*?)```/g;

test('code that a page quotes is the code that is tested', (t) => {
  for (const { path, text } of pages) {
    for (const [, file, block] of text.matchAll(QUOTED))
      t.is(block, readFileSync(file!, 'utf8'), `${path} quotes ${file}; run node scripts/quote.mjs`);
  }
  t.pass();
});
