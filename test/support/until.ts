import { setImmediate as turn } from 'node:timers/promises';

/** Looks again after every turn of the event loop until `fits` holds. @throws Error after 30 s, or `ms` */
export async function until(fits: () => boolean | Promise<boolean>, what = 'the condition', ms = 30_000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await fits())) {
    if (performance.now() > end) throw new Error(`${what} did not come true within ${ms / 1_000} s`);
    await turn();
  }
}
