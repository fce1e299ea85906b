/** Keeps the demo studio alive while somebody watches: now and then one thing happens, through the same doors as everything else. */
import type { Clock, Log, TimerHandle } from '../../actors/types.ts';

export interface LiveAction {
  readonly name: string;
  /** how often beside the others */
  readonly weight: number;
  /** @returns false when there was nothing to do */
  run(): Promise<boolean>;
}

export interface LiveOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** whether anybody looks; while nobody does, nothing happens and nothing grows */
  readonly watched: () => boolean;
  readonly actions: readonly LiveAction[];
}

export const LIVE_EVERY_MS = { least: 9_000, most: 18_000 } as const;

/** Things that happen on one day at most: a demo that is watched for weeks stays small. */
export const LIVE_PER_DAY = 1_500;

const DAY = 86_400_000;
const WORN_OUT = 20;
/** When there is nothing to do for one action, others have their turn. */
const TRIES = 5;

export interface LiveDemo {
  start(): void;
  /** Resolves when what has begun is over. */
  stop(): Promise<void>;
}

/** One action at a time, at random moments; an action that fails is logged and another one has its turn. */
export function createLiveDemo(o: LiveOptions): LiveDemo {
  let timer: TimerHandle | undefined;
  let stopped = false;
  let running: Promise<void> = Promise.resolve();
  let day = 0;
  let done = 0;
  let failures = 0;

  const pick = (): LiveAction | undefined => {
    let rest = o.random() * o.actions.reduce((sum, a) => sum + a.weight, 0);
    for (const action of o.actions) {
      rest -= action.weight;
      if (rest < 0) return action;
    }
    return o.actions.at(-1);
  };

  const once = async (): Promise<void> => {
    const today = Math.floor(o.clock.wall() / DAY);
    if (today !== day) {
      day = today;
      done = 0;
    }
    if (!o.watched() || done >= LIVE_PER_DAY) return;
    for (let tries = 0; tries < TRIES; tries += 1) {
      const action = pick();
      if (action === undefined || stopped) return;
      try {
        const happened = await action.run();
        failures = 0;
        if (!happened) continue;
        done += 1;
      } catch (error) {
        if (stopped) return;
        failures += 1;
        o.log.warn({ err: error, action: action.name }, 'a step of the demo failed');
      }
      return;
    }
  };

  const plan = (): void => {
    if (stopped || failures >= WORN_OUT) return;
    const { least, most } = LIVE_EVERY_MS;
    timer = o.clock.setTimer(least + o.random() * (most - least), () => {
      running = once().finally(plan);
    });
  };

  return {
    start: plan,
    async stop() {
      stopped = true;
      if (timer !== undefined) o.clock.clearTimer(timer);
      await running;
    },
  };
}
