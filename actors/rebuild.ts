/** Builds the rows of a projection from every actor, while the actors go on: rows that are newer stay (kernel specification 8.4). */
import { projectedRow, shownOf, writeRows } from './projection.ts';
import type { Declared } from './projection.ts';
import type { Runtime } from './runtime.ts';
import type { ProjectedRow } from './store/projections.ts';
import type { ScannedActor } from './store/scan.ts';
import type { JournalStore } from './store/store.ts';

export interface RebuildOptions {
  readonly store: Pick<JournalStore, 'scan' | 'load' | 'projections'>;
  readonly rt: Runtime;
  readonly declared: Declared;
  /** epoch ms */
  readonly now: () => number;
  /** Called for an actor whose row cannot be told, or that the table does not take. */
  readonly failed: (actor: ScannedActor, error: unknown) => void;
  /** Asked after each page: false ends the build, to be resumed from there. */
  readonly next: (actors: number) => Promise<boolean>;
  /** begin again although a build of this version is under way or done; default: an unfinished one is resumed */
  readonly afresh?: boolean;
}

export interface Rebuilt {
  readonly actors: number;
  readonly failed: number;
  /** rows of actors that do not exist */
  readonly removed: number;
  readonly finished: boolean;
}

const PAGE = 256;

/** @throws StoreError */
export async function rebuild(o: RebuildOptions): Promise<Rebuilt> {
  const { store, rt, declared } = o;
  const { name, projection } = declared;
  const standing = (await store.projections.builds()).find((b) => b.projection === name);
  const resumed = o.afresh !== true && standing?.version === projection.version && standing.doneAt === null;
  if (!resumed) await store.projections.begin(name, projection.version);
  let after = resumed ? standing.upTo : null;
  let actors = 0;
  let failed = 0;
  const fail = (actor: ScannedActor, error: unknown): void => {
    failed += 1;
    o.failed(actor, error);
  };
  for (;;) {
    const page = await store.scan.actors({ kind: rt.def.kind, ...(after === null ? {} : { after }), limit: PAGE });
    after = page.at(-1)?.actorId ?? after;
    const rows = await pageRows(o, page, fail);
    for (const { row, error } of await writeRows(store.projections, name, rows, after ?? undefined)) {
      const actor = page.find((a) => a.actorId === row.actorId);
      if (actor !== undefined) fail(actor, error);
    }
    actors += page.length;
    if (page.length < PAGE) break;
    if (!(await o.next(actors))) return { actors, failed, removed: 0, finished: false };
  }
  const removed = await store.projections.finish(name, projection.version, o.now());
  return { actors, failed, removed, finished: true };
}

async function pageRows(
  { store, rt, declared }: RebuildOptions,
  page: readonly ScannedActor[],
  fail: RebuildOptions['failed'],
): Promise<ProjectedRow[]> {
  const loaded = await store.load(page.map((a) => a.actorId));
  return page.flatMap((actor) => {
    try {
      const shown = shownOf(rt, loaded.get(actor.actorId));
      return shown === undefined ? [] : [projectedRow(declared, actor, shown)];
    } catch (error) {
      fail(actor, error);
      return [];
    }
  });
}
