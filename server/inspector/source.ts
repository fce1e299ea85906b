import type { ActorState, Json } from '../../actors/types.ts';
import type { DirectoryRow, HistoryRow, JournalStore } from '../../actors/store/store.ts';

/** One actor as it is now, read without a place in its mailbox and without activating it. */
export interface ActorReport {
  readonly ref: string;
  readonly actorId: string;
  readonly slot: number;
  readonly seq: number;
  readonly mver: number;
  readonly status: string;
  readonly temperature: 'hot' | 'cold';
  readonly mailbox: number;
  readonly uncommitted: number;
  readonly lastAt: number;
  readonly state: ActorState;
  readonly stateText: string;
}

/** What the inspector reads of the kernel (`system.inspect`, kernel 13.1). */
export interface InspectSource {
  list(q: Parameters<JournalStore['directory']>[0]): Promise<DirectoryRow[]>;
  /** @throws KernelProblem NOT_FOUND, UNKNOWN_KIND */
  one(ref: string): Promise<ActorReport>;
  /** Newest first. */
  journal(ref: string, q: { before?: number; after?: number; limit: number }): Promise<HistoryRow[]>;
  /** @throws KernelProblem UNKNOWN_KIND */
  machine(kind: string): { kind: string; version: number; hash: string; commands: string[]; definition: Json | object };
  kinds(): string[];
}
