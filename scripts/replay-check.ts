/**
 * `npm run replay-check`: folds the journal of every actor of a database and handles each event of the present version once more from what was
 * recorded. Writes nothing. `--kind K` only that kind, `--id ID` only one actor. Exit code 1 when something differs.
 */
import { parseArgs } from 'node:util';
import { replayActor } from '../actors/replay.ts';
import type { Mismatch } from '../actors/replay.ts';
import { actorPages } from '../actors/store/scan.ts';
import type { ReadOnly } from './read-store.ts';
import { checking, withStore } from './read-store.ts';

const SHOWN = 50;

async function* actors({ store }: ReadOnly, kind: string | undefined, id: string | undefined) {
  for await (const page of actorPages(store.scan, { kind })) yield* page.filter((a) => id === undefined || a.id === id);
}

const short = (value: unknown): string => {
  const text = JSON.stringify(value);
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
};

const mismatchText = (m: Mismatch): string =>
  `  ${m.ref} ${m.seq} ${m.type}: ${m.what} differs\n    recorded ${short(m.recorded)}\n    computed ${short(m.computed)}\n`;

await checking(() =>
  withStore(async (r) => {
    const { kind, id } = parseArgs({ options: { kind: { type: 'string' }, id: { type: 'string' } } }).values;
    let checked = 0;
    let folded = 0;
    let count = 0;
    let differing = 0;
    for await (const actor of actors(r, kind, id)) {
      const rt = r.kinds.get(actor.kind);
      if (rt === undefined) continue;
      const found = await replayActor(r.store, rt, r.registry, actor);
      count += 1;
      checked += found.checked;
      folded += found.folded;
      for (const m of found.mismatches) {
        if (differing < SHOWN) process.stdout.write(mismatchText(m));
        differing += 1;
      }
    }
    process.stdout.write(`${count} actors, ${checked} events replayed, ${folded} only folded, ${differing} differ\n`);
    return differing === 0;
  }),
);
