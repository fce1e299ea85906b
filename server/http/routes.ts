/** Every route of the product, in the order in which the reference lists them. */
import type { Knex } from 'knex';
import type { Registry } from 'prom-client';
import type { ActorSystem } from '../../actors/system.ts';
import type { Clock } from '../../actors/types.ts';
import type { Settler } from '../booking/settle.ts';
import type { Cache } from '../cache/cache.ts';
import type { Config } from '../config.ts';
import type { Identity } from '../identity/identity.ts';
import type { NewId } from '../ids.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { NewLimiter } from '../limits/limiter.ts';
import type { TopicSource } from '../live/computed.ts';
import type { Notify } from '../notify/notify.ts';
import type { Health } from '../observe/health.ts';
import type { Circuits } from '../outgoing/circuits.ts';
import type { Webhooks } from '../webhooks/sender.ts';
import type { Route } from './route.ts';
import { actorRoutes } from './routes/actors.ts';
import { adminRoutes } from './routes/admin/admin.ts';
import { breakerRoutes } from './routes/admin/breakers.ts';
import { cacheRoutes } from './routes/admin/cache.ts';
import type { AdminDeps } from './routes/admin/deps.ts';
import { queueRoutes } from './routes/admin/queues.ts';
import { anomalyRoutes } from './routes/anomaly.ts';
import { authRoutes } from './routes/auth.ts';
import { bookingRoutes } from './routes/booking.ts';
import { demoRoutes } from './routes/demo.ts';
import { mailRoutes } from './routes/mail.ts';
import { pushRoutes } from './routes/push.ts';
import { resourceRoutes } from './routes/resources.ts';
import { systemRoutes } from './routes/system.ts';
import { webhookRoutes } from './routes/webhooks.ts';

/** What the routes work with. */
export interface RouteDeps {
  readonly config: Config;
  readonly version: string;
  readonly operatorSecret: string;
  readonly knex: Knex;
  readonly actors: ActorSystem;
  readonly topics: TopicSource;
  readonly admin: Pick<AdminDeps, 'audit' | 'erasures' | 'redactor'>;
  readonly identity: Identity;
  readonly biosync: { readonly routes: readonly Route[] };
  readonly settler: Settler;
  readonly webhooks: Webhooks;
  readonly notify: Notify;
  readonly circuits: Circuits;
  readonly cache: Cache;
  readonly jobs: Jobs;
  readonly health: Health;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly newId: NewId;
  readonly newLimiter: NewLimiter;
}

export function allRoutes(d: RouteDeps): readonly Route[] {
  const { config, version, knex, actors, identity, notify, newLimiter } = d;
  const admin: AdminDeps = { ...d.admin, inspect: actors.inspect, operate: actors.operate };
  const routes: readonly Route[] = [
    ...systemRoutes({ health: d.health, registry: d.registry, version, publicUrl: config.publicUrl, table: () => routes }),
    ...authRoutes({ config, identity, operatorSecret: d.operatorSecret }),
    ...demoRoutes({ config, identity }),
    ...actorRoutes(d.topics, config),
    ...anomalyRoutes({ knex }),
    ...d.biosync.routes,
    ...bookingRoutes(d),
    ...resourceRoutes(d),
    ...webhookRoutes(d),
    ...pushRoutes({ notify, knex, tests: newLimiter('push-tests', { perSecond: 0.1, burst: 5 }) }),
    ...mailRoutes({ addresses: notify.addresses, asks: newLimiter('mail-confirm', { perSecond: 3 / 3_600, burst: 3 }) }),
    ...adminRoutes(admin, version),
    ...breakerRoutes({ ...admin, circuits: d.circuits, actors }),
    ...cacheRoutes({ ...admin, cache: d.cache }),
    ...queueRoutes({ ...admin, jobs: d.jobs, knex, clock: d.clock }),
  ];
  return routes;
}
