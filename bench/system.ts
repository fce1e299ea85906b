import { Registry } from 'prom-client';
import { createActorSystem } from '../actors/system.ts';
import type { NodeLimits } from '../actors/limits.ts';
import type { ActorSystem } from '../actors/system.ts';
import type { JournalStore } from '../actors/store/store.ts';
import type { Clock, Log, Principal } from '../actors/types.ts';
import { flood } from './harness.ts';
import { stepCommand, stepKind } from './kind.ts';

export const ACTORS = 10_000;
export const IN_FLIGHT = 1_000;

const silent = (): void => undefined;
const tell = (fields: object, message: string): void => void process.stderr.write(`${message} ${JSON.stringify(fields)}\n`);

/** Only what must not happen in a measurement is shown. */
export const benchLog: Log = { debug: silent, info: silent, warn: tell, error: tell };

export const realClock: Clock = {
  wall: () => Date.now(),
  mono: () => performance.now(),
  setTimer: (ms, fn) => setTimeout(fn, ms),
  clearTimer: (handle) => clearTimeout(handle as NodeJS.Timeout),
};

/** A kernel that knows the measured kind only. */
export const stepSystem = (store: JournalStore, lanes = 1, limits: Partial<NodeLimits> = {}): ActorSystem =>
  createActorSystem({
    kinds: [stepKind],
    effects: {},
    store,
    clock: realClock,
    random: Math.random,
    log: benchLog,
    metrics: new Registry(),
    lanes,
    limits,
  });

const caller: Principal = { kind: 'user', id: 'bench', roles: ['user'] };
/** Keys are unique in the whole process: an equal one would be answered from the ring. */
let keys = 0;

/** One command. @throws when it is refused: a measurement has no refusals */
export async function step(system: ActorSystem, id: number | string, i: number): Promise<void> {
  keys += 1;
  const reply = await system.ask(`step:${id}`, stepCommand(i), { key: `bench-${process.pid}-${keys}`, from: caller });
  if (!reply.ok) throw new Error(`step:${id} refused: ${reply.error.code} ${reply.error.detail ?? ''}`);
}

/** Brings `actors` actors into being with one command each, so that births are not measured. */
export async function populate(system: ActorSystem, actors: number, width: number): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < actors) {
      next += 1;
      await step(system, next % actors, next);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/** Commands over `actors` actors, `width` in flight. Gives the rate per second. */
export const spread = (system: ActorSystem, actors: number, width: number, ms: number): Promise<number> =>
  flood(width, ms, (i) => step(system, i % actors, i));
