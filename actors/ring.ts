import type { Json } from './types.ts';

const MOST = 32;
const MOST_BYTES = 65_536;

/** The merge patch that leads from the published view `p` to the published view `s`. */
export interface Delta {
  readonly p: number;
  readonly s: number;
  readonly bytes: number;
  readonly d: Json;
}

/** Recent publications of one view, oldest first: at most 32 and 64 KiB. An evicted one only means a snapshot instead of deltas. */
export class Ring {
  readonly #rings: Rings;
  #deltas: Delta[] = [];
  #bytes = 0;
  /** mono ms of the last reading */
  usedAt = 0;

  constructor(rings: Rings, now: number) {
    this.#rings = rings;
    this.usedAt = now;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(delta: Delta): void {
    this.#deltas.push(delta);
    let grown = delta.bytes;
    let drop = 0;
    while (this.#deltas.length - drop > MOST || this.#bytes + grown > MOST_BYTES) {
      const gone = this.#deltas[drop];
      if (gone === undefined) break;
      grown -= gone.bytes;
      drop += 1;
    }
    if (drop > 0) this.#deltas.splice(0, drop);
    this.#bytes += grown;
    this.#rings.grow(this, grown);
  }

  /** The patches from the view `s` to the newest, when all are here and they are shorter than `limit` bytes. */
  since(s: number, limit: number): Json[] | undefined {
    const from = this.#deltas.findIndex((delta) => delta.p === s);
    if (from < 0) return undefined;
    const chain = this.#deltas.slice(from);
    const bytes = chain.reduce((sum, delta) => sum + delta.bytes, 0);
    return bytes < limit ? chain.map((delta) => delta.d) : undefined;
  }

  clear(): void {
    const gone = this.#bytes;
    this.#deltas = [];
    this.#bytes = 0;
    this.#rings.grow(this, -gone);
  }
}

/** All rings of a node. Past their common bound the least recently read ones are emptied. */
export class Rings {
  readonly #limit: () => number;
  readonly #full = new Set<Ring>();
  #bytes = 0;

  constructor(limit: () => number) {
    this.#limit = limit;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A ring has grown by so many bytes, or shrunk. */
  grow(ring: Ring, bytes: number): void {
    this.#bytes += bytes;
    if (ring.bytes > 0) this.#full.add(ring);
    else this.#full.delete(ring);
    const limit = this.#limit();
    if (this.#bytes <= limit) return;
    for (const least of [...this.#full].sort((x, y) => x.usedAt - y.usedAt)) {
      if (this.#bytes <= limit * 0.9) return;
      least.clear();
    }
  }
}
