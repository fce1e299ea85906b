/** What a node of several looks after by itself, because messages between nodes may be lost: its status, and sessions that ended elsewhere. */
import type { ActorSystem } from '../../actors/system.ts';
import type { Clock, Log, TimerHandle } from '../../actors/types.ts';
import type { Sessions } from '../identity/sessions.ts';

const STATUS_MS = 1_000;
/** without Redis a session that was ended at another node is closed here after this time */
const SESSIONS_MS = 15_000;

export interface Elsewhere {
  start(): void;
  stop(): void;
}

export function watchElsewhere(o: {
  readonly clock: Clock;
  readonly log: Log;
  readonly actors: Pick<ActorSystem, 'inspect'>;
  readonly sessions: Pick<Sessions, 'catchUp'>;
  readonly status: { degraded(yes: boolean): void };
}): Elsewhere {
  const { clock } = o;
  let timer: TimerHandle | undefined;
  let askedAt = clock.mono();

  const look = (): void => {
    timer = clock.setTimer(STATUS_MS, look);
    o.status.degraded(o.actors.inspect.cluster().roaming);
    if (clock.mono() - askedAt < SESSIONS_MS) return;
    askedAt = clock.mono();
    o.sessions.catchUp().catch((error: unknown) => o.log.warn({ err: error }, 'sessions that ended elsewhere could not be read'));
  };
  return {
    start: () => void (timer ??= clock.setTimer(STATUS_MS, look)),
    stop: () => void (timer !== undefined && clock.clearTimer(timer)),
  };
}
