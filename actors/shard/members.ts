/** Which nodes live, and where every slot should be because of it. */
import type { Clock, Log } from '../types.ts';
import { createAssigner } from './assign.ts';
import type { NodeInfo } from './leases.ts';

/** nodes that have gone are shown for so long, and so many, ms */
const GONE_MS = 3_600_000;
const GONE = 16;

/** A node that is there no more. */
export interface GoneNode extends Pick<NodeInfo, 'id' | 'address' | 'build'> {
  /** epoch ms */
  readonly at: number;
  /** it had said that it would go */
  readonly orderly: boolean;
}

/** slots move only between nodes that have been the same for so long */
const STABLE_MS = 3_000;

/** Those of `nodes` that are not among `known`. */
const others = <N extends { readonly id: string }>(nodes: readonly N[], known: readonly NodeInfo[]): N[] =>
  nodes.filter(({ id }) => !known.some((n) => n.id === id));

export class Members {
  readonly #log: Log;
  readonly #clock: Clock;
  #gone: readonly GoneNode[] = [];
  readonly #assign = createAssigner();
  #key = '';
  #since = 0;
  list: readonly NodeInfo[] = [];
  /** [slot] -> node; empty when no node takes slots */
  target: readonly string[] = [];

  constructor({ log, clock }: { readonly log: Log; readonly clock: Clock }) {
    this.#log = log;
    this.#clock = clock;
  }

  /** Takes in who lives now. @returns whether that changes where slots should be */
  meet(nodes: readonly NodeInfo[]): boolean {
    const before = this.list;
    this.list = nodes;
    const key = nodes.map((n) => `${n.id} ${n.weight} ${n.build}`).join();
    if (key === this.#key) return false;
    const at = this.#clock.wall();
    const left = others(before, nodes).map(({ id, address, build, weight }) => ({ id, address, build, at, orderly: weight === 0 }));
    this.#gone = [...left, ...others(this.#gone, nodes)].slice(0, GONE);
    for (const { id, address, build, orderly } of left) this.#log.info({ other: id, address, build, orderly }, 'a node is gone');
    for (const { id, address, build } of others(nodes, before)) this.#log.info({ other: id, address, build }, 'a node has come');
    this.#key = key;
    this.#since = this.#clock.mono();
    this.target = this.#assign(nodes);
    return true;
  }

  /** Where every slot should be when nodes of builds before `build` get none; like `target` when there are only such. */
  targetFrom(build: number): readonly string[] {
    const able = this.list.filter((n) => n.build >= build && n.weight > 0);
    return able.length === 0 ? this.target : this.#assign(able);
  }

  stable(now: number): boolean {
    return now - this.#since >= STABLE_MS && this.target.length > 0;
  }

  /** Nodes that have gone within the hour and have not come back, the last one first. */
  get gone(): readonly GoneNode[] {
    const after = this.#clock.wall() - GONE_MS;
    return this.#gone.filter(({ at }) => at > after);
  }

  /** Ids of the nodes that live. */
  get ids(): ReadonlySet<string> {
    return new Set(this.list.map((n) => n.id));
  }
}
