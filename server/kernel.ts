/** The kernel as this server runs it: its bounds, lanes and retention from the configuration, its kinds and effects from the modules. */
import type { Registry } from 'prom-client';
import type { ClusterOptions } from '../actors/cluster-options.ts';
import type { ActorKind } from '../actors/define.ts';
import type { EffectFunctions } from '../actors/effects.ts';
import type { JournalStore } from '../actors/store/store.ts';
import { createActorSystem } from '../actors/system.ts';
import type { ActorSystem } from '../actors/system.ts';
import type { Clock, Log } from '../actors/types.ts';
import type { Config } from './config.ts';
import { createSpans, registeredTracer } from './observe/spans.ts';

export interface KernelDeps {
  readonly config: Config;
  readonly kinds: readonly ActorKind[];
  readonly effects: EffectFunctions;
  readonly store: JournalStore;
  /** the embedded database commits one batch at a time */
  readonly embedded: boolean;
  readonly cluster: ClusterOptions | undefined;
  readonly node: string;
  readonly version: string;
  readonly erasureKey: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly registry: Registry;
  /** contexts are frozen */
  readonly strict: boolean;
  /** a commit has written a job of the queue */
  readonly onJob: (queue: string) => void;
  readonly onReplaced: (() => void) | undefined;
}

export function createKernel(d: KernelDeps): ActorSystem {
  const { config, random, node, cluster, onReplaced } = d;
  const tracer = registeredTracer(d.version);
  return createActorSystem({
    kinds: d.kinds,
    effects: d.effects,
    store: d.store,
    clock: d.clock,
    random,
    log: d.log,
    metrics: d.registry,
    node,
    onJob: d.onJob,
    erasureKey: d.erasureKey,
    freeze: d.strict,
    lanes: d.embedded ? 1 : config.kernelLanes,
    retention: config.kernelRetention === 'off' ? 'off' : { anchorDays: config.kernelAnchorDays },
    ...(tracer === undefined ? {} : { spans: createSpans({ tracer, share: config.traceSample, random, node }) }),
    ...(onReplaced === undefined ? {} : { onReplaced }),
    ...(config.kernelFuse === 'on' ? { fuse: () => true } : {}),
    ...(cluster === undefined ? {} : { cluster }),
    limits: {
      inflight: config.kernelInflight,
      inflightBytes: config.kernelInflightBytes,
      activations: config.kernelActivations,
      activationBytes: config.kernelActivationBytes,
      warmAfter: config.kernelWarmAfterMs,
      loads: config.kernelLoads,
      laneRows: config.kernelLaneRows,
      laneBytes: config.kernelLaneBytes,
      ringBytes: config.kernelRingBytes,
    },
  });
}
