/** A change of the kernel that takes a mutant's place away is told at once, and not at the end of a run of all mutants. */
import test from 'ava';
import { mutated } from '../mutation/hunt.ts';
import { mutants } from '../mutation/mutants.ts';
import { compiledText } from '../simulation/kernel-copy.ts';

test('every mutant has its places in the compiled kernel', (t) => {
  for (const mutant of mutants) t.notThrows(() => mutated(mutant, compiledText(mutant.file)));
});
