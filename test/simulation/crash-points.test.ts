/** The process dies wherever the kernel waits, and what it has promised holds (kernel specification 16.2.7). */
import test from 'ava';
import { askingKernel, crashPoints, deathsAt, survey, UNREACHED } from './crash-points.ts';
import type { KernelCopy } from './crash-points.ts';

const SEEDS = 40;
const DEATHS = 3;

let kernel: KernelCopy;
let reached: Awaited<ReturnType<typeof survey>>;

test.before(async (t) => {
  t.timeout(1_800_000);
  kernel = await askingKernel();
  reached = await survey(kernel, SEEDS);
});

test.after.always(() => kernel.remove());

test('every crash point that is said not to be reached exists', (t) => {
  t.deepEqual(
    Object.keys(UNREACHED).filter((name) => !crashPoints.includes(name)),
    [],
  );
  t.true(crashPoints.length > 40, 'the awaits were found');
});

for (const name of crashPoints) {
  if (name in UNREACHED) continue;
  test.serial(`killed at ${name}`, async (t) => {
    t.timeout(600_000);
    const deaths = deathsAt(name, reached.get(name) ?? [], DEATHS);
    t.true(deaths.length > 0, `no run of ${SEEDS} seeds gets there: let one do so, or say in UNREACHED why not`);
    let died = 0;
    for (const { seed, nodes, ...kill } of deaths) {
      const run = await kernel.simulate({ seed, nodes, kill });
      t.is(run.failure, undefined, `seed ${seed}, ${nodes} nodes, ${kill.when} wait number ${kill.nth}: ${run.failure?.stack}`);
      if (run.killed) died += 1;
    }
    // now and then the process dies of something else before the wait is over
    t.true(died >= DEATHS - 1, `it died there ${died} times`);
  });
}
