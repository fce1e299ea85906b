/** `npm run mutants -- [--seeds N]`: every deliberate fault in the kernel must make the simulation fail; ends with 1 when one lives. */
import { parseArgs } from 'node:util';
import { hunt, mutants } from './mutants.ts';

const { values } = parseArgs({ options: { seeds: { type: 'string', default: '100' } } });
let living = 0;
for (const mutant of mutants) {
  const run = await hunt(mutant, Number(values.seeds));
  if (run === undefined) living += 1;
  console.log(
    run === undefined ? `LIVES   ${mutant.name}` : `killed  ${mutant.name}: seed ${run.seed}, ${run.failure?.message.slice(0, 160)}`,
  );
}
console.log(`${mutants.length} mutants, ${living} live`);
process.exitCode = living > 0 ? 1 : 0;
