import test from 'ava';
import { readFileSync } from 'node:fs';
import { generated } from '../../scripts/generated.ts';
import { makeWorld } from '../support/world.ts';

test('what is made from the code is up to date; npm run gen writes it', async (t) => {
  const w = await makeWorld();
  t.teardown(w.close);
  for (const [path, text] of generated(w.app)) {
    const stored = readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
    t.true(stored === text, `${path} is out of date: npm run gen`);
  }
});
