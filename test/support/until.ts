import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';

/** Only what hangs takes so long, on however busy a machine; a test that waits otherwise waits for an event. */
export const PATIENCE_MS = 120_000;
/** looks without a pause: what is on its way in this process comes in as many turns */
const EAGER = 200;

/** Looks again after every turn of the event loop, and later every 2 ms, until `fits` holds. @throws Error after two minutes, or `ms` */
export async function until(fits: () => boolean | Promise<boolean>, what = 'the condition', ms = PATIENCE_MS): Promise<void> {
  const end = performance.now() + ms;
  for (let looks = 1; !(await fits()); looks += 1) {
    if (performance.now() > end) throw new Error(`${what} did not come true within ${ms / 1_000} s`);
    // other processes are waited for too, and want the processor
    await (looks < EAGER ? turn() : pause(2));
  }
}

/** The first answer that fits, asked for again every 25 ms, because a server counts its callers' requests. @throws Error after two minutes */
export async function fitting<T>(ask: () => Promise<T>, fits: (answer: T) => boolean, what: string): Promise<T> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (fits(answer)) return answer;
    if (performance.now() > end) throw new Error(`${what} did not come about; the last answer: ${JSON.stringify(answer)?.slice(0, 500)}`);
    await pause(25);
  }
}
