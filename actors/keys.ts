/** The keys of an actor's latest commands, by which a repeated one is answered. */
import type { Known } from './rows.ts';
import type { RingEntry } from './store/store.ts';

/** keys that an actor in memory knows at least, as far as it has had so many commands */
export const REMEMBERED = 256;

type Entry = readonly [idem: string, known: Known];

/** What a warm actor remembered stays text until somebody asks for one of its keys: reading it would be most of the work of waking up. */
export class Keys {
  #older: { readonly text: string; readonly count: number } | undefined;
  /** oldest first */
  #newer: Map<string, Known>;

  constructor(entries: Iterable<Entry> = []) {
    this.#newer = new Map(entries);
  }

  /** @param text as `toText` gave it; @param count of its entries */
  static ofText(text: string, count: number): Keys {
    const keys = new Keys();
    keys.#older = { text, count };
    return keys;
  }

  get size(): number {
    return (this.#older?.count ?? 0) + this.#newer.size;
  }

  get(idem: string): Known | undefined {
    const known = this.#newer.get(idem);
    if (known !== undefined || this.#older?.text.includes(idem) !== true) return known;
    this.#read();
    return this.#newer.get(idem);
  }

  /** Adds a key; the oldest are forgotten when there are too many. */
  remember(idem: string, known: Known): void {
    this.#newer.set(idem, known);
    if (this.#newer.size < REMEMBERED) return;
    this.#older = undefined;
    if (this.#newer.size > REMEMBERED) this.#newer.delete(this.#newer.keys().next().value as string);
  }

  /** JSON of the latest keys, oldest first, and their number. */
  toText(): { readonly text: string; readonly count: number } {
    if (this.#older !== undefined && this.#newer.size === 0) return this.#older;
    this.#read();
    return { text: JSON.stringify([...this.#newer].slice(-REMEMBERED)), count: Math.min(REMEMBERED, this.#newer.size) };
  }

  #read(): void {
    if (this.#older === undefined) return;
    const older = JSON.parse(this.#older.text) as Entry[];
    this.#older = undefined;
    this.#newer = new Map([...older, ...this.#newer]);
  }
}

/** @param known what the entry stands for */
export const keysOf = (entries: readonly RingEntry[], known: (r: RingEntry) => Known): Keys =>
  new Keys(entries.toReversed().map((r) => [r.idem, known(r)]));
