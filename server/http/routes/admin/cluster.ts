/** The nodes and who serves what. */
import { z } from 'zod';
import { answer, route } from '../../route.ts';
import type { Route } from '../../route.ts';
import type { AdminDeps } from './deps.ts';
import { iso } from './schemas.ts';

const Lane = z.strictObject({
  uncommitted: z.int().describe('rows that wait for their commit'),
  troubledMs: z.int().describe('for which commits have failed; 0 when they go through'),
});
const Load = z.strictObject({
  hot: z.int().describe('actors that can run'),
  warm: z.int().describe('actors kept in memory as text'),
  bytes: z.int().describe('estimated, of both'),
  inflight: z.int().describe('commands accepted and not answered'),
  queueAgeMs: z.int().describe('that the oldest queued command had waited when it was last looked at'),
  longestMailbox: z.int(),
  lanes: z.array(Lane),
  outboxPending: z.int(),
  timersPending: z.int(),
  conflicts: z.int().describe('appends that met a newer tail, since the start of the node'),
  inDoubt: z.int().describe('commits whose answer was lost, since the start of the node'),
  leaseLeftMs: z.int(),
  roaming: z.boolean().describe('the leases are out of reach'),
});
const Node = z.strictObject({
  id: z.string(),
  self: z.boolean().describe('the node that answers'),
  address: z.string(),
  started: z.iso.datetime().nullable(),
  build: z.int().describe('order of the deployments'),
  versions: z.record(z.string(), z.int()).describe('of the kinds that it can run'),
  weight: z.number(),
  database: z.boolean().describe('whether its database answers'),
  clock: z.boolean().describe('whether its clock is that of the database, within five seconds; if not, it gives up its slots'),
  slots: z.int().describe('that it serves'),
  load: Load.nullable().describe('null: it did not answer within two seconds'),
});
const Gone = z.strictObject({
  id: z.string(),
  address: z.string(),
  build: z.int(),
  at: z.iso.datetime(),
  orderly: z.boolean().describe('it was stopped; else it has died, stands still or cannot reach the others'),
});
const Cluster = z.strictObject({
  mode: z.enum(['solo', 'cluster']),
  version: z.string().describe('of this build'),
  nodes: z.array(Node),
  gone: z.array(Gone).describe('within the hour and not back, as far as the node that answers has seen it; the last one first'),
  /** 1,024 pairs are a tenth of as many objects */
  slots: z
    .array(z.tuple([z.int(), z.int()]))
    .describe(
      'by number: index of the owner in nodes, -1 for nobody that lives, and the epoch of its ownership; empty where one node serves all',
    ),
});

export function clusterRoutes({ inspect }: Pick<AdminDeps, 'inspect'>, version: string): Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/admin/cluster',
      auth: 'inspect:read',
      summary: 'Nodes with their builds, leases and loads, and the table of slots',
      reply: { 200: Cluster },
      run: async () => {
        const { mode, node, nodes, gone, slots } = inspect.cluster();
        const loads = new Map((await inspect.workloads()).found.map(({ node: id, ...load }) => [id, { ...load, lanes: [...load.lanes] }]));
        const index = new Map(nodes.map((n, i) => [n.id, i]));
        return answer({
          mode,
          version,
          nodes: nodes.map(({ started, versions, ...n }) => ({
            ...n,
            self: n.id === node,
            started: started === 0 ? null : iso(started),
            versions: { ...versions },
            load: loads.get(n.id) ?? null,
          })),
          gone: gone.map(({ at, ...one }) => ({ ...one, at: iso(at) })),
          slots: slots.map((owner): [number, number] => (owner === null ? [-1, 0] : [index.get(owner.node) ?? -1, owner.epoch])),
        });
      },
    }),
  ];
}
