/** Baseline A: the same machine as plain XState actors in memory, nothing else. */
import { createActor } from 'xstate';
import { plainMachine, stepCommand } from './kind.ts';
import type { Contender } from './harness.ts';

const CHUNK = 1_000;

/** Events per second over `actors` started actors, one after the other. */
export function plainActors(actors: number): Contender {
  const all = Array.from({ length: actors }, () => createActor(plainMachine).start());
  let i = 0;
  return {
    name: 'A',
    run: async (ms) => {
      const began = performance.now();
      let done = 0;
      while (performance.now() < began + ms) {
        for (let n = 0; n < CHUNK; n += 1) {
          i += 1;
          all[i % actors]!.send(stepCommand(i));
        }
        done += CHUNK;
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
      }
      return done / ((performance.now() - began) / 1_000);
    },
  };
}
