/**
 * `npm run fsck`: checks the invariants of the kernel on a whole database while no server runs on it, and writes nothing. `--kind K` only that
 * kind. Exit code 1 when something is broken.
 */
import { parseArgs } from 'node:util';
import { fsck } from '../actors/fsck.ts';
import { systemClock } from '../server/clock.ts';
import { checking, withStore } from './read-store.ts';

const SHOWN = 200;

await checking(() =>
  withStore(async ({ store, kinds }) => {
    const { kind } = parseArgs({ options: { kind: { type: 'string' } } }).values;
    if (kind !== undefined && !kinds.has(kind)) throw new Error(`there is no kind '${kind}'; known: ${[...kinds.keys()].join(', ')}`);
    const counts = new Map<string, number>();
    let broken = 0;
    const checked = await fsck(store, kinds, {
      now: systemClock.wall(),
      ...(kind === undefined ? {} : { kind }),
      found: ({ invariant, ref, what }) => {
        counts.set(invariant, (counts.get(invariant) ?? 0) + 1);
        if (broken < SHOWN) process.stdout.write(`  ${invariant} ${ref}: ${what}\n`);
        broken += 1;
      },
    });
    if (broken > SHOWN) process.stdout.write(`  and ${broken - SHOWN} more\n`);
    const { actors, erased, rows, foreign } = checked;
    process.stdout.write(`${actors} actors (${erased} erased), ${rows} events, ${broken} violations\n`);
    for (const [invariant, n] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1))) process.stdout.write(`  ${invariant}: ${n}\n`);
    if (foreign > 0) process.stdout.write(`companion rows of ${foreign} actors of other versions or kinds were not compared\n`);
    return broken === 0;
  }),
);
