/** `npm run mutants -- [--only TEXT]`: every deliberate fault in the kernel must be noticed; ends with 1 when one lives. */
import { parseArgs } from 'node:util';
import { hunt } from './hunt.ts';
import { mutants } from './mutants.ts';

const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } });
const chosen = mutants.filter(({ name }) => name.includes(values.only));
let living = 0;
for (const mutant of chosen) {
  const found = await hunt(mutant);
  if (found === undefined) living += 1;
  console.log(found === undefined ? `LIVES   ${mutant.name}` : `killed  ${mutant.name}\n          ${found.slice(0, 160)}`);
}
console.log(`${chosen.length} mutants, ${living} live`);
process.exitCode = living > 0 ? 1 : 0;
