import type { ClusterNode } from '../redis/cluster.ts';
import type { Jobs } from './jobs.ts';
import type { RunnerDeps } from './runner.ts';
import { createTableJobs } from './table.ts';

/** The jobs of this process; of several nodes, with Bull between them. A node alone does not load Bull. */
export async function createNodeJobs(runner: RunnerDeps, cluster: ClusterNode | undefined): Promise<Jobs> {
  if (cluster === undefined) return createTableJobs(runner);
  const { createBullJobs } = await import('./bull.ts');
  return createBullJobs({ ...runner, redis: cluster.client, keys: cluster.keys });
}
