import type { Registry as MetricsRegistry } from 'prom-client';
import type { ActorKind } from './define.ts';
import type { EraseOptions, Erased } from './erase.ts';
import type { Observer } from './feed.ts';
import type { Inspect } from './inspect.ts';
import { Cluster } from './cluster.ts';
import { Node } from './node.ts';
import type { ClusterOptions } from './cluster-options.ts';
import type { Operate } from './operate.ts';
import type { EffectFunctions } from './effects.ts';
import type { NodeLimits } from './limits.ts';
import type { Deferral } from './scheduler.ts';
import type { Spans } from './spans.ts';
import type { RetentionOptions } from './retention.ts';
import type { JournalStore } from './store/store.ts';
import type { ActorRef, Clock, Json, Log, Principal, Refusal, Reply } from './types.ts';

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
  /** in the form of the W3C: of the span that asks */
  readonly traceparent?: string;
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

/** Says that a topic has a follower of whom the kernel cannot know, because none of its views is asked for. */
export type Following = (topic: string) => void;

/** Who passes publications on to subscribers: the edge. Both members are called often and must be cheap. */
export interface Followers {
  /** Topics of the actor that have subscribers, canonical names; asked when the actor is read into memory. */
  of(ref: ActorRef): Iterable<string>;
  /** A commit has changed the actor, and with it perhaps who may read its topics. */
  changed(ref: ActorRef): void;
  /** All topics that have subscribers on this node. */
  topics(): Iterable<string>;
  /** Publications of these topics may not have been sent: their subscribers are to hear where they stand. At most 500 at a time. */
  announce(topics: readonly string[]): void;
}

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
   * Those of `readers` who may not read the topic, with the reason: UNAUTHENTICATED, NOT_FOUND or FORBIDDEN. Nobody, when the topic is public.
   *
   * @throws KernelProblem VALIDATION, UNKNOWN_TOPIC, UNAVAILABLE
   */
  refused(topic: string, readers: readonly Principal[]): Promise<ReadonlyMap<Principal, Refusal>>;
  /** Where a subscriber stands and what it lacks. Never the unpublished view. Does not authorise. @throws KernelProblem */
  slice(topic: string, cursor?: Cursor): Promise<TopicSlice>;
  /** Which of these topics have moved on. */
  behind(heads: readonly { t: string; e: string; s: number }[]): Promise<string[]>;
  /** Called on the owner after the commit, in commit order per actor. */
  onPublish(fn: (p: Publication) => void): Unsubscribe;
  /** The views of followed topics are compared after every commit, also after the actor has been out of memory. One follower at most. */
  follow(followers: Followers): Following;
  /** From now on the observer is asked about every event of this node, and told of those that it wants; undefined ends it. One observer at most. */
  observe(observer: Observer | undefined): void;
  /** Why commands cannot be carried out now: the kernel does not run, or commits fail. Undefined when all is well. */
  trouble(): string | undefined;
  /** Called with the slots that this node has taken from one that crashed; their subscribers may have missed the last publications. */
  onTakeover(fn: (slots: number[]) => void): Unsubscribe;
  /** Actors of these slots with a commit in the last `ms`. */
  recent(slots: readonly number[], ms: number): AsyncIterable<{ ref: ActorRef; seq: number }>;
  /**
   * Erases an actor: every row of it is blank or gone, and its id is replaced by a keyed hash. Again, it changes nothing (`fresh: false`).
   *
   * @throws KernelProblem VALIDATION, UNKNOWN_KIND, NOT_FOUND, UNAVAILABLE
   */
  erase(ref: ActorRef, o: EraseOptions): Promise<Erased>;
  readonly inspect: Inspect;
  /** Acts of operators. */
  readonly operate: Operate;
  start(): Promise<void>;
  /** Gives its actors to the nodes that stay, within `ms`, and goes on to pass on what reaches it. On a single node nothing. */
  handOver(ms: number): Promise<void>;
  /** Stops admission, waits at most `ms` for what was accepted, writes snapshots, stops. */
  drain(ms: number): Promise<void>;
}

export interface ActorSystemOptions {
  readonly kinds: readonly ActorKind[];
  readonly effects: EffectFunctions;
  readonly store: JournalStore;
  readonly clock: Clock;
  /** uniform in [0, 1) */
  readonly random: () => number;
  readonly log: Log;
  readonly metrics: MetricsRegistry;
  /** name of this process among the nodes; default `solo` */
  readonly node?: string;
  /** told of commands and effects; absent: tracing is off */
  readonly spans?: Spans;
  /** called after a commit that wrote a job of the queue */
  readonly onJob?: (queue: string) => void;
  /** called when the database was replaced by a restored one: what is in memory is void, the process must start afresh */
  readonly onReplaced?: () => void;
  /** what is removed in the background; default: what its kinds say, and snapshots of 90 days are kept */
  readonly retention?: RetentionOptions | 'off';
  /** makes the keyed hash that stands in the directory for an erased id; without it nothing can be erased */
  readonly erasureKey?: string;
  /** commit pipelines, each with a connection of its own: 1 to 16, default 1 */
  readonly lanes?: number;
  /** deep-freeze contexts after every macrostep, so that a mutating assigner throws; default false */
  readonly freeze?: boolean;
  readonly deferral?: Deferral;
  /** asked for each message that could be committed together with the event that sends it; absent: none is */
  readonly fuse?: () => boolean;
  readonly limits?: Partial<NodeLimits>;
  /** other nodes share the actors; without it this one serves all */
  readonly cluster?: ClusterOptions;
}

/** A start was refused because kinds and effect functions do not fit. */
export class SystemError extends Error {}

function checkEffects(kinds: readonly ActorKind[], effects: EffectFunctions): void {
  const faults: string[] = [];
  const seen = new Set<string>();
  for (const { kind, effects: declared } of kinds) {
    if (seen.has(kind)) faults.push(`kind '${kind}' is declared twice`);
    seen.add(kind);
    for (const name of Object.keys(declared ?? {}))
      if (effects[kind]?.[name] === undefined) faults.push(`effect '${name}' of '${kind}' has no function`);
  }
  if (faults.length > 0) throw new SystemError(`the actor system cannot start:\n  ${faults.join('\n  ')}`);
}

/**
 * The kernel on one node.
 *
 * @throws SystemError with a list, when a kind names an effect without function
 */
export function createActorSystem(o: ActorSystemOptions): ActorSystem {
  checkEffects(o.kinds, o.effects);
  const node = new Node(o);
  const { placement, router } = node;
  return placement === undefined || router === undefined ? node : new Cluster(node, placement, router);
}
