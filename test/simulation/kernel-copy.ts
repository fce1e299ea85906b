/** Runs the simulation against a changed copy of the compiled kernel. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Run, RunOptions } from '../support/sim.ts';

const compiled = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

export interface KernelCopy {
  readonly simulate: (o: RunOptions) => Promise<Run>;
  readonly remove: () => void;
}

/** The compiled text of a file of the kernel, `actors/committer.js`. */
export const compiledText = (file: string): string => readFileSync(compiled(file), 'utf8');

/** @param edit gives the new text of each of the files */
export async function kernelCopy(
  name: string,
  files: readonly string[],
  edit: (text: string, file: string) => string,
): Promise<KernelCopy> {
  const place = compiled(`.copies/${process.pid}-${name.replaceAll(/\W+/g, '-')}`);
  const remove = (): void => rmSync(place, { recursive: true, force: true });
  try {
    mkdirSync(place, { recursive: true });
    for (const folder of ['actors', 'calc', 'test/support']) cpSync(compiled(folder), `${place}/${folder}`, { recursive: true });
    for (const file of files) writeFileSync(`${place}/${file}`, edit(compiledText(file), file));
    const { simulate } = (await import(pathToFileURL(`${place}/test/support/sim.js`).href)) as Pick<KernelCopy, 'simulate'>;
    return { simulate, remove };
  } catch (error) {
    remove();
    throw error;
  }
}
