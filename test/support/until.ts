import { setImmediate as turn } from 'node:timers/promises';

/** Looks again after every turn of the event loop until `fits` holds. @throws Error after 30 s */
export async function until(fits: () => boolean | Promise<boolean>, what = 'the condition'): Promise<void> {
  const end = performance.now() + 30_000;
  while (!(await fits())) {
    if (performance.now() > end) throw new Error(`${what} did not come true within 30 s`);
    await turn();
  }
}
