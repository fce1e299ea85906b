/**
 * States of warm actors as text outside the JavaScript heap. An entry costs its name and one slot of a map on the heap; the collector never
 * sees the rest. Entries are appended to pages; a page of which little is still in use is emptied into the current one.
 */
import { kindOf } from './ids.ts';
import type { ActorRef } from './types.ts';

const PAGE = 1_048_576;
/** of an entry: its length, since when its actor is idle (mono ms), whether its state should be kept as a snapshot, length of its name */
const LENGTH = 0;
const SINCE = 4;
const KEEP = 12;
const NAME = 13;
const HEADER = 15;

interface Page {
  readonly buffer: Buffer;
  used: number;
  /** bytes of entries that have not been taken */
  live: number;
}

export interface WarmEntry {
  readonly ref: ActorRef;
  readonly text: string;
  /** a snapshot is due when the actor becomes cold */
  readonly keep: boolean;
}

export class Warm {
  readonly #pages: (Page | undefined)[] = [];
  /** per kind, in the order in which they became warm: number of the page times PAGE, plus offset */
  readonly #places = new Map<string, Map<ActorRef, number>>();
  #current = -1;
  #size = 0;
  #bytes = 0;

  get size(): number {
    return this.#size;
  }

  /** allocated outside the heap */
  get bytes(): number {
    return this.#bytes;
  }

  has(ref: ActorRef): boolean {
    return this.#places.get(kindOf(ref))?.has(ref) ?? false;
  }

  /** @param since mono ms of the actor's last use */
  put({ ref, text, keep }: WarmEntry, since: number): void {
    this.take(ref);
    const name = Buffer.byteLength(ref);
    const length = HEADER + name + Buffer.byteLength(text);
    const { page, place } = this.#room(length);
    const at = place % PAGE;
    const b = page.buffer;
    b.writeUInt32LE(length, at + LENGTH);
    b.writeDoubleLE(since, at + SINCE);
    b.writeUInt8(keep ? 1 : 0, at + KEEP);
    b.writeUInt16LE(name, at + NAME);
    b.write(ref, at + HEADER);
    b.write(text, at + HEADER + name);
    const kind = kindOf(ref);
    let places = this.#places.get(kind);
    if (places === undefined) this.#places.set(kind, (places = new Map()));
    places.set(ref, place);
    this.#size += 1;
  }

  /** Removes the entry and gives its text, unless the actor was last used before `notBefore` (mono ms). */
  take(ref: ActorRef, notBefore = Number.NEGATIVE_INFINITY): string | undefined {
    const places = this.#places.get(kindOf(ref));
    const place = places?.get(ref);
    if (places === undefined || place === undefined) return undefined;
    const text = this.#since(place) < notBefore ? undefined : this.#read(place).text;
    this.#remove(places, ref, place);
    return text;
  }

  /** Removes the entries of a kind whose actors were last used before `before`, oldest first. */
  *expire(kind: string, before: number): Generator<WarmEntry> {
    const places = this.#places.get(kind);
    for (const [ref, place] of places ?? []) {
      if (places === undefined || this.#since(place) >= before) return;
      yield this.#out(places, place, ref);
    }
  }

  /** Removes entries one by one, those of the least recently used actors first. */
  *leaving(): Generator<WarmEntry> {
    const queues = [...this.#places.values()].map((places) => {
      const refs = places.keys();
      return { places, refs, next: refs.next() };
    });
    for (;;) {
      let first: (typeof queues)[number] | undefined;
      let least = Number.POSITIVE_INFINITY;
      for (const queue of queues) {
        const place = queue.next.done === true ? undefined : queue.places.get(queue.next.value);
        if (place === undefined || this.#since(place) >= least) continue;
        first = queue;
        least = this.#since(place);
      }
      const ref = first?.next.value;
      const place = ref === undefined ? undefined : first?.places.get(ref);
      if (first === undefined || ref === undefined || place === undefined) return;
      first.next = first.refs.next();
      yield this.#out(first.places, place, ref);
    }
  }

  #out(places: Map<ActorRef, number>, place: number, ref: ActorRef): WarmEntry {
    const entry = { ref, ...this.#read(place) };
    this.#remove(places, ref, place);
    return entry;
  }

  #pageOf(place: number): Page {
    const page = this.#pages[Math.floor(place / PAGE)];
    if (page === undefined) throw new Error(`warm entries: nothing stands at ${place}`);
    return page;
  }

  #since = (place: number): number => this.#pageOf(place).buffer.readDoubleLE((place % PAGE) + SINCE);

  #read(place: number): { text: string; keep: boolean } {
    const b = this.#pageOf(place).buffer;
    const at = place % PAGE;
    const from = at + HEADER + b.readUInt16LE(at + NAME);
    return { text: b.toString('utf8', from, at + b.readUInt32LE(at + LENGTH)), keep: b.readUInt8(at + KEEP) === 1 };
  }

  #remove(places: Map<ActorRef, number>, ref: ActorRef, place: number): void {
    places.delete(ref);
    this.#size -= 1;
    const page = this.#pageOf(place);
    page.live -= page.buffer.readUInt32LE((place % PAGE) + LENGTH);
    const number = Math.floor(place / PAGE);
    if (number === this.#current) return;
    if (page.live === 0) this.#drop(number, page);
    else if (page.live < page.used / 4) this.#empty(number, page);
  }

  /** A place for `length` bytes; one that exceeds a page gets a page of its own. */
  #room(length: number): { page: Page; place: number } {
    let page = this.#pages[this.#current];
    if (page === undefined || page.used + length > page.buffer.length) {
      const former = this.#current;
      const free = this.#pages.indexOf(undefined);
      this.#current = free < 0 ? this.#pages.length : free;
      page = { buffer: Buffer.allocUnsafeSlow(Math.max(PAGE, length)), used: 0, live: 0 };
      this.#pages[this.#current] = page;
      this.#bytes += page.buffer.length;
      const left = this.#pages[former];
      if (left?.live === 0) this.#drop(former, left);
    }
    const place = this.#current * PAGE + page.used;
    page.used += length;
    page.live += length;
    return { page, place };
  }

  #drop(number: number, page: Page): void {
    this.#pages[number] = undefined;
    this.#bytes -= page.buffer.length;
  }

  /** Moves what is left of a page to the current one. */
  #empty(number: number, page: Page): void {
    const b = page.buffer;
    for (let at = 0; at < page.used; at += b.readUInt32LE(at + LENGTH)) {
      const ref = b.toString('utf8', at + HEADER, at + HEADER + b.readUInt16LE(at + NAME));
      const places = this.#places.get(kindOf(ref));
      if (places?.get(ref) !== number * PAGE + at) continue;
      const length = b.readUInt32LE(at + LENGTH);
      const to = this.#room(length);
      b.copy(to.page.buffer, to.place % PAGE, at, at + length);
      places.set(ref, to.place);
    }
    this.#drop(number, page);
  }
}
