/** A log in which a cause is told once and not a hundred times: with the database away, everything that works in turns says so at each turn. */
import type { Clock, Log } from '../../actors/types.ts';

/** what is repeated is told so often, ms */
const AGAIN_MS = 60_000;
/** kinds of lines that are remembered */
const KNOWN = 1_000;

interface Told {
  readonly at: number;
  repeated: number;
}

/** Two warnings are the same when their words and their texts are, such as the name of the work or the queue, whatever their errors say. */
function kindOf(fields: object, message: string): string {
  let key = message;
  for (const [name, value] of Object.entries(fields)) if (typeof value === 'string') key += `\n${name}=${value}`;
  return key;
}

/**
 * Warnings about an error that were told less than a minute ago are told at `debug`; the next one after that says in `repeated` how many there were.
 * Every other line passes: an error is somebody's request, a warning without an error an event of its own.
 */
export function calm(log: Log, clock: Pick<Clock, 'mono'>): Log {
  const known = new Map<string, Told>();
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    error: (fields, message) => log.error(fields, message),
    warn(fields, message) {
      if (!('err' in fields)) return log.warn(fields, message);
      const now = clock.mono();
      const key = kindOf(fields, message);
      const told = known.get(key);
      if (told !== undefined && now - told.at < AGAIN_MS) {
        told.repeated += 1;
        return log.debug(fields, message);
      }
      if (known.size >= KNOWN) known.clear();
      known.set(key, { at: now, repeated: 0 });
      log.warn(told === undefined || told.repeated === 0 ? fields : { ...fields, repeated: told.repeated }, message);
    },
  };
}
