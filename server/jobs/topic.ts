/** `ops/queues` (realtime R3): how the queues do, for operators. The table is read once a second, and only while somebody here looks. */
import { z } from 'zod';
import { KernelProblem, refusal } from '../../actors/errors.ts';
import type { Clock, Log, TimerHandle } from '../../actors/types.ts';
import { mayInspect } from '../inspector/roles.ts';
import { computed } from '../live/computed.ts';
import type { Computed } from '../live/computed.ts';
import { QueueHealth } from './health.ts';

const EVERY_MS = 1_000;

export const QueuesView = z.strictObject({
  queues: z.record(z.string(), QueueHealth).describe('by name'),
  since: z.int().optional().describe('the database does not answer: the numbers are of this time, epoch ms'),
});
type View = z.output<typeof QueuesView>;

export interface QueuesTopic extends Computed {
  stop(): void;
}

/**
 * @param o.read    how they do now
 * @param o.watched whether a socket of this node follows the topic
 */
export function queuesTopic(o: {
  readonly read: () => Promise<readonly QueueHealth[]>;
  readonly watched: (topic: string) => boolean;
  readonly clock: Clock;
  readonly log: Log;
}): QueuesTopic {
  const { clock } = o;
  const topic = computed('ops/queues', QueuesView, { queues: {} }, () => clock.wall());
  let view: View | undefined;
  let readAt = 0;
  /** the last read, good for a second */
  let looking: Promise<void> | undefined;
  let timer: TimerHandle | undefined;
  let stopped = false;

  async function look(): Promise<void> {
    const began = clock.mono();
    try {
      view = { queues: Object.fromEntries((await o.read()).map((q) => [q.queue, q])) };
      readAt = clock.wall();
    } catch (err) {
      o.log.warn({ err }, 'the queues cannot be read');
      if (view === undefined) throw new KernelProblem(refusal('UNAVAILABLE'));
      view = { ...view, since: readAt };
    }
    topic.set(view);
    const took = clock.mono() - began;
    if (!stopped) timer = clock.setTimer(Math.max(EVERY_MS, took), again);
  }

  function again(): void {
    timer = undefined;
    looking = undefined;
    if (!stopped && o.watched(topic.name)) void now();
  }

  function now(): Promise<void> {
    looking ??= look().catch((err: unknown) => {
      looking = undefined;
      throw err;
    });
    return looking;
  }

  return {
    ...topic,
    readers: 'operators',
    async authorize(_, p) {
      if (!mayInspect(p, 'inspect:read')) throw new KernelProblem(refusal('FORBIDDEN'));
    },
    async slice(name, cursor) {
      await now();
      return topic.slice(name, cursor);
    },
    stop() {
      stopped = true;
      if (timer !== undefined) clock.clearTimer(timer);
    },
  };
}
