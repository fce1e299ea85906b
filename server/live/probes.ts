/**
 * Tail probes (realtime R6). A message that is lost between nodes is noticed by the next one; the last one has none. So where a topic stands is said
 * once more a second after its last publication, and again after ten.
 */
import type { Publication } from '../../actors/system.ts';
import type { Clock, TimerHandle } from '../../actors/types.ts';
import type { Head } from './outgoing.ts';

const AFTER_MS = [1_000, 10_000];
const TICK_MS = 250;

interface Waiting extends Head {
  readonly due: number;
}

export interface Probes {
  published(p: Publication): void;
  stop(): void;
}

export function createProbes(clock: Clock, emit: (head: Head) => void): Probes {
  /** by topic, in order of their time, because each queue has one wait */
  const queues = AFTER_MS.map(() => new Map<string, Waiting>());
  let timer: TimerHandle | undefined;

  const tick = (): void => {
    timer = undefined;
    const now = clock.mono();
    for (const [i, queue] of queues.entries()) {
      for (const [topic, { due, t, e, s }] of queue) {
        if (due > now) break;
        queue.delete(topic);
        emit({ t, e, s });
        queues[i + 1]?.set(topic, { t, e, s, due: due + (AFTER_MS[i + 1] ?? 0) - (AFTER_MS[i] ?? 0) });
      }
    }
    if (queues.some((q) => q.size > 0)) timer = clock.setTimer(TICK_MS, tick);
  };

  return {
    published(p) {
      if (p.k === 'x') return;
      const { t, e, s } = p;
      for (const queue of queues) queue.delete(t);
      queues[0]?.set(t, { t, e, s, due: clock.mono() + (AFTER_MS[0] ?? 0) });
      timer ??= clock.setTimer(TICK_MS, tick);
    },
    stop() {
      if (timer !== undefined) clock.clearTimer(timer);
    },
  };
}
