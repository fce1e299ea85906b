/** I13 for tables that follow the actors: what the cursor of a slot says is shown, is shown. */
import { slotOf } from './ids.ts';
import { stateText } from './machine.ts';
import { MARGIN_MS, projectedRow, STATE_CHARS } from './projection.ts';
import type { Declared } from './projection.ts';
import type { Repair } from './repair.ts';
import type { Runtime } from './runtime.ts';
import type { Build } from './store/projections.ts';
import type { ScannedActor, ScanStore } from './store/scan.ts';
import type { JournalStore } from './store/store.ts';
import type { ActorState } from './types.ts';

/** How far the store says that it shows. */
export interface ShownUpTo {
  readonly cursors: ReadonlyMap<number, number>;
  readonly builds: ReadonlyMap<string, Build>;
}

export async function shownUpTo({ projections }: Pick<JournalStore, 'projections'>): Promise<ShownUpTo> {
  const [cursors, builds] = await Promise.all([projections.cursors(), projections.builds()]);
  return { cursors, builds: new Map(builds.map((b) => [b.projection, b])) };
}

export interface ShownCheck {
  readonly scan: Pick<ScanStore, 'audit'>;
  readonly actor: ScannedActor;
  readonly rt: Runtime;
  readonly upTo: ShownUpTo;
  readonly tail: { readonly seq: number; readonly at: number; readonly mver: number };
  readonly state: ActorState;
}

const built = ({ builds }: ShownUpTo, { name, projection }: Declared): boolean => {
  const build = builds.get(name);
  return build !== undefined && build.version === projection.version && build.doneAt !== null;
};

/** What is wrong, as sentences, and what would put it right. */
export async function* notShown({ scan, actor, rt, upTo, tail, state }: ShownCheck): AsyncGenerator<{ what: string; repair?: Repair }> {
  const { actorId } = actor;
  if (tail.at >= (upTo.cursors.get(slotOf(actorId)) ?? 0) - MARGIN_MS) return;
  // Nobody runs a quarantined actor, so its entry waits for its release.
  const text = stateText(state.value).slice(0, STATE_CHARS);
  if (actor.status !== 'quarantined' && (actor.lastSeq < tail.seq || actor.state !== text)) {
    const behind = `the directory shows event ${actor.lastSeq}, and the history ends at ${tail.seq}`;
    const entry = { actorId, state: text, lastSeq: tail.seq, lastAt: tail.at, done: state.status === 'done', mver: tail.mver };
    yield { what: actor.lastSeq < tail.seq ? behind : 'the directory shows another state', repair: { of: 'directory', entry } };
  }
  const snap = rt.runner.restore(state);
  for (const declared of rt.projections) {
    if (!built(upTo, declared)) continue;
    let row;
    try {
      ({ row } = projectedRow(declared, actor, { snap, ...tail }));
    } catch (error) {
      yield { what: error instanceof Error ? error.message : String(error) };
      continue;
    }
    const wanted = row === null ? [] : [{ ...row, seq: tail.seq }];
    for (const { what } of await scan.audit(declared.name, actorId, {}, wanted)) {
      const how = what === 'missing' ? 'is missing' : what === 'extra' ? 'should not be there' : 'is not that of the state';
      const repair: Repair = { of: 'projection', projection: declared.name, row: { actorId, seq: tail.seq, row } };
      yield { what: `the row of ${declared.name} ${how}`, repair };
    }
  }
}
