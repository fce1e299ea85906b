/**
 * What is no longer kept goes: events older than their kind keeps them and below the cut, snapshots of days long past, items of log topics,
 * blank rows of erased actors, and actors that ended long ago (kernel specification 13.4, 4.5). The owner of a slot does it, one page of the
 * directory after the other; it can stop at any moment, and be done twice.
 */
import { newCid } from './committer.ts';
import { durationMs } from './duration.ts';
import type { ActorKind } from './define.ts';
import { slotOf } from './ids.ts';
import type { Kernel } from './kernel.ts';
import type { Residents } from './residents.ts';
import { actorPages } from './store/scan.ts';
import type { ScannedActor } from './store/scan.ts';
import { ENDED } from './store/lifecycle.ts';
import type { Expired, Surplus } from './store/lifecycle.ts';
import { StoreError } from './store/store.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** rows that one statement removes */
const LIMIT = 5_000;
/** least pause between two pages, ms; else as long as the page took, so that others have the database half of the time */
const PAUSE_MS = 5;

export interface RetentionOptions {
  /** for how long one state of each day of activity is kept when its events are gone */
  readonly anchorDays: number;
}

export class Retention {
  readonly #k: Kernel;
  readonly #residents: Residents;
  readonly #anchors: number;
  #stopped = false;

  constructor(kernel: Kernel, residents: Residents, { anchorDays }: RetentionOptions) {
    this.#k = kernel;
    this.#residents = residents;
    this.#anchors = anchorDays * DAY_MS;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** One walk over the actors of this node's slots. @throws StoreError */
  async run(): Promise<void> {
    const { clock, metrics, store } = this.#k;
    const started = clock.mono();
    let since = started;
    for await (const page of actorPages(store.scan, { erased: true })) {
      if (this.#stopped) return;
      await this.#page(page.filter(({ actorId }) => this.#k.steady(slotOf(actorId))));
      const took = clock.mono() - since;
      await new Promise<void>((resolve) => {
        clock.setTimer(Math.max(PAUSE_MS, took), resolve);
      });
      since = clock.mono();
    }
    metrics.retentionSeconds.observe((clock.mono() - started) / 1_000);
  }

  async #page(actors: readonly ScannedActor[]): Promise<void> {
    const { metrics, store } = this.#k;
    const now = this.#k.clock.wall();
    const expired = actors.flatMap((a) => this.#expired(a, now));
    for (let again = expired.length > 0; again;) {
      const { events, snapshots } = await store.lifecycle.prune(expired, LIMIT);
      metrics.removed.by(events, 'events');
      metrics.removed.by(snapshots, 'snapshots');
      again = events > 0;
    }
    const surplus = actors.flatMap((a) => this.#surplus(a, now));
    for (let again = surplus.length > 0; again;) {
      const items = await store.lifecycle.trim(surplus, LIMIT);
      metrics.removed.by(items, 'items');
      again = items > 0;
    }
    for (const a of actors) if (this.#isOver(a, now)) await this.#conclude(a, now);
  }

  #def({ kind }: ScannedActor): ActorKind | undefined {
    return this.#k.kinds.get(kind)?.def;
  }

  #expired(a: ScannedActor, now: number): Expired[] {
    const { actorId } = a;
    // Their keys are remembered like those of everybody, and a stale owner meets their rows for an hour.
    if (ENDED.has(a.status)) return [{ actorId, before: now - DAY_MS, anchors: now, ended: now - HOUR_MS }];
    const def = this.#def(a);
    if (def === undefined) return [];
    const days = now - this.#anchors;
    const kept = keptMs(def);
    if (kept === undefined) return [{ actorId, before: undefined, anchors: days }];
    // A snapshot older than the events that are kept is where the history may begin next.
    return [{ actorId, before: now - kept, anchors: Math.min(days, now - kept) }];
  }

  #surplus(a: ScannedActor, now: number): Surplus[] {
    if (ENDED.has(a.status)) return [];
    return (this.#def(a)?.topics ?? []).flatMap((topic) => {
      if (topic.kind !== 'log') return [];
      return [{ actorId: a.actorId, view: topic.view, before: now - topic.retainDays * DAY_MS, items: topic.retainItems }];
    });
  }

  #ttl(a: ScannedActor): number | undefined {
    const ttl = this.#def(a)?.doneTtl;
    return ttl === undefined ? undefined : durationMs(ttl);
  }

  /** Somebody who reads a finished actor now keeps it for another hour. */
  #isOver(a: ScannedActor, now: number): boolean {
    const ttl = a.status === 'done' ? this.#ttl(a) : undefined;
    if (ttl === undefined || a.lastAt === null || a.lastAt >= now - ttl) return false;
    return this.#residents.temperature(`${a.kind}:${a.id}`) === 'cold';
  }

  async #conclude(a: ScannedActor, now: number): Promise<void> {
    const { metrics, random, store } = this.#k;
    const mver = this.#def(a)?.version ?? 0;
    const farewell = { actorId: a.actorId, kind: a.kind, at: now, cid: newCid(random), mver, before: now - (this.#ttl(a) ?? 0) };
    try {
      if (await store.lifecycle.conclude(farewell)) metrics.removed.by(1, 'actors');
    } catch (error) {
      // Something has happened to it meanwhile.
      if (!(error instanceof StoreError) || error.failure !== 'fence') throw error;
    }
  }
}

/** For how long events of a kind are kept, ms; undefined: for ever. */
export const keptMs = ({ retention = 'forever' }: ActorKind): number | undefined =>
  retention === 'forever' ? undefined : durationMs(retention.journal);
