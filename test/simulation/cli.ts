/**
 * `npm run simulate -- --seeds N --from S` runs seeds, `--nodes 3` in a cluster, `--fuse never|always|coin` with or without fused delivery; `--seed S --only 'fault#1,fault#2' --trace` replays one, line by line.
 * Ends with 1 when a seed fails, after printing how to replay it with the fewest faults.
 */
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { replayLine, shrink, simulate } from '../support/sim.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    only: { type: 'string' },
    nodes: { type: 'string', default: '1' },
    fuse: { type: 'string', default: 'coin' },
    trace: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});

const nodes = Number(values.nodes);
const fuse = z.enum(['never', 'always', 'coin']).parse(values.fuse);

async function one(seed: number): Promise<boolean> {
  const run = await simulate({
    seed,
    fuse,
    nodes,
    ...(values.only === undefined ? {} : { only: new Set(values.only.split(',')) }),
    ...(values.trace ? { trace: (line: string) => console.log(line) } : {}),
  });
  console.log(`seed ${seed}: ${run.failure?.stack ?? 'ok'} (${run.steps} steps, ${run.events} events, ${run.faults.length} faults)`);
  return run.failure === undefined;
}

async function many(from: number, count: number): Promise<boolean> {
  const started = performance.now();
  let failed = 0;
  let events = 0;
  let fused = 0;
  let removed = 0;
  let ended = 0;
  for (let seed = from; seed < from + count; seed += 1) {
    const run = await simulate({ seed, fuse, nodes });
    events += run.events;
    fused += run.fused;
    removed += run.removed;
    ended += run.ended;
    if (run.failure === undefined) continue;
    failed += 1;
    console.log(`seed ${seed} fails: ${run.failure.message}`);
    const least = await shrink(run);
    console.log(`  with ${least.faults.length} faults: ${least.failure?.message}\n  ${replayLine(least)}`);
    if (!values.keep) break;
  }
  const seconds = (performance.now() - started) / 1_000;
  console.log(
    `${count} seeds, ${events} events, ${fused} messages fused, ${removed} removed by retention, ${ended} actors gone, ${failed} failed, ${seconds.toFixed(1)} s`,
  );
  return failed === 0;
}

const fine = values.seed === undefined ? await many(Number(values.from), Number(values.seeds)) : await one(Number(values.seed));
process.exitCode = fine ? 0 : 1;
