/** Leases in Redis: every operation is one script, its clock that of Redis (kernel specification 10.3). */
import { z } from 'zod';
import type { Redis } from 'ioredis';
import { LEASE_TTL_MS } from '../../actors/shard/leases.ts';
import type { Grant, Leases, NodeInfo, Owner } from '../../actors/shard/leases.ts';
import type { RedisKeys } from './keys.ts';
import { shardScript } from './scripts.ts';

const Info = z.object({
  id: z.string(),
  started: z.number(),
  build: z.number(),
  versions: z.record(z.string(), z.number()),
  weight: z.number().min(0),
  database: z.boolean(),
  clock: z.boolean().default(true),
  address: z.string(),
});

const names = ['renew', 'claim', 'transfer', 'leave', 'table'] as const;
type Script = (args: readonly (string | number)[]) => Promise<readonly string[]>;

/** The scripts by name; ioredis sends their text again when Redis has forgotten them. */
function scriptsOf(redis: Redis, keys: RedisKeys): { readonly [N in (typeof names)[number]]: Script } {
  const fixed = [keys.nodes, keys.slots, keys.version, keys.node('')];
  const scripts = names.map((name): [string, Script] => {
    redis.defineCommand(`shard:${name}`, { numberOfKeys: 3, lua: shardScript(name) });
    const run = (redis as unknown as { [command: string]: (...args: readonly (string | number)[]) => Promise<readonly string[]> })[
      `shard:${name}`
    ];
    return [name, async (args) => (await run?.call(redis, ...fixed, ...args)) ?? []];
  });
  return Object.fromEntries(scripts) as { [N in (typeof names)[number]]: Script };
}

function grants(flat: readonly string[]): Grant[] {
  const found: Grant[] = [];
  for (let i = 0; i < flat.length; i += 2) found.push({ slot: Number(flat[i]), epoch: Number(flat[i + 1]) });
  return found;
}

export function createRedisLeases({ redis, keys }: { redis: Redis; keys: RedisKeys }): Leases {
  const scripts = scriptsOf(redis, keys);
  return {
    async renew(node) {
      const [version, ...infos] = await scripts.renew([node.id, JSON.stringify(node), LEASE_TTL_MS]);
      const nodes = infos.map((text): NodeInfo => Info.parse(JSON.parse(text)));
      return { version: Number(version), nodes };
    },
    async table() {
      const [version, ...flat] = await scripts.table([]);
      const slots = new Map<number, Owner>();
      for (let i = 0; i < flat.length; i += 2) {
        const value = flat[i + 1] ?? '';
        const bar = value.lastIndexOf('|');
        slots.set(Number(flat[i]), { node: value.slice(0, bar), epoch: Number(value.slice(bar + 1)) });
      }
      return { version: Number(version), slots };
    },
    claim: async (slots, me, suspect = '') => grants(await scripts.claim([me, suspect, ...slots])),
    transfer: async (slots, me, to) => grants(await scripts.transfer([me, to, ...slots.flatMap(({ slot, epoch }) => [slot, epoch])])),
    async leave(me) {
      await scripts.leave([me]);
    },
  };
}
