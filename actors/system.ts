import type { Json, Principal, ActorRef, Reply } from './types.ts';

/** A command as the caller writes it: `{ type: 'booking.hold', ...payload }`. */
export interface CommandInput {
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface AskOptions {
  /** idempotency key, 1 to 128 characters; scope is (actor, principal) */
  readonly key: string;
  readonly from: Principal;
  /** only if the actor is at this seq */
  readonly seq?: number;
  /** ms from now; default 10,000, at most 30,000 */
  readonly deadline?: number;
  readonly trace?: string;
}

export interface ReadOptions {
  readonly from: Principal;
  readonly level?: 'eventual' | 'session' | 'linearizable';
  /** the answer reflects at least this seq */
  readonly min?: number;
}

/** Position of a client in a topic: epoch and number of the last publication applied. `n`: items wanted of a log without cursor. */
export interface Cursor {
  readonly e?: string;
  readonly s?: number;
  readonly n?: number;
}

/** Answer to a subscription; `t` is the canonical topic name. */
export type TopicSlice =
  | {
      readonly t: string;
      readonly kind: 'state';
      readonly e: string;
      readonly s: number;
      readonly m: 'snap' | 'delta' | 'same';
      readonly d?: Json;
    }
  | {
      readonly t: string;
      readonly kind: 'log';
      readonly e: string;
      readonly s: number;
      readonly m: 'items';
      readonly d: readonly Json[];
      readonly floor: number;
      readonly more: boolean;
      readonly gap?: { readonly from: number; readonly to: number };
    }
  | { readonly t: string; readonly kind: 'signal' };

/** One message of a topic: `d` delta on `p`, `f` full view, `i` items p+1..s, `x` signal. */
export type Publication =
  | {
      readonly t: string;
      readonly e: string;
      readonly s: number;
      readonly p: number;
      readonly k: 'd' | 'f' | 'i';
      readonly d: Json;
      readonly at: number;
    }
  | { readonly t: string; readonly k: 'x'; readonly d: Json; readonly at: number };

export type Unsubscribe = () => void;

/** The kernel as the rest of the server sees it. */
export interface ActorSystem {
  /**
   * Sends a command and waits for its commit. Refusals of every sort are answers (`ok: false`), not exceptions; so are malformed payloads,
   * unknown kinds and overload. Rejects only on a bug.
   */
  ask(ref: ActorRef, command: CommandInput, o: AskOptions): Promise<Reply>;
  /** Runs a declared query. @throws KernelProblem */
  read(ref: ActorRef, query: string, input: unknown, o: ReadOptions): Promise<{ seq: number; value: Json }>;
  /** Commands that the principal could send now: an enabled transition, `visible` and `allow`. @throws KernelProblem */
  allowed(ref: ActorRef, p: Principal): Promise<{ seq: number; commands: string[] }>;
  /**
   * Whether `p` may read the topic: resolves, or throws KernelProblem VALIDATION, UNKNOWN_TOPIC, UNAUTHENTICATED, NOT_FOUND or FORBIDDEN.
   * Gives the canonical name.
   */
  authorize(topic: string, p: Principal): Promise<string>;
  /** Where a subscriber stands and what it lacks. Never the unpublished view. Does not authorise. @throws KernelProblem */
  slice(topic: string, cursor?: Cursor): Promise<TopicSlice>;
  /** Which of these topics have moved on. */
  behind(heads: readonly { t: string; e: string; s: number }[]): Promise<string[]>;
  /** Called on the owner after the commit, in commit order per actor. */
  onPublish(fn: (p: Publication) => void): Unsubscribe;
  start(): Promise<void>;
  /** Stops admission, waits at most `ms` for what was accepted, writes snapshots, stops. */
  drain(ms: number): Promise<void>;
}
