/** Rehearsal of a deploy: the migrations of this build over the latest state of every live actor. Reads only (kernel specification 12.5). */
import { KernelProblem } from './errors.ts';
import { stateText } from './machine.ts';
import { faultOf, migrate } from './migrate.ts';
import { tailOf } from './rows.ts';
import type { Runtime } from './runtime.ts';
import { actorPages } from './store/scan.ts';
import type { JournalStore, Loaded } from './store/store.ts';

/** Actors that this build could not go on with, of one kind, version and state. */
export interface RehearsalFailure {
  readonly kind: string;
  /** version that wrote the state */
  readonly version: number;
  readonly state: string;
  readonly code: string;
  readonly detail: string;
  readonly actors: number;
  /** id of one of them */
  readonly example: string;
}

export interface Rehearsal {
  /** actors whose state is of this version and fits it */
  readonly current: number;
  readonly migrated: number;
  readonly failures: readonly RehearsalFailure[];
}

/** Whether a migration was needed. @throws whatever stops the activation */
function tryOne(rt: Runtime, tail: ReturnType<typeof tailOf>): boolean {
  if (tail.mver !== rt.def.version) {
    migrate(rt, tail.state, tail.mver);
    return true;
  }
  const fault = faultOf(rt, tail.state, tail.state);
  if (fault !== undefined) throw new Error(`the schema or the machine has changed without a new version: ${fault}`);
  return false;
}

/** Failures by what they have in common. */
class Failures {
  readonly #found = new Map<string, { -readonly [K in keyof RehearsalFailure]: RehearsalFailure[K] }>();

  add(rt: Runtime, id: string, tail: ReturnType<typeof tailOf> | undefined, error: unknown): void {
    const { kind } = rt.def;
    const version = tail?.mver ?? 0;
    const state = tail === undefined ? '' : stateText(tail.state.value);
    const code = error instanceof KernelProblem ? error.code : 'ACTOR_QUARANTINED';
    const key = [kind, version, state, code].join('\n');
    const known = this.#found.get(key);
    if (known !== undefined) known.actors += 1;
    else {
      const detail = error instanceof Error ? error.message : String(error);
      this.#found.set(key, { kind, version, state, code, detail, actors: 1, example: id });
    }
  }

  list(): RehearsalFailure[] {
    return [...this.#found.values()].sort((a, b) => b.actors - a.actors);
  }
}

/** @param kind only actors of this kind; default all. @throws StoreError */
export async function rehearse(
  store: Pick<JournalStore, 'scan' | 'load'>,
  kinds: ReadonlyMap<string, Runtime>,
  kind?: string,
): Promise<Rehearsal> {
  let current = 0;
  let migrated = 0;
  const failures = new Failures();
  const one = (rt: Runtime, id: string, found: Loaded): void => {
    let tail: ReturnType<typeof tailOf> | undefined;
    try {
      tail = tailOf(found);
      if (tryOne(rt, tail)) migrated += 1;
      else current += 1;
    } catch (error) {
      failures.add(rt, id, tail, error);
    }
  };
  for await (const actors of actorPages(store.scan, { kind })) {
    const loaded = await store.load(actors.map((a) => a.actorId));
    for (const { actorId, kind: name, id } of actors) {
      const rt = kinds.get(name);
      const found = loaded.get(actorId);
      if (rt !== undefined && found !== undefined) one(rt, id, found);
    }
  }
  return { current, migrated, failures: failures.list() };
}
