/** The cache: what it has done, and making it forget (readings 11.5, 12.1). */
import { z } from 'zod';
import type { Cache } from '../../../cache/cache.ts';
import { hitRate, total } from '../../../cache/stats.ts';
import type { Tally } from '../../../cache/stats.ts';
import { answer, route } from '../../route.ts';
import type { Route } from '../../route.ts';
import type { AdminDeps } from './deps.ts';
import { iso, Reason } from './schemas.ts';

/** share of hits that is wanted over all namespaces (readings 11.7) */
const TARGET = 0.8;

const Tallied = z.strictObject({
  requests: z.int(),
  hits: z.int(),
  staleHits: z.int().describe('among the hits'),
  misses: z.int(),
  hitRate: z.number().nullable().describe('null when nothing was asked for'),
});
const Timed = Tallied.extend({
  ns: z.string(),
  p50Ms: z.number().nullable().describe('time that half of the reads took at most'),
  p95Ms: z.number().nullable(),
});
const Stats = z.strictObject({
  window: z.enum(['5m', '1h', '24h']),
  overall: Tallied.extend({ target: z.number(), met: z.boolean().nullable() }),
  byNamespace: z.array(Timed),
  tiers: z.strictObject({
    l1: z.strictObject({ entries: z.int(), bytes: z.int(), evictions: z.int() }),
    l2: z.strictObject({ up: z.boolean() }).nullable().describe('null without Redis'),
  }),
  stampede: z.strictObject({
    coalesced: z.int().describe('reads that waited for the computation of another one'),
    lockWaits: z.int().describe('computations that waited for another node'),
    earlyRefreshes: z.int().describe('values renewed before their end'),
  }),
  invalidations: z.strictObject({ byTag: z.int().describe('tags made void by this node'), lastAt: z.iso.datetime().nullable() }),
});

const shown = <T extends Tally>(t: T) => ({ requests: t.hits + t.misses, ...t, hitRate: hitRate(t) });

export function cacheRoutes({ inspect, cache }: AdminDeps & { readonly cache: Cache }): Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/cache/stats',
      aliases: ['/cache/stats'],
      auth: 'inspect:read',
      summary: 'What the cache of this node has done lately',
      query: z.object({ window: z.enum(['5m', '1h', '24h']).default('1h') }),
      reply: { 200: Stats },
      run: ({ query: { window } }) => {
        const tallies = cache.stats.over(window);
        const overall = shown(total(tallies.values()));
        const byNamespace = [...tallies].map(([ns, t]) => ({ ns, ...shown(t) })).toSorted((a, b) => (a.ns < b.ns ? -1 : 1));
        const met = overall.hitRate === null ? null : overall.hitRate >= TARGET;
        const { tiers, stampede, invalidations } = cache;
        const lastAt = invalidations.lastAt === null ? null : iso(invalidations.lastAt);
        return answer({
          window,
          overall: { ...overall, target: TARGET, met },
          byNamespace,
          tiers,
          stampede: { ...stampede },
          invalidations: { ...invalidations, lastAt },
        });
      },
    }),
    route({
      method: 'POST',
      path: '/v1/admin/cache/invalidate',
      auth: 'inspect:admin',
      summary: 'Makes cached entries void, on every node',
      body: z.strictObject({
        tags: z.array(z.string().min(1).max(120)).min(1).max(50).optional().describe('absent: everything'),
        reason: Reason,
      }),
      reply: { 204: null },
      run: async (c) => {
        const { tags, reason } = c.body;
        const detail = { requestId: c.requestId, tags: tags ?? 'all' };
        await inspect.audit({
          admin: c.caller.id,
          action: 'cache.invalidate',
          actorId: null,
          beforeSeq: null,
          afterSeq: null,
          reason,
          detail,
        });
        await (tags === undefined ? cache.clear() : cache.invalidate(tags));
        return answer(undefined);
      },
    }),
  ];
}
