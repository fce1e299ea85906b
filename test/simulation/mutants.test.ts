import test from 'ava';
import { hunt, mutants } from './mutants.ts';

for (const mutant of mutants) {
  test.serial(`the simulation notices when ${mutant.name}`, async (t) => {
    t.timeout(120_000);
    const run = await hunt(mutant, 300);
    t.not(run, undefined, 'every seed passed');
    t.log(`seed ${run?.seed}: ${run?.failure?.message.slice(0, 200)}`);
  });
}
