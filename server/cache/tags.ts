/**
 * Versions of tags. An entry holds the versions that its tags had before it was computed and is valid while they are the same; to invalidate a tag is to
 * give it another version, whatever the number of entries. Versions are random, so that neither clocks nor a Redis that has lost everything
 * can make an old entry valid again; nor can a node that forgets: what it has not heard of has a version of its own.
 */
import { z } from 'zod';
import type { Clock, TimerHandle } from '../../actors/types.ts';
import type { Channel } from '../redis/channel.ts';
import type { Second } from './second.ts';

/** for which versions that were read in Redis are taken for true */
const KNOWN_MS = 1_000;
const AGAIN_MS = 1_000;
/** tags of which the versions are kept: about 200 bytes each */
export const MOST_TAGS = 200_000;

interface Known {
  readonly version: string;
  /** ms of the monotonic clock */
  readonly at: number;
}

/** What a node tells the others when it has invalidated tags. */
export const Told = z.object({ tags: z.array(z.string()), version: z.string() });

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
  readonly channel: Channel<z.output<typeof Told>> | undefined;
  /** There were too many: entries that were valid by versions that are forgotten now are so no more, and may go. */
  readonly forgotten: () => void;
}): Tags {
  const { clock, second, channel } = d;
  const known = new Map<string, Known>();
  /** of a tag that this node has never heard of, or has forgotten */
  let unheard = d.newId();
  /** what Redis has not been told yet: until then it does not know better */
  const owed = new Map<string, string>();
  let timer: TimerHandle | undefined;

  const textOf = (tags: readonly string[]): string => tags.map((tag) => known.get(tag)?.version ?? unheard).join(' ');

  function hear(tag: string, version: string): void {
    if (known.size >= MOST_TAGS && !known.has(tag)) {
      known.clear();
      unheard = d.newId();
      for (const [own, of] of owed) known.set(own, { version: of, at: clock.mono() });
      d.forgotten();
    }
    known.set(tag, { version, at: clock.mono() });
  }

  async function settle(): Promise<void> {
    for (const [tag, version] of owed) {
      // nobody waits for a Redis that is silent more than once
      if ((await second?.mark(tag, version)) !== true) break;
      if (owed.get(tag) === version) owed.delete(tag);
    }
    if (owed.size > 0) timer ??= clock.setTimer(AGAIN_MS, again);
  }

  function again(): void {
    timer = undefined;
    void settle();
  }

  const deafen = channel?.onMessage(({ tags, version }) => {
    for (const tag of tags) hear(tag, version);
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
      versions?.forEach((version, i) => {
        const tag = tags[i] ?? '';
        if (!owed.has(tag)) hear(tag, version);
      });
      return textOf(tags);
    },
    async invalidate(tags) {
      const version = d.newId();
      for (const tag of tags) {
        hear(tag, version);
        if (second !== undefined) owed.set(tag, version);
      }
      // first Redis, then the others: who hears of it and reads must not find the version of before
      await settle();
      channel?.tell({ tags: [...tags], version });
    },
    stop() {
      deafen?.();
      if (timer !== undefined) clock.clearTimer(timer);
    },
  };
}
