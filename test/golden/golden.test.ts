/** Journals that every version of every kind once wrote: they fold, replay and migrate for ever (kernel 16.2.8). */
import test from 'ava';
import { actorIdOf, slotOf } from '../../actors/ids.ts';
import { migrate } from '../../actors/migrate.ts';
import { emptyState } from '../../actors/patch.ts';
import { replayRows } from '../../actors/replay.ts';
import { runtimeOf } from '../../actors/runtime.ts';
import type { RecordedRow } from '../../actors/store/scan.ts';
import { kinds } from '../../machines/kinds.ts';
import { recordings } from './record.ts';

const all = recordings();

test('every kind has a recording of its present version; npm run golden writes it', (t) => {
  for (const { kind, version } of kinds)
    t.true(
      all.some((r) => r.kind === kind && r.version === version),
      `${kind} ${version}`,
    );
});

/** The keys of every object as jsonb gives them back: shorter first. */
function asJsonb(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asJsonb);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([k, v]) => [k, asJsonb(v)]));
}

for (const { kind, version, actors } of all) {
  const def = kinds.find((k) => k.kind === kind)!;
  const rt = runtimeOf(def);

  test(`the journals of ${kind} ${version} fold to their states, and each event gives what was recorded`, (t) => {
    let checked = 0;
    for (const { ref, state, rows } of actors) {
      const actorId = actorIdOf(ref);
      const at = { ref, id: ref.slice(kind.length + 1), actorId, slot: slotOf(actorId) };
      for (const recorded of [rows, asJsonb(rows) as RecordedRow[]]) {
        const replay = replayRows(rt, at, emptyState, recorded);
        t.deepEqual(replay.mismatches, [], ref);
        t.deepEqual(replay.state, state, ref);
        checked += replay.checked;
      }
    }
    t.is(checked > 0, version === def.version);
  });

  test(`the states of ${kind} ${version} are taken over by the present version`, (t) => {
    for (const { ref, state } of actors) t.notThrows(() => migrate(rt, state, version), ref);
  });
}
