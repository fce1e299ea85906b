/**
 * `npm run rehearse -- --kind booking`: runs the migrations of this build over the latest state of every live actor of a database, and writes
 * nothing. Without `--kind` all kinds. Exit code 1 when some actor could not be activated by this build.
 */
import { parseArgs } from 'node:util';
import { rehearse } from '../actors/rehearse.ts';
import type { Rehearsal } from '../actors/rehearse.ts';
import { checking, withStore } from './read-store.ts';

export function rehearsalText({ current, migrated, failures }: Rehearsal): string {
  const failed = failures.reduce((sum, f) => sum + f.actors, 0);
  const lines = failures.map((f) => {
    return `  ${f.kind} version ${f.version} in '${f.state}': ${f.actors} actor(s), such as ${f.kind}:${f.example}\n    ${f.code} ${f.detail}`;
  });
  return [`${current} current, ${migrated} migrated, ${failed} failed`, ...lines, ''].join('\n');
}

await checking(() =>
  withStore(async ({ store, kinds }) => {
    const { kind } = parseArgs({ options: { kind: { type: 'string' } } }).values;
    if (kind !== undefined && !kinds.has(kind)) throw new Error(`there is no kind '${kind}'; known: ${[...kinds.keys()].join(', ')}`);
    const found = await rehearse(store, kinds, kind);
    process.stdout.write(rehearsalText(found));
    return found.failures.length === 0;
  }),
);
