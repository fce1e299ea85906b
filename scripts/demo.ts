/** `npm run demo`: plays the story of a rush, a thousand webhooks and a killed server, and says what held. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { story } from './story/story.ts';

const dir = await mkdtemp(join(tmpdir(), 'thrum-story-'));
const say = (line: string): void => void process.stdout.write(`${line}\n`);
try {
  const checks = await story({ dir, say: (line) => say(`… ${line}`) });
  say('');
  for (const { what, ok, detail } of checks) say(`${ok ? '✔' : '✘'} ${what} (${detail})`);
  process.exitCode = checks.every(({ ok }) => ok) ? 0 : 1;
} finally {
  await rm(dir, { recursive: true, force: true });
}
