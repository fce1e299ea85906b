/** A store that keeps nothing: what remains is the cost of the kernel itself. It can pass what it is given to `seen`. */
import type { Batch, JournalStore } from '../actors/store/store.ts';

const nobody = async (): Promise<undefined> => undefined;
const nothing = async (): Promise<never[]> => [];
const ignore = async (): Promise<void> => undefined;

export function nullStore(seen: (batch: Batch) => void = () => undefined): JournalStore {
  return {
    durability: 'none',
    scan: {
      actors: nothing,
      rows: nothing,
      outbox: nothing,
      timers: nothing,
      snapshot: nobody,
      repeated: nothing,
      items: nothing,
      holders: nothing,
      left: nothing,
      audit: nothing,
      differing: nothing,
    },
    start: ignore,
    stop: ignore,
    fence: async () => 0,
    openLane: async () => ({ commit: async (batch) => seen(batch), close: ignore }),
    dataId: async () => '0'.repeat(32),
    load: async () => new Map(),
    tails: async () => new Map(),
    cidAt: nobody,
    byIdem: nobody,
    refuse: nobody,
    saveSnapshots: ignore,
    touch: ignore,
    setStatus: ignore,
    timersDue: nothing,
    rearm: ignore,
    outboxDue: nothing,
    outboxOf: nothing,
    postpone: ignore,
    bury: ignore,
    topicItems: nothing,
    topicFloor: nobody,
    directory: nothing,
    entry: nobody,
    history: nothing,
    admin: {
      audit: ignore,
      audits: nothing,
      past: async () => ({ rows: [] }),
      kept: nobody,
      outboxOf: nothing,
      deadLetters: nothing,
      deadLetter: nobody,
      resolveDead: async () => false,
      pauses: nothing,
      pause: ignore,
      unpause: async () => false,
      countTaken: ignore,
      taken: nothing,
    },
    lifecycle: {
      erase: async () => undefined,
      conclude: async () => false,
      prune: async () => ({ events: 0, snapshots: 0 }),
      trim: async () => 0,
    },
    recent: nothing,
    refs: async () => new Map(),
  };
}
