/**
 * The keys of an actor's latest commands, by which a repeated one is recognised. Of those that it had when it was in memory for the last time only
 * marks are kept, beginnings of the keys: they cost next to nothing to read, write and hold, and the journal has the answers.
 */
import type { Known } from './rows.ts';

/** keys that an actor in memory knows at least, as far as it has had so many commands */
export const REMEMBERED = 256;

/**
 * Hexadecimal digits of a mark: 64 bits, so that two of 256 keys share one with a probability of 1 in 10^15. Then the journal is asked in
 * vain, and the event runs behind those that came after it.
 */
export const MARK = 16;
const MARKS = REMEMBERED * MARK;

/** Marks of `idems` behind those of `older`, as many as are remembered, oldest first. */
export function marksOf(older: string, idems: Iterable<string>): string {
  let marks = older;
  for (const idem of idems) marks += idem.slice(0, MARK);
  return marks.length > MARKS ? marks.slice(-MARKS) : marks;
}

export class Keys {
  /** undefined: there are keys of which not even a mark is left */
  #older: string | undefined;
  /** oldest first */
  #newer: Map<string, Known> | undefined;

  /** @param older marks of keys that stand in the journal, oldest first */
  constructor(older = '') {
    this.#older = older;
  }

  get size(): number {
    return (this.#older?.length ?? 0) / MARK + (this.#newer?.size ?? 0);
  }

  /** What a key stands for, if the answer is at hand. */
  get(idem: string): Known | undefined {
    return this.#newer?.get(idem);
  }

  /** Whether it is one of the keys whose answer is in the journal. */
  marked(idem: string): boolean {
    if (this.#older === undefined) return false;
    const mark = idem.slice(0, MARK);
    let at = this.#older.indexOf(mark);
    while (at % MARK > 0) at = this.#older.indexOf(mark, at + 1);
    return at >= 0;
  }

  knows(idem: string): boolean {
    return this.get(idem) !== undefined || this.marked(idem);
  }

  /** Adds a key; the oldest are forgotten when there are too many. */
  remember(idem: string, known: Known): void {
    const newer = (this.#newer ??= new Map<string, Known>());
    newer.set(idem, known);
    if (newer.size < REMEMBERED) return;
    if (this.#older !== '' || newer.size > REMEMBERED) this.#older = undefined;
    if (newer.size > REMEMBERED) newer.delete(newer.keys().next().value as string);
  }

  /**
   * Marks of the latest keys up to the event `seq`, oldest first; a later event may never be there. Undefined when too many are of later events, and
   * those before them are forgotten.
   */
  marks(seq: number): string | undefined {
    if (this.#newer === undefined) return this.#older;
    const idems: string[] = [];
    for (const [idem, known] of this.#newer) if (known.reply.seq <= seq) idems.push(idem);
    return this.#older === undefined && idems.length < REMEMBERED ? undefined : marksOf(this.#older ?? '', idems);
  }
}
