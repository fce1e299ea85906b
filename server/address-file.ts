/** `server.json` in the data directory: where a running server can be reached from this machine. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const FILE = 'server.json';

export const writeAddress = (dataDir: string, url: string): Promise<void> =>
  writeFile(join(dataDir, FILE), JSON.stringify({ url, pid: process.pid }), { mode: 0o600 });

/** Removes the file, unless another node of the same directory has written its own. */
export async function forgetAddress(dataDir: string): Promise<void> {
  const path = join(dataDir, FILE);
  const text = await readFile(path, 'utf8').catch(() => '');
  if (text.includes(`"pid":${process.pid}}`)) await rm(path, { force: true });
}
