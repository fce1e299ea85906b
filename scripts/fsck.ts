/**
 * `npm run fsck`: checks the invariants of the kernel on a whole database while no server runs on it, and writes nothing. `--kind K` only that
 * kind. `--repair` says in addition what could be put right, `--repair --apply` does so, each with an entry in the audit: rows that follow from the
 * histories (directory, timers, snapshots, projections). Exit code 1 when something is broken and was not put right.
 */
import { userInfo } from 'node:os';
import { parseArgs } from 'node:util';
import { fsck } from '../actors/fsck.ts';
import { applyRepair, repairText } from '../actors/repair.ts';
import type { Repair } from '../actors/repair.ts';
import { systemClock } from '../server/clock.ts';
import { checking, withStore } from './read-store.ts';

const SHOWN = 200;

await checking(() => {
  const { values } = parseArgs({
    options: { kind: { type: 'string' }, repair: { type: 'boolean', default: false }, apply: { type: 'boolean', default: false } },
  });
  const { kind, repair: repairs, apply } = values;
  if (apply && !repairs) throw new Error('--apply goes with --repair');
  const out = (line: string): void => void process.stdout.write(`${line}\n`);
  return withStore(
    async ({ store, kinds }) => {
      if (kind !== undefined && !kinds.has(kind)) throw new Error(`there is no kind '${kind}'; known: ${[...kinds.keys()].join(', ')}`);
      const counts = new Map<string, number>();
      const wanted: Repair[] = [];
      let broken = 0;
      const checked = await fsck(store, kinds, {
        now: systemClock.wall(),
        ...(kind === undefined ? {} : { kind }),
        found: ({ invariant, ref, what, repair }) => {
          counts.set(invariant, (counts.get(invariant) ?? 0) + 1);
          if (broken < SHOWN)
            out(`  ${invariant} ${ref}: ${what}${repairs && repair !== undefined ? `; repair: ${repairText(repair)}` : ''}`);
          if (repairs && repair !== undefined) wanted.push(repair);
          broken += 1;
        },
      });
      if (broken > SHOWN) out(`  and ${broken - SHOWN} more`);
      const { actors, erased, rows, foreign } = checked;
      out(`${actors} actors (${erased} erased), ${rows} events, ${broken} violations`);
      for (const [invariant, n] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1))) out(`  ${invariant}: ${n}`);
      if (foreign > 0) out(`companion rows of ${foreign} actors of other versions or kinds were not compared`);
      if (!repairs) return broken === 0;
      if (!apply) {
        out(`${wanted.length} could be repaired with --apply`);
        return broken === 0;
      }
      const by = { by: userInfo().username, reason: 'npm run fsck -- --repair --apply', random: Math.random };
      for (const repair of wanted) await applyRepair(store, repair, by);
      out(`${wanted.length} repaired`);
      return wanted.length === broken;
    },
    { write: apply },
  );
});
