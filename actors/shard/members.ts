/** Which nodes live, and where every slot should be because of it. */
import { createAssigner } from './assign.ts';
import type { NodeInfo } from './leases.ts';

/** slots move only between nodes that have been the same for so long */
const STABLE_MS = 3_000;

export class Members {
  readonly #assign = createAssigner();
  #key = '';
  #since = 0;
  list: readonly NodeInfo[] = [];
  /** [slot] -> node; empty when no node takes slots */
  target: readonly string[] = [];

  /** Takes in who lives now. @param now mono ms @returns whether that changes where slots should be */
  meet(nodes: readonly NodeInfo[], now: number): boolean {
    this.list = nodes;
    const key = nodes.map((n) => `${n.id} ${n.weight} ${n.build}`).join();
    if (key === this.#key) return false;
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
