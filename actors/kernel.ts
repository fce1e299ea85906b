/** What the parts of the kernel know of each other. Built once by `createActorSystem`. */
import type { Activation } from './activation.ts';
import type { Committer } from './committer.ts';
import type { Registry } from './companion.ts';
import type { Envelope } from './envelope.ts';
import type { NodeLimits } from './limits.ts';
import type { Metrics } from './metrics.ts';
import type { Runtime } from './runtime.ts';
import type { Outbox } from './outbox.ts';
import type { JournalStore } from './store/store.ts';
import type { Timers } from './timers.ts';
import type { Topics } from './topics.ts';
import type { ActorRef, Clock, Log } from './types.ts';

export interface Kernel {
  /** name of this process among the nodes */
  readonly node: string;
  readonly store: JournalStore;
  readonly registry: Registry;
  readonly kinds: ReadonlyMap<string, Runtime>;
  readonly clock: Clock;
  /** uniform in [0, 1) */
  readonly random: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly topics: Topics;
  readonly outbox: Outbox;
  readonly timers: Timers;
  /** deep-freeze contexts after every macrostep */
  readonly freeze: boolean;
  readonly onJob: (queue: string) => void;
  readonly limits: NodeLimits;
  committer(slot: number): Committer;
  /** The activation of an actor, new if there is none. @throws KernelProblem when no more fit into memory */
  activation(ref: ActorRef, rt: Runtime): Activation;
  /** Brings an event of the kernel itself to its actor, as soon as there is room in memory. */
  deliver(ref: ActorRef, rt: Runtime, e: Envelope): void;
  /** Gives the activation a turn soon. */
  schedule(a: Activation): void;
  /** Gives the activation a turn after the next commit of its lane. */
  waitForRoom(a: Activation): void;
  /** Reads the actor's snapshot and journal tail, then calls `a.loaded` or `a.failedToLoad`. */
  load(a: Activation): void;
  /** Marks the actor for the directory and, if due, for a snapshot. */
  committed(a: Activation): void;
  /** Takes the changed size of an activation into account. */
  grown(a: Activation): void;
}
