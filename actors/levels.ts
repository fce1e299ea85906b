/** What the gauges of a node read when they are scraped. */
import { laneOf } from './cluster-view.ts';
import { SLOTS } from './ids.ts';
import type { Keeper } from './keeper.ts';
import type { Kernel } from './kernel.ts';
import type { Loader } from './loader.ts';
import type { Levels } from './metrics.ts';
import type { Overload } from './overload.ts';
import type { Residents } from './residents.ts';

/** The parts that the kernel does not show to the others. */
export interface HiddenParts {
  readonly residents: Residents;
  readonly overload: Overload;
  readonly loader: Loader;
  readonly keeper: Keeper;
}

/** @param hidden asked at every reading: the parts are made after the metrics */
export const levelsOf = (k: Omit<Kernel, 'metrics'>, hidden: () => HiddenParts): Levels => ({
  activations: () => ({ hot: hidden().residents.hot.size, warm: hidden().residents.warm }),
  activationBytes: () => hidden().residents.bytes,
  inflight: () => hidden().overload.inflight,
  inflightBytes: () => hidden().overload.bytes,
  queueAge: () => hidden().overload.age,
  shedProbability: () => hidden().overload.probability,
  loadsWaiting: () => [...hidden().loader.pending()].length,
  ringBytes: () => k.topics.ringBytes,
  bounds: () => k.limits,
  lanes: () => k.lanes.all.map((c) => laneOf(c, k.clock.mono())),
  outboxPending: () => k.outbox.pending,
  timersPending: () => k.timers.pending,
  mailboxMax: () => hidden().residents.longestMailbox,
  coverage: () => [...k.kinds.values()].map((rt) => [rt.def.kind, rt.transitions.share] as const),
  projections: () => k.projector,
  slots: () => k.placement?.slots.length ?? SLOTS,
  leaseLeft: () => (k.placement?.leaseLeft ?? 0) / 1_000,
  roaming: () => (k.placement?.roaming === true ? 1 : 0),
  macrosteps: () => [...k.kinds.values()].map((rt) => [rt.def.kind, rt.runner.steps] as const),
  deadUnresolved: () => hidden().keeper.deadUnresolved,
  clockSkewMs: () => k.skew.ms,
});
