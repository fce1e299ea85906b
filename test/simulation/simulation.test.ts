import test from 'ava';
import { replayLine, shrink, simulate } from '../support/sim.ts';

/** Seeds of one run of the suite; `npm run simulate -- --seeds 20000` runs more. */
const SEEDS = 320;
const PARTS = 4;

/** What goes wrong with one seed, with the fewest faults that still make it go wrong and the line that replays it. */
async function report(seed: number): Promise<string | undefined> {
  const run = await simulate({ seed });
  if (run.failure === undefined) return undefined;
  const least = await shrink(run);
  return `seed ${seed}: ${least.failure?.message ?? ''}\n${least.faults.length} faults; replay: ${replayLine(least)}`;
}

for (let part = 0; part < PARTS; part += 1) {
  const from = 1 + (part * SEEDS) / PARTS;
  const to = from + SEEDS / PARTS - 1;
  test.serial(`seeds ${from} to ${to} keep every invariant through crashes, lost answers and a failing database`, async (t) => {
    t.timeout(180_000);
    let events = 0;
    for (let seed = from; seed <= to; seed += 1) {
      const failed = await report(seed);
      if (failed !== undefined) {
        t.fail(failed);
        return;
      }
      events += 1;
    }
    t.is(events, SEEDS / PARTS);
  });
}

test('a seed determines its run: the same faults, steps and events, and the same order of everything', async (t) => {
  const lines: string[][] = [[], []];
  const runs = [];
  for (const into of lines) runs.push(await simulate({ seed: 77, trace: (line) => into.push(line) }));
  t.deepEqual(runs[0], runs[1]);
  t.true(lines[0]!.length > 100);
  t.deepEqual(lines[0], lines[1]);
});

test('a run without its faults is a run without faults', async (t) => {
  const run = await simulate({ seed: 78, only: new Set() });
  t.deepEqual([run.failure, run.faults], [undefined, []]);
});
