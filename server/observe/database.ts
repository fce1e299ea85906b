/** Says when the database goes and when it is back, which everything else that fails meanwhile only lets guess. */
import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import type { Clock, Log, TimerHandle } from '../../actors/types.ts';
import { within } from '../../actors/within.ts';

const ASK_MS = 1_000;
/** without an answer for so long it is away: a busy one may be late */
const LATE_MS = 5_000;

export interface DatabaseNews {
  start(): void;
  stop(): void;
}

interface DatabaseNewsDeps {
  /** rejects when the database cannot be asked */
  readonly ask: () => Promise<unknown>;
  readonly clock: Clock;
  readonly log: Log;
  readonly registry: Registry;
}

export function watchDatabase({ ask, clock, log, registry }: DatabaseNewsDeps): DatabaseNews {
  const up = new Gauge({ name: 'thrum_database_up', help: '1 while the database answers this node, 0 while it does not', registers: [] });
  registry.registerMetric(up);
  up.set(1);
  let timer: TimerHandle | undefined;
  let over = false;
  /** mono ms; undefined while it answers */
  let since: number | undefined;

  async function look(): Promise<void> {
    const asked = clock.mono();
    try {
      await within(clock, LATE_MS, ask());
      if (since !== undefined && !over) log.info({ ms: Math.round(clock.mono() - since) }, 'the database answers again');
      since = undefined;
      up.set(1);
    } catch (error) {
      if (since === undefined && !over) log.error({ err: error }, 'the database does not answer');
      since ??= asked;
      up.set(0);
    }
    if (!over) timer = clock.setTimer(ASK_MS, () => void look());
  }
  return {
    start: () => void look(),
    stop() {
      over = true;
      if (timer !== undefined) clock.clearTimer(timer);
    },
  };
}
