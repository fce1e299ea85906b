/**
 * The project's one cache (readings 11): a bounded tier in the process and, with Redis, a second one that the nodes share. A value is computed once for
 * all that ask for it at the same time, is renewed behind a hit shortly before it ends, and may be served late when its source fails.
 */
import type { Registry } from 'prom-client';
import type { z } from 'zod';
import type { Clock, Log } from '../../actors/types.ts';
import { pause } from '../../actors/within.ts';
import type { Channel } from '../redis/channel.ts';
import { Lru } from './lru.ts';
import type { Second } from './second.ts';
import { createStats } from './stats.ts';
import type { CacheStats, Result } from './stats.ts';
import { createTags } from './tags.ts';
import type { Told } from './tags.ts';

/** What a module declares of its entries. Times in ms. */
export interface NamespaceOptions {
  /** lower-case letters and `-` */
  readonly name: string;
  /** raised when the shape of the values changes */
  readonly version: number;
  readonly freshMs: number;
  /** after that, served while it is renewed behind; default 0 */
  readonly staleMs?: number;
  /** after that, served when it cannot be computed; default 0 */
  readonly graceMs?: number;
  /** for how long it is remembered that there is nothing; default not at all */
  readonly negativeMs?: number;
}

export interface Namespace<T> {
  /**
   * @param load undefined when there is nothing; JSON otherwise. What it throws is thrown, unless an old value may be served
   * @param tags with which the entry is invalidated
   */
  get(id: string, load: () => Promise<T | undefined>, tags?: readonly string[]): Promise<T | undefined>;
}

export interface Cache {
  namespace<T>(o: NamespaceOptions): Namespace<T>;
  /** Entries with one of these tags are void: here from now on, at the other nodes within a second. */
  invalidate(tags: readonly string[]): Promise<void>;
  /** Everything is void. */
  clear(): Promise<void>;
  readonly stats: CacheStats;
  readonly tiers: {
    readonly l1: { readonly entries: number; readonly bytes: number; readonly evictions: number };
    readonly l2: { readonly up: boolean } | null;
  };
  /** Reads that waited for the computation of another one, that waited for another node, and values renewed before their end. */
  readonly stampede: { readonly coalesced: number; readonly lockWaits: number; readonly earlyRefreshes: number };
  /** Tags that were made void by this node, and when last, epoch ms. */
  readonly invalidations: { readonly byTag: number; readonly lastAt: number | null };
  stop(): void;
}

export interface CacheDeps {
  readonly clock: Clock;
  /** uniform in [0, 1) */
  readonly random: () => number;
  readonly newId: () => string;
  readonly log: Log;
  readonly registry: Registry;
  /** of the tier in the process */
  readonly bytes: number;
  /** with Redis */
  readonly second?: Second;
  readonly channel?: Channel<z.output<typeof Told>>;
}

interface Entry {
  /** JSON; undefined: there is nothing */
  readonly text: string | undefined;
  readonly versions: string;
  /** epoch ms */
  readonly freshUntil: number;
  readonly staleUntil: number;
  readonly graceUntil: number;
  /** that its computation took, ms */
  readonly tookMs: number;
  readonly bytes: number;
}

/** of every entry */
const ALL = '*';
/** larger values are not kept */
const MOST_BYTES = 262_144;
const OVERHEAD = 200;
/** computations that take longer are made by one node */
const LOCK_FROM_MS = 20;
const LOCK_WAIT_MS = 200;
const POLL_MS = 25;
const JITTER = 0.1;

