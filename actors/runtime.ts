import type { ActorKind, LogTopic, SignalTopic, StateTopic } from './define.ts';
import { MachineRunner } from './machine.ts';
import type { MachineSnapshot } from './machine.ts';
import type { Maps } from './patch.ts';
import type { Declared } from './projection.ts';
import { Transitions } from './transitions.ts';
import type { ActorRef, ActorState } from './types.ts';

/** A kind with what the kernel derives from it once. */
export interface Runtime {
  readonly def: ActorKind;
  /** its commits do not wait for the disk */
  readonly relaxed: boolean;
  readonly runner: MachineRunner;
  readonly transitions: Transitions;
  readonly maps: Maps;
  readonly creates: ReadonlySet<string>;
  readonly logs: ReadonlyMap<string, LogTopic>;
  readonly signals: ReadonlyMap<string, SignalTopic>;
  readonly states: ReadonlyMap<string, StateTopic>;
  readonly projections: readonly Declared[];
}

export function runtimeOf(def: ActorKind): Runtime {
  const topics = def.topics ?? [];
  return {
    def,
    relaxed: def.durability === 'relaxed',
    runner: new MachineRunner(def.machine),
    transitions: new Transitions(def.machine),
    maps: (def.maps ?? {}) as Maps,
    creates: new Set(def.create ?? Object.keys(def.commands)),
    logs: new Map(topics.filter((t) => t.kind === 'log').map((t) => [t.view, t])),
    signals: new Map(topics.filter((t) => t.kind === 'signal').map((t) => [t.view, t])),
    states: new Map(topics.filter((t) => t.kind === 'state').map((t) => [t.view, t])),
    projections: Object.entries(def.projections ?? {}).map(([name, projection]) => ({ name: `${def.kind}/${name}`, projection })),
  };
}

export const relaxedKinds = (kinds: ReadonlyMap<string, Runtime>): string[] =>
  [...kinds.values()].filter((rt) => rt.relaxed).map(({ def }) => def.kind);

/** Where an actor is addressed. */
export interface Address {
  readonly ref: ActorRef;
  readonly id: string;
  readonly actorId: string;
  readonly slot: number;
}

/** One state of an actor, committed or not: the machine's snapshot beside the durable state that it stands for. Immutable. */
export interface Live {
  readonly snap: MachineSnapshot;
  readonly state: ActorState;
  readonly seq: number;
  /** `at` of the last event */
  readonly at: number;
  /** upper bound of the JSON bytes of the context */
  readonly size: number;
}
