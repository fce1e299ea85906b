import { readFileSync } from 'node:fs';
import test from 'ava';
import { filesBelow } from './sources.ts';

const TEXT = /\.(ts|tsx|mjs|js|css|html|md|sh)$/;
const all = filesBelow('.', TEXT);
const linesOf = (text: string): number => text.split('\n').length - 1;

test('no source file is longer than 500 lines', (t) => {
  const long = all
    .filter((path) => !path.endsWith('.md'))
    .map((path) => ({ path, lines: linesOf(readFileSync(path, 'utf8')) }))
    .filter(({ lines }) => lines > 500);
  t.deepEqual(long, []);
  t.true(all.includes('actors/define.ts'), 'the search finds the files');
});

const KEBAB = /^\.?[a-z0-9]+([.-][a-z0-9]+)*\.(ts|tsx|mjs|js|css|html|md|sh)$/;
const SHOUTED = new Set(['README.md', 'CHANGELOG.md', 'SPEC.md', 'CONTRIBUTING.md', 'SECURITY.md']);

/** A file of one component bears its name. */
const COMPONENT = /^web\/src\/(.+\/)?[A-Z][A-Za-z0-9]*\.tsx$/;

test('file names are in kebab case, those of components in theirs', (t) => {
  t.true(KEBAB.test('booking.machine.ts') && KEBAB.test('live-feed.tsx') && !KEBAB.test('liveFeed.ts') && !KEBAB.test('Live.tsx'));
  const odd = all.filter((path) => {
    const name = path.split('/').at(-1)!;
    return !KEBAB.test(name) && !SHOUTED.has(name) && !COMPONENT.test(path);
  });
  t.deepEqual(odd, []);
});

/** A note of work to do names the issue that will do it: `TODO(#12)`. */
const ORPHAN = /\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))/;

test('no work is left in a comment without an issue', (t) => {
  t.true(ORPHAN.test('// TODO later') && !ORPHAN.test('// TODO(#12): later'));
  const found = all
    .filter((path) => path !== 'test/static/files.test.ts')
    .flatMap((path) =>
      readFileSync(path, 'utf8')
        .split('\n')
        .flatMap((line, i) => (ORPHAN.test(line) ? [`${path}:${i + 1} ${line.trim()}`] : [])),
    );
  t.deepEqual(found, []);
});
