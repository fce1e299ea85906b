/** What waits for its commit: the events of one actor that stand or fall together, alone or in a group with those of others. */
import type { Envelope } from './envelope.ts';
import type { Live } from './runtime.ts';
import type { Step } from './step.ts';
import type { EventRows, RingEntry, StoreError } from './store/store.ts';
import type { Reply } from './types.ts';

/** Why an event of an actor will never be committed as it stands. */
export type Verdict =
  | { readonly why: 'refused'; readonly companion: string | undefined; readonly n: number | undefined }
  | { readonly why: 'duplicate'; readonly entry: RingEntry }
  | { readonly why: 'bad-row'; readonly cause: StoreError };

/** The activation whose events a unit holds. */
export interface UnitOwner {
  readonly actorId: string;
  readonly kind: string;
  /** commit of its last durable event, where a crash of the database may take it back (relaxed durability) */
  readonly cid: string | undefined;
  /** The unit is durable, by the commit `cid`. Called in order. */
  settled(unit: CommitUnit, cid: string): void;
  /** None of the actor's unsettled units will be committed; those with a verdict are answered by it, the others run again. */
  rollback(verdicts: ReadonlyMap<CommitUnit, Verdict>): void;
  /** The actor's units from this one on rest on an event of another actor that is lost: they run again. Those before it may be committed yet. */
  cut(from: CommitUnit): void;
}

/** Units of several actors that one statement commits, or none: an event and the messages of it that were delivered at once (15.4). */
export interface Group {
  readonly members: Set<UnitOwner>;
  events: number;
}

/** Events that stand or fall together: usually one, two when the first brings the actor into being. */
export interface CommitUnit {
  readonly owner: UnitOwner;
  readonly events: readonly EventRows[];
  readonly bytes: number;
  readonly companions: number;
  /** units of one group follow each other */
  group: Group | undefined;
}

/** An uncommitted event of an actor with everything that leaves when it is durable. */
export interface Unit extends CommitUnit {
  readonly envelope: Envelope;
  readonly steps: readonly Step[];
  readonly next: Live;
  readonly reply: Reply;
  /** answers computed on this state: they leave with it */
  readonly waiters: { readonly envelope: Envelope; readonly reply: Reply }[];
}

/** The unit of an accepted event; a fused message makes it a member of its group. */
export function unitOf(owner: UnitOwner, e: Envelope, events: readonly EventRows[], steps: readonly Step[], reply: Reply): Unit {
  let bytes = 0;
  let companions = 0;
  for (const event of events) {
    bytes += event.journal.patch.length + event.journal.event.length + 256 * (1 + event.companions.length);
    companions += event.companions.length;
  }
  const group = e.kind === 'tell' ? e.group : undefined;
  if (group !== undefined) {
    group.members.add(owner);
    group.events += events.length;
  }
  const { next } = steps.at(-1) as Step;
  return { owner, events, bytes, companions, group, envelope: e, steps, next, reply, waiters: [] };
}
