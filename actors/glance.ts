/** What one node tells operators of itself and of the actors in its memory. */
import { rankingOf, workloadOf } from './cluster-view.ts';
import type { Front, Ranking, RankingOf, Workload } from './cluster-view.ts';
import type { Kernel } from './kernel.ts';
import type { Levels } from './metrics.ts';
import type { Node } from './node.ts';
import type { Residents } from './residents.ts';
import { standingOf } from './standing.ts';
import type { Standing } from './standing.ts';
import type { ActorRef } from './types.ts';

export interface Glance {
  standing(ref: ActorRef): Promise<Standing>;
  workload(): Promise<Workload>;
  ranking(q: RankingOf): Promise<Ranking>;
}

export const glanceAt = (k: Kernel, residents: Residents, levels: Levels): Glance => ({
  standing: async (ref) => standingOf(k, residents, ref),
  workload: async () => workloadOf(k.node, levels, k.metrics),
  ranking: async (q) => rankingOf(k.node, residents.hot.values(), q),
});

/** The way in of a single node, which is the whole cluster. */
export const frontOf = (node: Node): Front => ({
  ask: (ref, command, o) => node.ask(ref, command, o),
  act: (act) => node.act(act),
  standing: (ref) => node.glance.standing(ref),
  workloads: async () => ({ found: [await node.glance.workload()], silent: [] }),
  rankings: async (q, only = node.node) => ({ found: only === node.node ? [await node.glance.ranking(q)] : [], silent: [] }),
});
