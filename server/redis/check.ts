/** What an operator should change at Redis. It is found in what the server says of itself whenever a connection is made, and logged once. */
import type { Redis } from 'ioredis';
import type { Log } from '../../actors/types.ts';

export type RedisTrouble =
  /** keys that no time has ended may be dropped: leases, jobs on their way, versions of tags */
  | { readonly code: 'REDIS_EVICTS'; readonly policy: string }
  /** with `works`, older than what is tested; without, nodes would not hear each other or scripts fail */
  | { readonly code: 'REDIS_OLD'; readonly version: string; readonly least: string; readonly works: boolean };

const TESTED = '7.0';
const LEAST = '6.2';

const isBelow = (version: string, least: string): boolean => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor = 0, leastMinor = 0] = least.split('.').map(Number);
  return major < leastMajor || (major === leastMajor && minor < leastMinor);
};

/**
 * @param info fields of `INFO`; one that is absent says nothing
 * @param sharded channels have a place in the cluster or in the adapter of the sockets, which Redis 7 introduced
 */
export function troublesOf(info: { readonly [field: string]: string }, sharded: boolean): RedisTrouble[] {
  const { maxmemory_policy: policy, redis_version: version } = info;
  const least = sharded ? TESTED : LEAST;
  const found: RedisTrouble[] = [];
  if (policy !== undefined && policy !== 'noeviction') found.push({ code: 'REDIS_EVICTS', policy });
  if (version !== undefined && isBelow(version, TESTED)) found.push({ code: 'REDIS_OLD', version, least, works: !isBelow(version, least) });
  return found;
}

/** Looks at every server that the connection leads to. @param o.sharded see {@link troublesOf} */
export function watchTroubles(o: { readonly redis: Redis; readonly sharded: boolean; readonly log: Log }): void {
  const logged = new Set<string>();
  const look = async (): Promise<void> => {
    const fields = (await o.redis.info()).split('\r\n').map((line) => line.split(':', 2) as [string, string?]);
    const info = Object.fromEntries(fields.map(([name, value = '']) => [name, value]));
    for (const trouble of troublesOf(info, o.sharded)) {
      const text = JSON.stringify(trouble);
      if (logged.has(text)) continue;
      logged.add(text);
      if (trouble.code === 'REDIS_EVICTS') o.log.warn(trouble, 'redis may drop keys: maxmemory-policy should be noeviction');
      else if (trouble.works) o.log.warn(trouble, 'redis is older than what is tested');
      else o.log.error(trouble, 'redis is too old');
    }
  };
  // a server that does not say is looked at with the next connection
  o.redis.on('ready', () => void look().catch(() => undefined));
}
