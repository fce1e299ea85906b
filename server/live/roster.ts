/**
 * Who is connected where, over all nodes of an installation. A subject (`user:42`, `org:acme`) has entries; each belongs to one node, is called
 * `node/key`, and says something in a short text. Nothing of it is journaled: it may be lost as a whole, and then every node says its own again.
 * Drivers: memory, below, and Redis (server/redis/roster.ts), where an entry that its node does not repeat is forgotten after a minute.
 */

/** up to so many keys are listed, of more only the first `SAMPLE` in order */
export const LISTED = 1_000;
export const SAMPLE = 20;
/** text of an entry that counts nowhere: its key is there and does not want to be seen */
export const UNSEEN = '-';

export interface Heard {
  /** `node/key` -> what the node says of it */
  readonly entries: ReadonlyMap<string, string>;
  /** only when there are more than `LISTED` keys: how many can be seen. `entries` are then those of the first `SAMPLE`. */
  readonly count?: number;
}

export interface Asking {
  /** own entries to be written, or with undefined removed */
  readonly say: ReadonlyMap<string, string | undefined>;
  /** whether the entries of all nodes are wanted */
  readonly list: boolean;
}

/** One node's end. */
export interface Roster {
  /** whether entries must be said again within a minute */
  readonly forgets: boolean;
  /**
   * Writes what is said and gives the entries of the subjects that are to be listed. Rejects when the others are out of reach.
   *
   * @param tell other nodes are told of the subjects of which something is said
   */
  exchange(asked: ReadonlyMap<string, Asking>, tell: boolean): Promise<ReadonlyMap<string, Heard>>;
  /** What other nodes tell. Undefined: anything may have changed, and own entries may have been forgotten. */
  onTold(fn: (subjects: readonly string[] | undefined) => void): void;
  close(): void;
}

/** `node/key` without its node. */
export const keyOf = (entry: string): string => entry.slice(entry.indexOf('/') + 1);

/** Gives each node its end of a roster in memory. */
export function memoryRosters(): () => Roster {
  const subjects = new Map<string, Map<string, string>>();
  const ends = new Map<object, (subjects: readonly string[]) => void>();

  function write(subject: string, say: Asking['say']): void {
    const entries = subjects.get(subject) ?? new Map<string, string>();
    for (const [id, text] of say) {
      if (text === undefined) entries.delete(id);
      else entries.set(id, text);
    }
    if (entries.size === 0) subjects.delete(subject);
    else subjects.set(subject, entries);
  }

  function heard(subject: string): Heard {
    const entries = subjects.get(subject) ?? new Map<string, string>();
    const seen = [...entries].filter(([, text]) => text !== UNSEEN);
    const keys = new Set(seen.map(([id]) => keyOf(id)));
    if (keys.size <= LISTED) return { entries: new Map(entries) };
    const first = new Set([...keys].sort().slice(0, SAMPLE));
    return { entries: new Map(seen.filter(([id]) => first.has(keyOf(id)))), count: keys.size };
  }

  return () => {
    const me = {};
    return {
      forgets: false,
      async exchange(asked, tell) {
        const lists = new Map<string, Heard>();
        for (const [subject, { say, list }] of asked) {
          write(subject, say);
          if (list) lists.set(subject, heard(subject));
        }
        const changed = [...asked].filter(([, { say }]) => say.size > 0).map(([subject]) => subject);
        if (tell && changed.length > 0) for (const [end, told] of ends) if (end !== me) told(changed);
        return lists;
      },
      onTold: (fn) => void ends.set(me, fn),
      close: () => void ends.delete(me),
    };
  };
}
