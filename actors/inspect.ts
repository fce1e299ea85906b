/** Reads for people who operate the system: the directory, one actor, its history, its machine. Changes nothing. */
import type { Activation } from './activation.ts';
import { KernelProblem, refusal } from './errors.ts';
import { actorIdOf, slotOf, splitRef } from './ids.ts';
import type { Kernel } from './kernel.ts';
import { definitionOf, stateText } from './machine.ts';
import type { Definition } from './machine.ts';
import { apply, emptyState } from './patch.ts';
import type { Patch } from './patch.ts';
import type { DirectoryRow, HistoryRow } from './store/store.ts';
import type { ActorRef, ActorState } from './types.ts';

export interface ActorReport {
  readonly ref: ActorRef;
  readonly actorId: string;
  readonly slot: number;
  readonly seq: number;
  readonly mver: number;
  /** active, done, paused, quarantined or erased */
  readonly status: string;
  /** `hot` in memory, `cold` only in the store */
  readonly temperature: 'hot' | 'cold';
  readonly mailbox: number;
  readonly uncommitted: number;
  /** epoch ms of the last event */
  readonly lastAt: number;
  readonly state: ActorState;
  readonly stateText: string;
}

export interface Inspect {
  list(q: Parameters<Kernel['store']['directory']>[0]): Promise<DirectoryRow[]>;
  /** @throws KernelProblem NOT_FOUND, UNKNOWN_KIND */
  one(ref: ActorRef): Promise<ActorReport>;
  /** Newest first. */
  journal(ref: ActorRef, q: { before?: number; after?: number; limit: number }): Promise<HistoryRow[]>;
  /** @throws KernelProblem UNKNOWN_KIND */
  machine(kind: string): { kind: string; version: number; hash: string; commands: string[]; definition: Definition };
  kinds(): string[];
}

export function createInspect(k: Kernel, activations: ReadonlyMap<string, Activation>): Inspect {
  const rtOf = (kind: string) => {
    const rt = k.kinds.get(kind);
    if (rt === undefined) throw new KernelProblem(refusal('UNKNOWN_KIND', kind));
    return rt;
  };
  const idOf = (ref: ActorRef): string => {
    const parts = splitRef(ref);
    if (parts === undefined) throw new KernelProblem(refusal('VALIDATION', 'expected kind:id'));
    rtOf(parts.kind);
    return actorIdOf(ref);
  };
  return {
    list: (q) => k.store.directory(q),
    async one(ref) {
      const actorId = idOf(ref);
      const hot = activations.get(ref);
      const loaded = (await k.store.load([actorId], k.clock.wall())).get(actorId);
      if (loaded === undefined) throw new KernelProblem(refusal('NOT_FOUND'));
      let state = loaded.snapshot?.state ?? emptyState;
      for (const row of loaded.tail) state = apply(state, row.patch as Patch);
      const seen = hot?.inspect();
      return {
        ref,
        actorId,
        slot: slotOf(actorId),
        seq: loaded.tail.at(-1)?.seq ?? loaded.snapshot?.seq ?? 0,
        mver: loaded.tail.at(-1)?.mver ?? loaded.snapshot?.mver ?? 0,
        status: loaded.status,
        temperature: hot === undefined ? 'cold' : 'hot',
        mailbox: seen?.mailbox ?? 0,
        uncommitted: seen?.uncommitted ?? 0,
        lastAt: loaded.lastAt,
        state,
        stateText: stateText(state.value),
      };
    },
    journal: async (ref, q) => k.store.history(idOf(ref), q),
    machine(kind) {
      const { def } = rtOf(kind);
      return {
        kind,
        version: def.version,
        hash: def.hash,
        commands: Object.keys(def.commands),
        definition: definitionOf(def.machine.root),
      };
    },
    kinds: () => [...k.kinds.keys()],
  };
}