export function createCache(d: CacheDeps): Cache {
  const { clock, second } = d;
  const first = new Lru<Entry>(d.bytes);
  const stats = createStats(d.registry, () => clock.wall());
  const tags = createTags({ clock, newId: d.newId, second, channel: d.channel, forgotten: () => first.clear() });
  /** computations under way, by key and versions: one that began before an invalidation is joined by nobody after it */
  const flights = new Map<string, Promise<Entry>>();
  const invalidations: { byTag: number; lastAt: number | null } = { byTag: 0, lastAt: null };
  const stampede = { coalesced: 0, lockWaits: 0, earlyRefreshes: 0 };

  function entryOf(text: string): Entry | undefined {
    try {
      return { ...(JSON.parse(text) as Omit<Entry, 'bytes'>), bytes: text.length * 2 + OVERHEAD };
    } catch {
      return undefined;
    }
  }

  /** What Redis has of the entry, if it is valid, and the versions as they are now. */
  async function fromSecond(key: string, names: readonly string[]): Promise<{ versions: string; entry: Entry | undefined }> {
    const read = await second?.read(key, names);
    const versions = tags.learn(names, read?.versions);
    const entry = read?.text === undefined ? undefined : entryOf(read.text);
    const valid = entry?.versions === versions && clock.wall() < entry.graceUntil ? entry : undefined;
    if (valid !== undefined) first.set(key, valid);
    return { versions, entry: valid };
  }

  function keep(key: string, entry: Entry): void {
    const life = entry.graceUntil - clock.wall();
    if (entry.bytes > MOST_BYTES || life <= 0) return;
    first.set(key, entry);
    const { bytes: _bytes, ...kept } = entry;
    second?.write(key, JSON.stringify(kept), life * (1 + JITTER * (2 * d.random() - 1)));
  }

  /** Waits for the node that computes the entry, but not for long. */
  async function awaited(key: string, names: readonly string[], versions: string): Promise<Entry | undefined> {
    stampede.lockWaits += 1;
    for (let waited = 0; waited < LOCK_WAIT_MS; waited += POLL_MS) {
      await pause(clock, POLL_MS);
      const found = await fromSecond(key, names);
      if (found.versions !== versions) return undefined;
      if (found.entry !== undefined && clock.wall() < found.entry.freshUntil) return found.entry;
    }
    return undefined;
  }

  async function computed(o: NamespaceOptions, versions: string, load: () => Promise<unknown>): Promise<Entry> {
    const began = clock.mono();
    const value = await load();
    const text = value === undefined ? undefined : JSON.stringify(value);
    const freshUntil = clock.wall() + (value === undefined ? (o.negativeMs ?? 0) : o.freshMs);
    const staleUntil = freshUntil + (value === undefined ? 0 : (o.staleMs ?? 0));
    const graceUntil = staleUntil + (value === undefined ? 0 : (o.graceMs ?? 0));
    const bytes = (text?.length ?? 0) * 2 + OVERHEAD;
    return { text, versions, freshUntil, staleUntil, graceUntil, tookMs: clock.mono() - began, bytes };
  }

  function flight(
    o: NamespaceOptions,
    key: string,
    names: readonly string[],
    versions: string,
    slow: boolean,
    load: () => Promise<unknown>,
  ) {
    const name = `${key}\n${versions}`;
    let running = flights.get(name);
    if (running !== undefined) {
      stampede.coalesced += 1;
      return running;
    }
    const make = async (): Promise<Entry> => {
      const turn = slow ? await second?.lock(key) : undefined;
      const theirs = turn === false ? await awaited(key, names, versions) : undefined;
      if (theirs !== undefined) return theirs;
      try {
        const entry = await computed(o, versions, load);
        keep(key, entry);
        return entry;
      } finally {
        if (turn === true) second?.unlock(key);
      }
    };
    running = make().finally(() => flights.delete(name));
    flights.set(name, running);
    return running;
  }

  function invalidate(names: readonly string[]): Promise<void> {
    invalidations.byTag += names.length;
    invalidations.lastAt = clock.wall();
    return tags.invalidate(names);
  }

  /** Whether a hot value is to be renewed though it is fresh: the likelier the nearer its end, and the longer it takes. */
  const isEarly = (entry: Entry, now: number): boolean => now - entry.tookMs * Math.log(1 - d.random()) >= entry.freshUntil;

  return {
    namespace<T>(o: NamespaceOptions): Namespace<T> {
      /** the last computation took long */
      let isSlow = false;
      const valueOf = (entry: Entry): T | undefined => (entry.text === undefined ? undefined : (JSON.parse(entry.text) as T));

      return {
        async get(id, load, own = []) {
          const began = clock.mono();
          const key = `${o.name}:${o.version}:${id}`;
          const names = [ALL, ...own];
          const known = tags.known(names);
          let entry = first.get(key);
          let versions = known ?? '';
          if (known === undefined || entry?.versions !== known || clock.wall() >= entry.freshUntil) {
            const read = second === undefined ? { versions: tags.learn(names, undefined), entry: undefined } : await fromSecond(key, names);
            ({ versions } = read);
            // somebody else may have computed it meanwhile
            const here = read.entry ?? first.get(key);
            entry = here?.versions === versions ? here : undefined;
          }
          const now = clock.wall();
          const renew = async (): Promise<T | undefined> => {
            const fresh = await flight(o, key, names, versions, isSlow, load);
            isSlow = fresh.tookMs > LOCK_FROM_MS;
            return valueOf(fresh);
          };
          const behind = (): void =>
            void renew().catch((err: unknown) => d.log.warn({ err, ns: o.name }, 'a cached value could not be renewed'));
          const count = (result: Result): void => stats.count(o.name, result, clock.mono() - began);
          if (entry !== undefined && now < entry.freshUntil) {
            count('hit');
            if (isEarly(entry, now)) {
              stampede.earlyRefreshes += 1;
              behind();
            }
            return valueOf(entry);
          }
          if (entry !== undefined && now < entry.staleUntil) {
            count('stale');
            behind();
            return valueOf(entry);
          }
          try {
            const value = await renew();
            count('miss');
            return value;
          } catch (error) {
            if (entry === undefined || now >= entry.graceUntil) {
              count('miss');
              throw error;
            }
            d.log.warn({ err: error, ns: o.name }, 'an old value is served, its source fails');
            count('stale');
            return valueOf(entry);
          }
        },
      };
    },
    invalidate,
    clear: () => invalidate([ALL]),
    stats,
    get tiers() {
      return {
        l1: { entries: first.size, bytes: first.bytes, evictions: first.evictions },
        l2: second === undefined ? null : { up: second.up },
      };
    },
    stampede,
    invalidations,
    stop: () => tags.stop(),
  };
}
