import type { Kernel } from './kernel.ts';
import { within } from './within.ts';

/** a node asks its database every second, so one that has been silent for so long does not live, or is cut off from it */
export const SILENT_MS = 4_000;
const ANSWER_MS = 1_000;

/**
 * What crashed nodes have left at the database ends before their slots are read. One that lives after all is let be, and when the database does
 * not answer in time the journal decides, as it does between any two owners.
 */
export async function fenceOff(
  { store, clock, log }: Pick<Kernel, 'store' | 'clock' | 'log'>,
  crashed: ReadonlySet<string>,
): Promise<void> {
  if (crashed.size === 0) return;
  const nodes = [...crashed];
  try {
    const ended = await within(clock, ANSWER_MS, store.fence({ nodes, silentMs: SILENT_MS }));
    if (ended > 0) log.info({ connections: ended, nodes }, 'connections of crashed nodes were ended');
  } catch (error) {
    log.warn({ err: error, nodes }, 'connections of crashed nodes could not be ended');
  }
}
