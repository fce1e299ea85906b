/** What is kept of a warm actor, each a line of JSON: what the kernel knows of it, its state, and the marks of its keys. */
import type { Activation } from './activation.ts';
import { actorIdOf } from './ids.ts';
import type { Kernel } from './kernel.ts';
import { Keys } from './keys.ts';
import type { SnapshotRow } from './store/store.ts';
import type { ActorRef, ActorState } from './types.ts';
import type { WarmEntry } from './warm.ts';

export interface Frozen {
  readonly seq: number;
  /** `at` of the last event */
  readonly at: number;
  /** commit of it, of relaxed durability */
  readonly cid?: string | undefined;
  /** JSON bytes of the context, or a bound of them */
  readonly size: number;
  readonly rowsSinceSnapshot: number;
  readonly bytesSinceSnapshot: number;
  readonly snapshotBytes: number;
  readonly published: boolean;
  readonly heads?: { readonly [view: string]: number };
  /** topics that were hot, as the part of their names behind the actor */
  readonly hot?: readonly string[];
}

/** number of the form in which a warm actor is written; nodes of different builds send it to each other */
export const FROZEN_FORMAT = 1;

/** rows after the last snapshot for which another is due at the end of an activation */
const SNAPSHOT_ROWS = 16;

/** Whether a snapshot is due when the activation ends: the tail has grown, or somebody has seen a published view. */
export const keeps = (a: Activation): boolean => a.rowsSinceSnapshot >= SNAPSHOT_ROWS || a.published;

/** The actor as text, with which another activation can go on; undefined when there is nothing to keep or it must be read anew. */
export function freeze(k: Kernel, a: Activation): WarmEntry | undefined {
  const { committed, marks, cid } = a.spec;
  if (committed === undefined || !a.atHand || a.faults > 0 || !a.resting) return undefined;
  const hot = k.topics.hotNames(a);
  const heads = { ...a.heads, ...k.topics.passivated(a) };
  const { rowsSinceSnapshot, bytesSinceSnapshot, snapshotBytes, published } = a;
  const { seq, at, size, state } = committed;
  const frozen: Frozen = {
    seq,
    at,
    cid,
    size,
    rowsSinceSnapshot,
    bytesSinceSnapshot,
    snapshotBytes,
    published,
    heads,
    ...(hot.length === 0 ? {} : { hot }),
  };
  return { ref: a.at.ref, text: `${JSON.stringify(frozen)}\n${JSON.stringify(state)}\n${marks ?? ''}`, keep: keeps(a) };
}

/** The three lines. */
function linesOf(text: string): { readonly frozen: Frozen; readonly state: string; readonly keys: string } {
  const [first, second] = [text.indexOf('\n'), text.lastIndexOf('\n')];
  return { frozen: JSON.parse(text.slice(0, first)) as Frozen, state: text.slice(first + 1, second), keys: text.slice(second + 1) };
}

export function thawed(text: string): { frozen: Frozen; state: ActorState; keys: Keys } {
  const { frozen, state, keys } = linesOf(text);
  return { frozen, state: JSON.parse(state) as ActorState, keys: new Keys(keys) };
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
  const { frozen, state, keys } = linesOf(text);
  const { seq, at, cid, heads = {} } = frozen;
  return { actorId: actorIdOf(ref), seq, at, cid, mver, state, heads, keys };
}
