/** What is kept of a warm actor: one line with what the kernel knows of it, one line with its state; both JSON. */
import type { Activation } from './activation.ts';
import { actorIdOf } from './ids.ts';
import type { Known } from './rows.ts';
import type { Live } from './runtime.ts';
import type { SnapshotRow } from './store/store.ts';
import type { ActorRef, ActorState } from './types.ts';

export interface Frozen {
  readonly seq: number;
  /** `at` of the last event */
  readonly at: number;
  /** JSON bytes of the context, or a bound of them */
  readonly size: number;
  readonly rowsSinceSnapshot: number;
  readonly bytesSinceSnapshot: number;
  readonly snapshotBytes: number;
  readonly published: boolean;
  readonly heads?: { readonly [view: string]: number };
  /** topics that were hot, as the part of their names behind the actor */
  readonly hot?: readonly string[];
  /** keys of the latest commands, oldest first */
  readonly ring?: readonly (readonly [idem: string, known: Known])[];
}

/** rows after the last snapshot for which another is due at the end of an activation */
const SNAPSHOT_ROWS = 16;

/** Whether a snapshot is due when the activation ends: the tail has grown, or somebody has seen a published view. */
export const keeps = (a: Activation): boolean => a.rowsSinceSnapshot >= SNAPSHOT_ROWS || a.published;

/** What stays of an actor beside its state. */
export function frozenOf(
  a: Pick<Frozen, 'rowsSinceSnapshot' | 'bytesSinceSnapshot' | 'snapshotBytes' | 'published'>,
  { seq, at, size }: Live,
  o: {
    readonly heads: { readonly [view: string]: number };
    readonly hot: readonly string[];
    readonly ring: ReadonlyMap<string, Known> | undefined;
  },
): Frozen {
  const { rowsSinceSnapshot, bytesSinceSnapshot, snapshotBytes, published } = a;
  return {
    seq,
    at,
    size,
    rowsSinceSnapshot,
    bytesSinceSnapshot,
    snapshotBytes,
    published,
    heads: o.heads,
    ...(o.hot.length === 0 ? {} : { hot: o.hot }),
    ...(o.ring === undefined ? {} : { ring: [...o.ring] }),
  };
}

export const frozenText = (f: Frozen, state: ActorState): string => `${JSON.stringify(f)}\n${JSON.stringify(state)}`;

export function thawed(text: string): { frozen: Frozen; state: ActorState } {
  const end = text.indexOf('\n');
  return { frozen: JSON.parse(text.slice(0, end)) as Frozen, state: JSON.parse(text.slice(end + 1)) as ActorState };
}

/** Goes on counting where the frozen activation ended. */
export function adopt(a: Activation, f: Frozen): void {
  a.rowsSinceSnapshot = f.rowsSinceSnapshot;
  a.bytesSinceSnapshot = f.bytesSinceSnapshot;
  a.snapshotBytes = f.snapshotBytes;
  a.published = f.published;
  a.heads = f.heads;
}

/** The snapshot that a warm actor leaves when it becomes cold. */
export function frozenSnapshot(ref: ActorRef, text: string, mver: number): SnapshotRow {
  const end = text.indexOf('\n');
  const { seq, at, heads } = JSON.parse(text.slice(0, end)) as Frozen;
  return { actorId: actorIdOf(ref), seq, at, mver, state: text.slice(end + 1), heads: heads ?? {} };
}
