/** Which transitions production takes (kernel specification 13.3): counted by every node, added up in the store. */
import type { Kernel } from './kernel.ts';
import type { Runtime } from './runtime.ts';
import type { TakenCount } from './store/admin.ts';
import type { Taking } from './transitions.ts';

/** How often each transition of one version of a machine was taken, by all nodes; at most ten seconds old. */
export interface CoverageReport {
  readonly kind: string;
  readonly version: number;
  readonly hash: string;
  /** versions that have counts, the newest first */
  readonly versions: readonly number[];
  readonly transitions: readonly Taking[];
  /** indices of the transitions that nobody has taken */
  readonly never: readonly number[];
}

export class Coverage {
  readonly #k: Pick<Kernel, 'kinds' | 'store'>;
  /** the store has a row for every transition of this build */
  #known = false;

  constructor(k: Pick<Kernel, 'kinds' | 'store'>) {
    this.#k = k;
  }

  start(): void {
    for (const rt of this.#k.kinds.values()) rt.runner.tap = rt.transitions;
  }

  /** Adds what was counted since the last call to the store. */
  async save(): Promise<void> {
    const drained = [...this.#k.kinds.values()].map((rt) => ({ rt, takings: rt.transitions.drain(!this.#known) }));
    const rows = drained.flatMap(({ rt, takings }) => takings.map((t) => countOf(rt, t)));
    if (rows.length === 0) return;
    try {
      await this.#k.store.admin.countTaken(rows);
      this.#known = true;
    } catch (error) {
      for (const { rt, takings } of drained) rt.transitions.giveBack(takings);
      throw error;
    }
  }
}

const countOf = ({ def }: Runtime, taking: Taking): TakenCount => ({ kind: def.kind, version: def.version, hash: def.hash, ...taking });

/** Of the version that runs, or of another one that has run; undefined when nothing is known of it. */
export function coverageOf(
  { def, transitions }: Runtime,
  counts: readonly TakenCount[],
  version = def.version,
): CoverageReport | undefined {
  const versions = [...new Set([def.version, ...counts.map((c) => c.version)])].sort((a, b) => b - a);
  const hash = version === def.version ? def.hash : counts.find((c) => c.version === version)?.hash;
  if (hash === undefined) return undefined;
  const known = new Map(counts.filter((c) => c.version === version && c.hash === hash).map((c) => [c.index, c]));
  const declared = hash === def.hash ? transitions.list.map((info, index) => ({ index, ...info, taken: 0 })) : [...known.values()];
  const list = declared.map(({ index, source, event, guard, targets }): Taking => ({
    index,
    source,
    event,
    guard,
    targets,
    taken: known.get(index)?.taken ?? 0,
  }));
  return { kind: def.kind, version, hash, versions, transitions: list, never: list.filter((t) => t.taken === 0).map((t) => t.index) };
}
