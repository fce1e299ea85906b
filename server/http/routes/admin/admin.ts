/** The inspector's REST interface (kernel 13.1): one file per idea. */
import type { Route } from '../../route.ts';
import { actorListRoutes } from './actors.ts';
import { auditRoutes } from './audit.ts';
import { auditLogRoutes } from './audit-log.ts';
import { clusterRoutes } from './cluster.ts';
import type { AdminDeps } from './deps.ts';
import { deadRoutes } from './dead.ts';
import { eraseRoutes } from './erase.ts';
import { journalRoutes } from './journal.ts';
import { machineRoutes } from './machines.ts';
import { microstepRoutes } from './microsteps.ts';
import { operateRoutes } from './operate.ts';
import { pauseRoutes } from './pauses.ts';
import { projectionRoutes } from './projections.ts';
import { timerRoutes } from './timers.ts';
import { whatIfRoutes } from './what-if.ts';

export function adminRoutes(d: AdminDeps, version: string): Route[] {
  return [
    ...actorListRoutes(d),
    ...journalRoutes(d),
    ...microstepRoutes(d),
    ...whatIfRoutes(d),
    ...machineRoutes(d),
    ...operateRoutes(d),
    ...timerRoutes(d),
    ...pauseRoutes(d),
    ...deadRoutes(d),
    ...projectionRoutes(d),
    ...auditRoutes(d),
    ...auditLogRoutes(d),
    ...eraseRoutes(d),
    ...clusterRoutes(d, version),
  ];
}
