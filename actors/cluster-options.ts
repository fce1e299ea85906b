import type { Bus } from './bus/bus.ts';
import type { Leases } from './shard/leases.ts';

/** What makes a kernel one of several. Its `node` must be a name that no other process has ever had. */
export interface ClusterOptions {
  readonly leases: Leases;
  readonly bus: Bus;
  /** order of the deployments: slots move to an equal or a higher one only */
  readonly build: number;
  /** share of the slots; default 1 */
  readonly weight?: number;
  /** for humans */
  readonly address?: string;
  /** whether the slots of a node that nobody can reach are taken before its lease ends; default true */
  readonly eager?: boolean;
}
