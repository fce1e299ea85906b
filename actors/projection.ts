/** What an actor shows in the tables that follow it. */
import { putFault } from './companion.ts';
import type { Projection } from './define.ts';
import type { Live, Runtime } from './runtime.ts';
import { migrate } from './migrate.ts';
import { tailOf } from './rows.ts';
import { ENDED } from './store/lifecycle.ts';
import type { ProjectedRow, ProjectionStore } from './store/projections.ts';
import { StoreError } from './store/store.ts';
import type { Loaded } from './store/store.ts';

/** A projection with the name under which stores and metrics know it, `kind/name`. */
export interface Declared {
  readonly name: string;
  readonly projection: Projection;
}

/** by which an event may be older than the cursor and not be shown, ms: clocks jump, and those of nodes differ */
export const MARGIN_MS = 15_000;
/** of the state's text in the directory */
export const STATE_CHARS = 500;

/** The row of an actor cannot be told: the function threw, or what it gave does not fit the declaration. */
export class ProjectionFault extends Error {}

/** The committed state that a projection sees, and the version of the machine that wrote it. */
export type Shown = Pick<Live, 'snap' | 'seq' | 'at'> & { readonly mver: number };

/** Pure. @throws ProjectionFault */
export function projectedRow(
  { name, projection }: Declared,
  { actorId, id }: { actorId: string; id: string },
  s: Omit<Shown, 'mver'>,
): ProjectedRow {
  let row: object | null;
  try {
    row = projection.row(s.snap, { id, at: s.at });
  } catch (error) {
    throw new ProjectionFault(`${name} throws: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  if (row === null) return { actorId, seq: s.seq, row };
  const values = row as NonNullable<ProjectedRow['row']>;
  const fault = putFault(projection, { ...values, seq: s.seq });
  if (fault !== undefined) throw new ProjectionFault(`${name}: ${fault}`);
  return { actorId, seq: s.seq, row: values };
}

/**
 * The newest state of an actor as the store has it, in the version of this build. Undefined when there is none, when it has ended (what it showed
 * last stays), or when a newer build has written it: that one shows it.
 *
 * @throws KernelProblem MIGRATION_FAILED, FORMAT_AHEAD
 */
export function shownOf(rt: Runtime, found: Loaded | undefined): Shown | undefined {
  if (found === undefined || ENDED.has(found.status)) return undefined;
  const { state, seq, at, mver } = tailOf(found);
  if (mver > rt.def.version) return undefined;
  return { snap: rt.runner.restore(mver === rt.def.version ? state : migrate(rt, state, mver)), seq, at, mver };
}

/** The database has said no to what was sent, and will say so again. */
const refused = (error: unknown): error is StoreError =>
  error instanceof StoreError && error.failure !== 'transient' && error.failure !== 'in-doubt';

/**
 * Writes the rows that the table takes. Gives the others, each with its reason.
 *
 * @throws StoreError when the database is out of reach: some may be written, and all can be written again
 */
export async function writeRows(
  store: ProjectionStore,
  name: string,
  rows: readonly ProjectedRow[],
  upTo?: string,
): Promise<{ readonly row: ProjectedRow; readonly error: Error }[]> {
  try {
    await store.write(name, rows, upTo);
    return [];
  } catch (error) {
    const [row] = rows;
    if (!refused(error) || row === undefined) throw error;
    if (rows.length === 1) return [{ row, error }, ...(upTo === undefined ? [] : await writeRows(store, name, [], upTo))];
    const half = Math.ceil(rows.length / 2);
    return [...(await writeRows(store, name, rows.slice(0, half))), ...(await writeRows(store, name, rows.slice(half), upTo))];
  }
}

/** A projection as it stands. Times are epoch ms. */
export interface ProjectionReport {
  /** `kind/name` */
  readonly projection: string;
  readonly table: string;
  /** of the declaration that this node runs */
  readonly version: number;
  /** of the rows; absent before the first build */
  readonly built: { readonly version: number; readonly upTo: string | null; readonly doneAt: number | null } | undefined;
}

/** Every declared projection, and whether its rows are built. */
export async function projectionReport(store: ProjectionStore, kinds: Iterable<Runtime>): Promise<ProjectionReport[]> {
  const builds = new Map((await store.builds()).map((b) => [b.projection, b]));
  return [...kinds].flatMap((rt) =>
    rt.projections.map(({ name, projection: { table, version } }) => {
      const build = builds.get(name);
      const built = build === undefined ? undefined : { version: build.version, upTo: build.upTo, doneAt: build.doneAt };
      return { projection: name, table, version, built };
    }),
  );
}
