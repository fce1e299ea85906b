/** How late the event loop runs: what newcomers are refused by when the process has more to do than it can. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import type { Clock, TimerHandle } from '../../actors/types.ts';

export interface LoopDelay {
  /** 99th percentile of the last whole window of 5 s, ms; one long pause alone does not show in it */
  p99(): number;
  start(): void;
  stop(): void;
}

/** Tells the 99th percentile as a metric. */
export function loopMetric(loop: Pick<LoopDelay, 'p99'>, registry: Registry): void {
  const gauge = new Gauge({
    name: 'thrum_kernel_eventloop_lag_seconds',
    help: 'How late the event loop runs, 99th percentile of 5 s',
    registers: [],
    collect() {
      this.set(loop.p99() / 1_000);
    },
  });
  registry.registerMetric(gauge);
}

const RESOLUTION_MS = 20;
const WINDOW_MS = 5_000;

export function watchLoop(clock: Clock): LoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  let last = 0;
  let timer: TimerHandle | undefined;
  const turn = (): void => {
    last = histogram.count === 0 ? 0 : histogram.percentile(99) / 1e6;
    histogram.reset();
    timer = clock.setTimer(WINDOW_MS, turn);
  };
  return {
    p99: () => last,
    start() {
      histogram.enable();
      timer = clock.setTimer(WINDOW_MS, turn);
    },
    stop() {
      histogram.disable();
      if (timer !== undefined) clock.clearTimer(timer);
    },
  };
}
