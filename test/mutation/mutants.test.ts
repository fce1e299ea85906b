import test from 'ava';
import { hunt } from './hunt.ts';
import { mutants } from './mutants.ts';

for (const mutant of mutants) {
  test.serial(`it is noticed when ${mutant.name}`, async (t) => {
    t.timeout(900_000);
    const found = await hunt(mutant);
    t.not(found, undefined, 'the mutant lives');
    t.log(found?.slice(0, 200));
  });
}
