/**
 * `npm run lock`: writes the definition hash of every machine into `machines.lock.json` (kind → version → hash). A version that stands there is
 * a fact of somebody's journals: a machine that differs from it needs a new version.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import type { ActorKind } from '../actors/define.ts';
import { kinds } from '../machines/kinds.ts';

export interface Lock {
  readonly [kind: string]: { readonly [version: string]: string };
}

export const LOCK_FILE = 'machines.lock.json';

/** The lock with what is new, and the kinds whose machine differs from what is locked under its version. */
export function lockOf(old: Lock, all: readonly Pick<ActorKind, 'kind' | 'version' | 'hash'>[]): { lock: Lock; changed: string[] } {
  const changed = all.filter(({ kind, version, hash }) => (old[kind]?.[version] ?? hash) !== hash);
  const lock = { ...old };
  for (const { kind, version, hash } of all) lock[kind] = { [version]: hash, ...lock[kind] };
  return {
    lock: Object.fromEntries(Object.entries(lock).sort(([a], [b]) => (a < b ? -1 : 1))),
    changed: changed.map(({ kind, version }) => `the machine of '${kind}' has changed, but its version is ${version} as before`),
  };
}

async function main(): Promise<void> {
  const text = await readFile(LOCK_FILE, 'utf8').catch(() => '{}');
  const { lock, changed } = lockOf(JSON.parse(text) as Lock, kinds);
  const next = `${JSON.stringify(lock, null, 2)}\n`;
  if (next !== text) {
    await writeFile(LOCK_FILE, next);
    process.stdout.write(`wrote ${LOCK_FILE}\n`);
  }
  for (const line of changed) process.stderr.write(`${line}; see docs/how-to/change-a-machine.md\n`);
  if (changed.length > 0) process.exitCode = 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
