/** Which nodes live, and where every slot should be because of it. */
import type { Log } from '../types.ts';
import { createAssigner } from './assign.ts';
import type { NodeInfo } from './leases.ts';

/** slots move only between nodes that have been the same for so long */
const STABLE_MS = 3_000;

/** Those of `nodes` that are not among `known`. */
const others = (nodes: readonly NodeInfo[], known: readonly NodeInfo[]): NodeInfo[] =>
  nodes.filter(({ id }) => !known.some((n) => n.id === id));

export class Members {
  readonly #log: Log;
  readonly #assign = createAssigner();
  #key = '';
  #since = 0;
  list: readonly NodeInfo[] = [];
  /** [slot] -> node; empty when no node takes slots */
  target: readonly string[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  /** Takes in who lives now. @param now mono ms @returns whether that changes where slots should be */
  meet(nodes: readonly NodeInfo[], now: number): boolean {
    const before = this.list;
    this.list = nodes;
    const key = nodes.map((n) => `${n.id} ${n.weight} ${n.build}`).join();
    if (key === this.#key) return false;
    for (const { id, address, build } of others(before, nodes)) this.#log.info({ other: id, address, build }, 'a node is gone');
    for (const { id, address, build } of others(nodes, before)) this.#log.info({ other: id, address, build }, 'a node has come');
    this.#key = key;
    this.#since = now;
    this.target = this.#assign(nodes);
    return true;
  }

  stable(now: number): boolean {
    return now - this.#since >= STABLE_MS && this.target.length > 0;
  }

  /** Ids of the nodes that live. */
  get ids(): ReadonlySet<string> {
    return new Set(this.list.map((n) => n.id));
  }
}
