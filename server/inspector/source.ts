import type { Json, StateValue } from '../../actors/types.ts';

/** Directory entry of an actor; `state` is refreshed by the kernel with a delay of at most 5 s. */
export interface ActorEntry {
  readonly actorId: string;
  readonly kind: string;
  readonly id: string;
  readonly status: string;
  readonly mver: number;
  readonly state: string | null;
  readonly lastSeq: number;
  /** epoch ms */
  readonly lastAt: number | null;
  readonly createdAt: number;
}

/** One actor as it is now, read without a place in its mailbox and without activating it. */
export interface ActorDetail extends ActorEntry {
  readonly seq: number;
  readonly value: StateValue;
  readonly context: { readonly [key: string]: Json };
  readonly timers: { readonly [id: string]: { readonly seq: number; readonly due: number; readonly type: string } };
  readonly calls: { readonly [id: string]: number };
  readonly logs: { readonly [view: string]: number };
  readonly slot: number;
  readonly temperature: 'hot' | 'passive';
  readonly mailbox: number;
  readonly outbox: number;
  readonly faults: number;
}

export interface JournalEntry {
  readonly seq: number;
  readonly at: number;
  readonly type: string;
  readonly event: Json;
  readonly patch: Json;
  readonly reply: Json;
  readonly mver: number;
  readonly meta: Json;
}

export interface MachineDetail {
  readonly kind: string;
  readonly version: number;
  readonly hash: string;
  /** `machine.definition`, functions replaced by their names */
  readonly definition: Json;
}

/** What the inspector reads of the kernel (`system.inspect`, kernel 13.1). */
export interface InspectSource {
  /** In order of the last event, newest first. */
  list(q: {
    readonly kind?: string;
    /** prefix of the state path */
    readonly state?: string;
    readonly status?: string;
    /** part of the id */
    readonly q?: string;
    readonly limit: number;
    /** position after the last entry of the page before */
    readonly after?: { readonly lastAt: number; readonly actorId: string };
  }): Promise<readonly ActorEntry[]>;
  one(ref: string): Promise<ActorDetail | undefined>;
  /** Newest first. */
  journal(
    ref: string,
    q: { readonly before?: number; readonly after?: number; readonly limit: number },
  ): Promise<readonly JournalEntry[] | undefined>;
  definition(kind: string): MachineDetail | undefined;
}
