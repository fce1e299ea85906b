/** What the parts of the kernel know of each other. Built once by `createActorSystem`. */
import type { Activation } from './activation.ts';
import type { Registry } from './companion.ts';
import type { Envelope } from './envelope.ts';
import type { Feed } from './feed.ts';
import type { NodeLimits } from './limits.ts';
import type { Metrics } from './metrics.ts';
import type { Fusion } from './fusion.ts';
import type { Interests } from './interests.ts';
import type { Lanes } from './lanes.ts';
import type { Placement } from './placement.ts';
import type { Router } from './routing.ts';
import type { Spans } from './spans.ts';
import type { Runtime } from './runtime.ts';
import type { Outbox } from './outbox.ts';
import type { Pauses } from './pause.ts';
import type { Projector } from './projector.ts';
import type { JournalStore } from './store/store.ts';
import type { Skew } from './skew.ts';
import type { Timers } from './timers.ts';
import type { Topics } from './topics.ts';
import type { ActorRef, Clock, Log } from './types.ts';

export interface Kernel {
  /** name of this process among the nodes */
  readonly node: string;
  /** epoch ms */
  readonly started: number;
  readonly store: JournalStore;
  readonly registry: Registry;
  readonly kinds: ReadonlyMap<string, Runtime>;
  readonly clock: Clock;
  /** uniform in [0, 1) */
  readonly random: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly topics: Topics;
  readonly pauses: Pauses;
  readonly outbox: Outbox;
  readonly timers: Timers;
  readonly feed: Feed;
  /** absent: tracing is off */
  readonly spans: Spans | undefined;
  readonly skew: Skew;
  readonly projector: Projector;
  /** absent when every message goes by the outbox */
  readonly fusion: Fusion | undefined;
  /** deep-freeze contexts after every macrostep */
  readonly freeze: boolean;
  readonly onJob: (queue: string) => void;
  readonly limits: NodeLimits;
  /** absent where one node serves all slots */
  readonly placement: Placement | undefined;
  readonly interests: Interests | undefined;
  readonly router: Router | undefined;
  readonly lanes: Lanes;
  /** The activation of an actor, if it is in memory. */
  active(ref: ActorRef): Activation | undefined;
  /** Whether this node may decide for the slot at once: it owns it beyond doubt and keeps it. */
  steady(slot: number): boolean;
  /** The activation of an actor, new if there is none. @throws KernelProblem when no more fit into memory */
  activation(ref: ActorRef, rt: Runtime): Activation;
  /** Brings an event of the kernel itself to its actor, as soon as there is room in memory. */
  deliver(ref: ActorRef, rt: Runtime, e: Envelope): void;
  /** Whether timers, messages and effects of the slot are this node's work. */
  works(slot: number): boolean;
  /** Drops quiet activations; what must not be lost of them is written first. */
  passivate(list: readonly Activation[], reason: string): Promise<void>;
  /** Gives the activation a turn soon. */
  schedule(a: Activation): void;
  /** Whether a turn of `ms` was long because the process stood still. */
  stood(ms: number): boolean;
  /** Reads the actor's snapshot and journal tail, then calls `a.loaded` or `a.failedToLoad`. */
  load(a: Activation): void;
  /** Marks the actor for the tables that follow it and, if due, for a snapshot. */
  committed(a: Activation): void;
  /** Takes the changed size of an activation into account. */
  grown(a: Activation): void;
}
