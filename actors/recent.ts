import type { JournalStore } from './store/store.ts';
import type { ActorRef } from './types.ts';

/** by which the clocks of nodes may differ */
const CLOCKS_MS = 5_000;
const PAGE = 256;

/** Actors of the slots with an event at or after `since` (epoch ms), with the seq of the last. */
export async function* recentActors(
  store: Pick<JournalStore, 'recent' | 'refs'>,
  since: number,
  slots: readonly number[],
): AsyncGenerator<{ ref: ActorRef; seq: number }> {
  const found = await store.recent(since - CLOCKS_MS, slots);
  for (let i = 0; i < found.length; i += PAGE) {
    const page = found.slice(i, i + PAGE);
    const refs = await store.refs(page.map((r) => r.actorId));
    for (const { actorId, seq } of page) {
      const ref = refs.get(actorId);
      if (ref !== undefined) yield { ref, seq };
    }
  }
}
