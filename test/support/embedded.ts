/** Data directories for tests with the embedded database, copied from one that is made once per version: 0.7 s instead of 5. */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openDatabase } from '../../server/db/database.ts';
import { quiet } from './log.ts';

/** Names the engine and every migration, so that a change of either makes a new template. */
function templateName(): string {
  const hash = createHash('sha256');
  const engine = join(dirname(createRequire(import.meta.url).resolve('@electric-sql/pglite')), '..', 'package.json');
  hash.update((JSON.parse(readFileSync(engine, 'utf8')) as { version: string }).version);
  const folder = new URL('../../migrations/', import.meta.url);
  for (const name of readdirSync(folder).sort()) {
    if (name.endsWith('.js')) hash.update(name).update(readFileSync(new URL(name, folder)));
  }
  return join(tmpdir(), `thrum-template-${hash.digest('hex').slice(0, 16)}`);
}

/** A new data directory with all migrations done, for `openDatabase({ dataDir })`. The caller removes it. */
export async function embeddedDir(): Promise<string> {
  const template = templateName();
  if (!existsSync(template)) {
    const draft = mkdtempSync(join(tmpdir(), 'thrum-draft-'));
    const database = await openDatabase({ dataDir: draft }, quiet);
    await database.close();
    try {
      renameSync(draft, template);
    } catch {
      rmSync(draft, { recursive: true, force: true }); // another process was faster
    }
  }
  const dir = mkdtempSync(join(tmpdir(), 'thrum-data-'));
  cpSync(template, dir, { recursive: true });
  return dir;
}
