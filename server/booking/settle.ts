/**
 * Waits until an actor has come to rest. The kernel has no answers that arrive later than the commit of their command; a saga of several
 * messages has its outcome in the state. The wait follows the commits of the actor, of which the node that serves it tells those that have asked for
 * one of its topics, so it costs no polling, and reads the state after each. Outcome and waiting are separate: who stops waiting changes nothing.
 */
import type { ActorSystem } from '../../actors/system.ts';
import type { ActorRef, Clock } from '../../actors/types.ts';

export interface Settler {
  /** The actor has changed, here or at another node. */
  changed(ref: ActorRef): void;
  /**
   * Reads until `done` gives something other than undefined, at first at once and then after each change of the topic's actor.
   *
   * @returns undefined when `ms` have passed
   */
  settled<T>(topic: string, done: () => Promise<T | undefined>, ms: number): Promise<T | undefined>;
}

export function createSettler(actors: Pick<ActorSystem, 'slice'>, clock: Clock): Settler {
  const waiting = new Map<ActorRef, Set<() => void>>();

  return {
    changed(ref) {
      for (const wake of waiting.get(ref) ?? []) wake();
    },
    async settled(topic, done, ms) {
      let moved = false;
      let over = false;
      let wake = (): void => undefined;
      const notice = (): void => {
        moved = true;
        wake();
      };
      const ref = topic.slice(0, topic.indexOf('/'));
      const list = waiting.get(ref) ?? new Set();
      waiting.set(ref, list.add(notice));
      const timer = clock.setTimer(ms, () => {
        over = true;
        wake();
      });
      try {
        await actors.slice(topic); // from here on the node that serves the actor tells of its commits
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
        if (list.size === 0) waiting.delete(ref);
      }
    },
  };
}
