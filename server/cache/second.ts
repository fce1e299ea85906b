/**
 * The second tier: Redis. No read waits longer than 50 ms for it, and behind its circuit nobody waits at all; what cannot be read is computed, what
 * cannot be written is left out.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Redis } from 'ioredis';
import type { Clock } from '../../actors/types.ts';
import { within } from '../../actors/within.ts';
import type { Circuit } from '../outgoing/circuit.ts';
import type { RedisKeys } from '../redis/keys.ts';

export interface Second {
  readonly up: boolean;
  /** The entry and the versions of the tags, in one round; undefined when Redis cannot say. */
  read(key: string | undefined, tags: readonly string[]): Promise<{ text: string | undefined; versions: readonly string[] } | undefined>;
  /** @param ms to live */
  write(key: string, text: string, ms: number): void;
  /** Gives a tag its new version; false when that could not be done. */
  mark(tag: string, version: string): Promise<boolean>;
  /** Whether the caller may compute the entry; true too when Redis cannot say. */
  lock(key: string): Promise<boolean>;
  unlock(key: string): void;
}

const PATIENCE_MS = 50;
const LOCK_MS = 5_000;
const COMPRESS_FROM = 1_024;
/** a compressed value is kept when it is so much smaller */
const WORTH = 0.8;
const PLAIN = 0;
const DEFLATED = 1;

export function packed(text: string): Buffer {
  const plain = Buffer.from(text);
  if (plain.length > COMPRESS_FROM) {
    const small = deflateRawSync(plain, { level: 1 });
    if (small.length <= plain.length * WORTH) return Buffer.concat([Buffer.of(DEFLATED), small]);
  }
  return Buffer.concat([Buffer.of(PLAIN), plain]);
}

export const unpacked = (bytes: Buffer): string =>
  (bytes[0] === DEFLATED ? inflateRawSync(bytes.subarray(1)) : bytes.subarray(1)).toString();

export interface SecondDeps {
  readonly redis: Redis;
  readonly keys: Pick<RedisKeys, 'cached' | 'cacheTag' | 'cacheLock'>;
  readonly circuit: Circuit;
  readonly clock: Clock;
  /** ms; default 50 */
  readonly patienceMs?: number;
}

export function redisSecond({ redis, keys, circuit, clock, patienceMs = PATIENCE_MS }: SecondDeps): Second {
  /** Undefined when Redis is away, slow, or behind an open circuit. */
  async function soon<T>(ask: () => Promise<T>): Promise<{ readonly answer: T } | undefined> {
    const leave = circuit.admit();
    if (!leave.ok) return undefined;
    const began = clock.mono();
    const got = await within(clock, patienceMs, ask()).then(
      (answer) => ({ answer }),
      () => undefined,
    );
    circuit.settle(leave, got === undefined ? 'failed' : 'ok', clock.mono() - began);
    return got;
  }

  return {
    get up() {
      return redis.status === 'ready' && circuit.state !== 'open' && circuit.state !== 'isolated';
    },
    async read(key, tags) {
      const wanted = [...(key === undefined ? [] : [keys.cached(key)]), ...tags.map(keys.cacheTag)];
      const got = await soon(() => redis.mgetBuffer(...wanted));
      if (got === undefined) return undefined;
      const [entry, versions] = key === undefined ? [null, got.answer] : [got.answer[0] ?? null, got.answer.slice(1)];
      return {
        text: entry === null ? undefined : unpacked(entry),
        versions: versions.map((version) => version?.toString() ?? ''),
      };
    },
    write: (key, text, ms) => void soon(() => redis.set(keys.cached(key), packed(text), 'PX', Math.max(1, Math.round(ms)))),
    mark: async (tag, version) => (await soon(() => redis.set(keys.cacheTag(tag), version))) !== undefined,
    async lock(key) {
      const got = await soon(() => redis.set(keys.cacheLock(key), '1', 'PX', LOCK_MS, 'NX'));
      return got === undefined || got.answer === 'OK';
    },
    unlock: (key) => void soon(() => redis.del(keys.cacheLock(key))),
  };
}
