/**
 * What a node takes in and what it sheds (kernel specification 11.2). The bounds are hard; below them a node whose queues have grown old refuses
 * new work with a probability that rises until they are young again. Work is served in this order: events of the kernel itself, operators,
 * commands of clients, queries, the inspector.
 */
import { refusal } from './errors.ts';
import type { NodeLimits } from './limits.ts';
import type { Metrics } from './metrics.ts';
import type { Principal, Refusal } from './types.ts';

export type Work = 'internal' | 'admin' | 'client' | 'query' | 'inspector';

/** age of the oldest queued command that is too old, and how long it must stay so, ms */
const OLD_MS = 500;
const PATIENCE_MS = 1_000;
/** how much the probability of a refusal rises at each sample; it falls by half */
const RISE = 0.1;
const MOST = 0.95;
const LEAST = 0.02;
/** times that probability */
const SHARE: Readonly<Record<Work, number>> = { internal: 0, admin: 0, client: 1, query: 2, inspector: 4 };
const RETRY_MS = { least: 100, most: 5_000 };

export const workOf = (p: Principal): Work =>
  p.kind === 'operator' ? 'admin' : p.kind === 'actor' || p.kind === 'system' ? 'internal' : 'client';

/** Reads of people give way to their commands. */
export const readBy = (p: Principal): Work => (workOf(p) === 'client' ? 'query' : workOf(p));

/** ms that the oldest event of these activations has waited */
export function queueAge(mono: number, ...waiting: readonly Iterable<{ readonly waitsSince: number }>[]): number {
  let since = mono;
  for (const list of waiting) for (const a of list) since = Math.min(since, a.waitsSince);
  return mono - since;
}

export class Overload {
  readonly #limits: NodeLimits;
  readonly #random: () => number;
  readonly #metrics: Metrics;
  #inflight = 0;
  #bytes = 0;
  #age = 0;
  #oldSince: number | undefined;
  #probability = 0;

  constructor(o: { limits: NodeLimits; random: () => number; metrics: Metrics }) {
    this.#limits = o.limits;
    this.#random = o.random;
    this.#metrics = o.metrics;
  }

  /** work accepted and not answered */
  get inflight(): number {
    return this.#inflight;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** ms that the oldest queued command had waited when it was last looked at */
  get age(): number {
    return this.#age;
  }

  /** with which a command of a client is refused */
  get probability(): number {
    return this.#probability;
  }

  /** Why this work cannot be taken in now; undefined when it can. @param bytes of its payload */
  refusal(work: Work, bytes: number): Refusal | undefined {
    const full = this.#inflight >= this.#limits.inflight || this.#bytes + bytes > this.#limits.inflightBytes;
    if (!full && (this.#probability === 0 || this.#random() >= this.#probability * SHARE[work])) return undefined;
    this.#metrics.shed.add(work);
    const retry = Math.min(RETRY_MS.most, Math.max(RETRY_MS.least, Math.round(this.#age)));
    return refusal('OVERLOADED', full ? 'too much is in flight' : 'the queues are old', undefined, retry);
  }

  begin(bytes: number): void {
    this.#inflight += 1;
    this.#bytes += bytes;
  }

  end(bytes: number): void {
    this.#inflight -= 1;
    this.#bytes -= bytes;
  }

  /** Looks at the age of the oldest queued command, a few times each second. @param age ms; @param now mono ms */
  sample(age: number, now: number): void {
    this.#age = age;
    if (age <= OLD_MS) {
      this.#oldSince = undefined;
      this.#probability = this.#probability < LEAST ? 0 : this.#probability / 2;
      return;
    }
    this.#oldSince ??= now;
    if (now - this.#oldSince >= PATIENCE_MS) this.#probability = Math.min(MOST, this.#probability + RISE);
  }
}
