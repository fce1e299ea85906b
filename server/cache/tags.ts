/**
 * Versions of tags. An entry holds the versions that its tags had before it was computed and is valid while they are the same; to invalidate a tag is to
 * give it another version, whatever the number of entries. Versions are random, so that neither clocks nor a Redis that has lost everything
 * can make an old entry valid again.
 */
import type { Clock, TimerHandle } from '../../actors/types.ts';
import type { Channel } from '../redis/channel.ts';
import type { Second } from './second.ts';

/** for which versions that were read in Redis are taken for true */
const KNOWN_MS = 1_000;
const AGAIN_MS = 1_000;

interface Known {
  readonly version: string;
  /** ms of the monotonic clock */
  readonly at: number;
}

export interface Tags {
  /** Versions as this node knows them, one text; undefined when some of them must be read. */
  known(tags: readonly string[]): string | undefined;
  /** What Redis says, or nothing when it is away: then those that are known are the best there is. */
  learn(tags: readonly string[], versions: readonly string[] | undefined): string;
  /** Here from now on, at the other nodes within a second. Resolves when Redis has it, or cannot be reached. */
  invalidate(tags: readonly string[]): Promise<void>;
  stop(): void;
}

export function createTags(d: {
  readonly clock: Clock;
  readonly newId: () => string;
  readonly second: Second | undefined;
  readonly channel: Channel | undefined;
}): Tags {
  const { clock, second, channel } = d;
  const known = new Map<string, Known>();
  /** what Redis has not been told yet: until then it does not know better */
  const owed = new Map<string, string>();
  let timer: TimerHandle | undefined;

  const textOf = (tags: readonly string[]): string => tags.map((tag) => known.get(tag)?.version ?? '').join(' ');

  async function settle(): Promise<void> {
    for (const [tag, version] of owed) if ((await second?.mark(tag, version)) === true && owed.get(tag) === version) owed.delete(tag);
    if (owed.size > 0) timer ??= clock.setTimer(AGAIN_MS, again);
  }

  function again(): void {
    timer = undefined;
    void settle();
  }

  const deafen = channel?.onMessage((message) => {
    const told = JSON.parse(message) as { readonly tags: readonly string[]; readonly version: string };
    for (const tag of told.tags) known.set(tag, { version: told.version, at: clock.mono() });
  });

  return {
    known(tags) {
      const now = clock.mono();
      const isKnown = (tag: string): boolean => {
        const at = known.get(tag)?.at;
        return owed.has(tag) || (at !== undefined && now - at < KNOWN_MS);
      };
      return second === undefined || tags.every(isKnown) ? textOf(tags) : undefined;
    },
    learn(tags, versions) {
      const at = clock.mono();
      versions?.forEach((version, i) => {
        const tag = tags[i] ?? '';
        if (!owed.has(tag)) known.set(tag, { version, at });
      });
      return textOf(tags);
    },
    async invalidate(tags) {
      const version = d.newId();
      for (const tag of tags) {
        known.set(tag, { version, at: clock.mono() });
        if (second !== undefined) owed.set(tag, version);
      }
      channel?.tell(JSON.stringify({ tags, version }));
      await settle();
    },
    stop() {
      deafen?.();
      if (timer !== undefined) clock.clearTimer(timer);
    },
  };
}
