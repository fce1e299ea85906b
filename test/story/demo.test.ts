import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { story } from '../../scripts/story/story.ts';

test('a server that is killed among a rush and a thousand webhooks loses nothing, repeats nothing and leaves no gap', async (t) => {
  t.timeout(600_000);
  const dir = mkdtempSync(join(tmpdir(), 'thrum-story-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const checks = await story({ dir, say: (line) => t.log(line) });
  t.true(checks.length >= 8);
  for (const { what, ok, detail } of checks) t.true(ok, `${what}: ${detail}`);
});
