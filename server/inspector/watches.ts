/** Who watches what: filters, samples and budgets, asked for every event of the node while anybody watches. */
import { splitRef } from '../../actors/ids.ts';
import type { Address } from '../../actors/runtime.ts';
import { Bucket } from '../limits/limiter.ts';
import { WATCH_MS } from './messages.ts';
import type { Filter, Watch } from './messages.ts';

/** The connection, of this node or of another, that a watch belongs to. */
export interface Listener {
  /** id of the socket */
  readonly conn: string;
  /** whether personal fields are shown to it */
  readonly pii: boolean;
  /** actors that it has heard of */
  readonly actors: Set<string>;
  /** machines whose definition it has */
  readonly machines: Set<string>;
}

export interface Counts {
  readonly id: string;
  readonly matched: number;
  readonly sent: number;
  readonly dropped: number;
}

/** a window of the budget: so much of a second's rate may come at once */
const BURST_PER_SECOND = 5;

export class ActiveWatch {
  readonly listener: Listener;
  readonly id: string;
  /** what was asked for */
  readonly text: string;
  readonly #filter: Filter;
  readonly #keys: ReadonlySet<string> | undefined;
  readonly #sample: number;
  readonly #budget: Bucket;
  /** mono ms at which it ends */
  until: number;
  matched = 0;
  sent = 0;
  dropped = 0;

  constructor(listener: Listener, watch: Watch, mono: number) {
    const { id, filter, sample, rate } = watch;
    this.text = JSON.stringify(watch);
    this.listener = listener;
    this.id = id;
    this.#filter = filter;
    this.#keys = filter.keys === undefined ? undefined : new Set(filter.keys);
    this.#sample = sample;
    this.#budget = new Bucket({ perSecond: rate, burst: Math.max(1, rate / BURST_PER_SECOND) }, mono);
    this.until = mono + WATCH_MS;
  }

  fits(at: Address, kind: string, type: string): boolean {
    const { kind: k, id, slot, type: t } = this.#filter;
    if (k !== undefined && k !== kind) return false;
    if (t !== undefined && t !== type) return false;
    if (slot !== undefined && slot !== at.slot) return false;
    if (id !== undefined && id !== at.id) return false;
    return this.#keys === undefined || this.#keys.has(at.ref);
  }

  /** Whether an event that fits is to be told: counts it, and draws and pays for it. @param drawn in [0, 1) */
  takes(drawn: number, mono: number): boolean {
    this.matched += 1;
    if (drawn >= this.#sample) return false;
    if (this.#budget.take(mono).ok) return true;
    this.dropped += 1;
    return false;
  }

  /** What was counted since the last call; undefined when nothing matched. */
  drain(): Counts | undefined {
    const { id, matched, sent, dropped } = this;
    if (matched === 0) return undefined;
    this.matched = 0;
    this.sent = 0;
    this.dropped = 0;
    return { id, matched, sent, dropped };
  }
}

export class Watches {
  readonly #node: string;
  readonly #random: () => number;
  #all: ActiveWatch[] = [];

  constructor(node: string, random: () => number) {
    this.#node = node;
    this.#random = random;
  }

  get size(): number {
    return this.#all.length;
  }

  of(conn: string): ActiveWatch[] {
    return this.#all.filter((w) => w.listener.conn === conn);
  }

  /** Renews one that was asked for in the same words, replaces one of the same connection and id. A filter that names another node, or ids that are no refs, is not for this one. */
  add(listener: Listener, watch: Watch, mono: number): void {
    const same = this.#all.find((w) => w.listener.conn === listener.conn && w.text === JSON.stringify(watch));
    if (same !== undefined) {
      same.until = mono + WATCH_MS;
      return;
    }
    this.remove(listener.conn, watch.id);
    const { node, keys } = watch.filter;
    if (node !== undefined && node !== this.#node) return;
    if (keys?.every((key) => splitRef(key) === undefined) === true) return;
    this.#all.push(new ActiveWatch(listener, watch, mono));
  }

  remove(conn: string, id?: string): void {
    this.#all = this.#all.filter((w) => w.listener.conn !== conn || (id !== undefined && w.id !== id));
  }

  /** Those whose time is over, which end. */
  expire(mono: number): ActiveWatch[] {
    const over = this.#all.filter((w) => w.until <= mono);
    if (over.length > 0) this.#all = this.#all.filter((w) => w.until > mono);
    return over;
  }

  /** For whom an event is to be told. */
  wants(at: Address, kind: string, type: string, mono: number): ActiveWatch[] | undefined {
    let found: ActiveWatch[] | undefined;
    for (const w of this.#all) if (w.fits(at, kind, type) && w.takes(this.#random(), mono)) (found ??= []).push(w);
    return found;
  }

  [Symbol.iterator](): Iterator<ActiveWatch> {
    return this.#all[Symbol.iterator]();
  }
}
