/** Child process of P9, started with `--expose-gc`: heap of a hot idle actor beyond its context, against a started XState actor. */
import { createActor } from 'xstate';
import { plainMachine, stepCommand } from './kind.ts';
import { nullStore } from './null-store.ts';
import { populate, stepSystem } from './system.ts';

export interface HeapResult {
  /** bytes for each actor */
  readonly kernel: number;
  readonly plain: number;
}

const ACTORS = 20_000;

const collect = (globalThis as { gc?: () => void }).gc;

async function used(): Promise<number> {
  for (let i = 0; i < 3; i += 1) {
    collect?.();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  return process.memoryUsage().heapUsed;
}

async function main(): Promise<HeapResult> {
  const contexts: object[] = [];
  const before = await used();
  for (let i = 0; i < ACTORS; i += 1) {
    contexts.push({ owner: 'nobody', title: 'bench', steps: i, amount: i, last: i, at: Date.now() + i, note: 'measured', open: true });
  }
  const context = ((await used()) - before) / ACTORS;
  contexts.length = 0;

  const plainBefore = await used();
  const plain = Array.from({ length: ACTORS }, (_, i) => {
    const actor = createActor(plainMachine).start();
    actor.send(stepCommand(i));
    return actor;
  });
  const plainBytes = ((await used()) - plainBefore) / ACTORS;
  plain.length = 0;

  const system = stepSystem(nullStore());
  await system.start();
  const kernelBefore = await used();
  await populate(system, ACTORS, 256);
  const kernelBytes = ((await used()) - kernelBefore) / ACTORS;
  await system.drain(1_000);
  return { kernel: kernelBytes - context, plain: plainBytes - context };
}

const result = await main();
process.send?.(result);
process.disconnect();
