import test from 'ava';
import { kernelCopy } from './kernel-copy.ts';
import { replayLine, shrink, simulate } from '../support/sim.ts';
import type { Fuse } from '../support/sim-world.ts';

/** Seeds of one run of the suite, each run three times; `npm run simulate -- --seeds 20000` runs more. */
const SEEDS = 84;
/** Seeds with three nodes; `npm run simulate -- --nodes 3 --seeds 20000` runs more. */
const CLUSTER_SEEDS = 48;
/** that have failed once: 1002, a result that met an activation which had not seen its call took the call's row away */
const KEPT = [1002];

/** What goes wrong with one seed, with the fewest faults that still make it go wrong and the line that replays it. */
let removed = 0;
async function report(seed: number, fuse: Fuse, nodes = 1): Promise<string | undefined> {
  const run = await simulate({ seed, fuse, nodes });
  removed += run.removed;
  if (run.failure === undefined) return undefined;
  const least = await shrink(run);
  return `seed ${seed}: ${least.failure?.message ?? ''}\n${least.faults.length} faults; replay: ${replayLine(least)}`;
}

for (const fuse of ['never', 'coin', 'always'] as const) {
  test.serial(
    `${SEEDS} seeds keep every invariant through crashes, lost answers and a failing database; messages fused: ${fuse}`,
    async (t) => {
      t.timeout(900_000);
      let passed = 0;
      for (let seed = 1; seed <= SEEDS; seed += 1) {
        const failed = await report(seed, fuse);
        if (failed !== undefined) {
          t.fail(failed);
          return;
        }
        passed += 1;
      }
      t.is(passed, SEEDS);
      t.true(removed > 0, 'retention removed nothing');
    },
  );
}

test.serial(
  `${CLUSTER_SEEDS} seeds keep every invariant on three nodes that are paused and cut off, with leases that forget and a bus that loses and repeats`,
  async (t) => {
    t.timeout(900_000);
    let passed = 0;
    for (const seed of [...Array.from({ length: CLUSTER_SEEDS }, (_, i) => i + 1), ...KEPT]) {
      const failed = await report(seed, 'coin', 3);
      if (failed !== undefined) {
        t.fail(failed);
        return;
      }
      passed += 1;
    }
    t.is(passed, CLUSTER_SEEDS + KEPT.length);
  },
);

test.serial('histories stay whole when leases are not looked at: I1 to I4 rest on the fence alone', async (t) => {
  t.timeout(900_000);
  const check = 'else if (this.#k.clock.mono() < this.#believedUntil)';
  const { simulate: run, remove } = await kernelCopy('without leases', ['actors/placement.js'], (text) => {
    t.true(text.includes(check));
    return text.replace(check, 'else if (true)');
  });
  try {
    for (let seed = 1; seed <= 10; seed += 1) {
      const { failure } = await run({ seed, nodes: 3 });
      t.notRegex(failure?.message ?? '', /^I[1-4]:/);
    }
  } finally {
    remove();
  }
});

test('a seed determines its run: the same faults, steps and events, and the same order of everything', async (t) => {
  const lines: string[][] = [[], []];
  const runs = [];
  for (const into of lines) runs.push(await simulate({ seed: 77, trace: (line) => into.push(line) }));
  t.deepEqual(runs[0], runs[1]);
  t.true(lines[0]!.length > 100);
  t.deepEqual(lines[0], lines[1]);
  const three = [await simulate({ seed: 79, nodes: 3 }), await simulate({ seed: 79, nodes: 3 })];
  t.deepEqual(three[0], three[1]);
});

test('a run without its faults is a run without faults', async (t) => {
  const run = await simulate({ seed: 78, only: new Set() });
  t.deepEqual([run.failure, run.faults], [undefined, []]);
});
