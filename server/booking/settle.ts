/**
 * Waits until an actor has come to rest. The kernel has no answers that arrive later than the commit of their command; a saga of several
 * messages has its outcome in the state. The wait follows the publications of a topic of the actor, so it costs no polling, and reads the
 * state after each, so nothing depends on the topic's content. Outcome and waiting are separate: who stops waiting changes nothing.
 */
import type { ActorSystem, Publication } from '../../actors/system.ts';
import type { Clock } from '../../actors/types.ts';

export interface Settler {
  /**
   * Reads until `done` gives something other than undefined, at first at once and then after each publication of the topic.
   *
   * @returns undefined when `ms` have passed
   */
  settled<T>(topic: string, done: () => Promise<T | undefined>, ms: number): Promise<T | undefined>;
}

export function createSettler(actors: ActorSystem, clock: Clock): Settler {
  const waiting = new Map<string, Set<() => void>>();
  actors.onPublish((p: Publication) => {
    for (const wake of waiting.get(p.t) ?? []) wake();
  });

  return {
    async settled(topic, done, ms) {
      let moved = false;
      let over = false;
      let wake = (): void => undefined;
      const notice = (): void => {
        moved = true;
        wake();
      };
      const list = waiting.get(topic) ?? new Set();
      waiting.set(topic, list.add(notice));
      const timer = clock.setTimer(ms, () => {
        over = true;
        wake();
      });
      try {
        await actors.slice(topic); // from here on the topic is hot and every commit that changes it is published
        for (;;) {
          moved = false;
          const value = await done();
          if (value !== undefined || over) return value;
          if (!moved) {
            await new Promise<void>((resolve) => {
              wake = resolve;
              if (moved || over) resolve();
            });
          }
        }
      } finally {
        clock.clearTimer(timer);
        list.delete(notice);
        if (list.size === 0) waiting.delete(topic);
      }
    },
  };
}
