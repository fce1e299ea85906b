/** Composition root: the only file that knows which driver is used and which modules there are. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { fileURLToPath } from 'node:url';
import type { Registry } from 'prom-client';
import { registryOf } from '../actors/companion.ts';
import type { Registry as Companions } from '../actors/companion.ts';
import type { ActorKind } from '../actors/define.ts';
import type { EffectFunctions } from '../actors/effects.ts';
import { createPgStore } from '../actors/store/pg.ts';
import type { JournalStore } from '../actors/store/store.ts';
import type { ActorSystem } from '../actors/system.ts';
import type { Clock, Log } from '../actors/types.ts';
import { pause } from '../actors/within.ts';
import { kinds as allKinds } from '../machines/kinds.ts';
import { createAudit } from './audit/audit.ts';
import { createBiosync } from './biosync/biosync.ts';
import { createSettler } from './booking/settle.ts';
import { systemClock } from './clock.ts';
import type { Config } from './config.ts';
import { openDatabase } from './db/database.ts';
import type { Database } from './db/database.ts';
import { migrated, migrationNames } from './db/migrate.ts';
import { createDemo, wantsDemo } from './demo/demo.ts';
import type { Demo } from './demo/demo.ts';
import { createHttp } from './http/app.ts';
import type { Route } from './http/route.ts';
import { allRoutes } from './http/routes.ts';
import { createHttpServer, listen } from './http/server.ts';
import { staticPages } from './http/static.ts';
import { createIdentity } from './identity/identity.ts';
import type { Identity } from './identity/identity.ts';
import { auditKey, erasureKey, loadSecrets } from './identity/keys.ts';
import type { Secrets } from './identity/keys.ts';
import { newIds } from './ids.ts';
import { createFeed } from './inspector/feed.ts';
import { createRedactor } from './inspector/redact.ts';
import type { AnyJobKind, Jobs } from './jobs/jobs.ts';
import { queueHealth } from './jobs/health.ts';
import { queueMetrics } from './jobs/metrics.ts';
import { createNodeJobs } from './jobs/node.ts';
import { pruneJob } from './jobs/prune.ts';
import { queuesTopic } from './jobs/topic.ts';
import type { RunnerDeps } from './jobs/runner.ts';
import { createKernel } from './kernel.ts';
import { checkCatalogue, withComputed } from './live/computed.ts';
import type { Computed } from './live/computed.ts';
import { createNodeAdapter } from './live/adapter.ts';
import { watchElsewhere } from './live/elsewhere.ts';
import { createGateway } from './live/gateway.ts';
import type { Gateway } from './live/gateway.ts';
import { createAttendance } from './live/attendance.ts';
import { createPresence } from './live/presence.ts';
import { statusTopic } from './live/status.ts';
import { countAlerts } from './observe/alerts.ts';
import { createHealth } from './observe/health.ts';
import type { Durability, Health } from './observe/health.ts';
import { createErasures } from './lifecycle/erasures.ts';
import { pushAccounts } from './notify/accounts.ts';
import { logMailer, smtpMailer } from './notify/mail.ts';
import { createNotify } from './notify/notify.ts';
import { calm } from './observe/calm.ts';
import { watchDatabase } from './observe/database.ts';
import { createLog } from './observe/log.ts';
import { loopMetric, watchLoop } from './observe/loop.ts';
import { createRegistry } from './observe/metrics.ts';
import { createNodeCache } from './cache/node.ts';
import { createCircuits } from './outgoing/circuits.ts';
import { createClusterNode } from './redis/cluster.ts';
import { createShared } from './shared.ts';
import { createWebhooks } from './webhooks/sender.ts';

/** What a test brings instead of the real thing. */
export interface AppDeps {
  readonly log?: Log;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly kinds?: readonly ActorKind[];
  readonly effects?: EffectFunctions;
  /** beside those of the product */
  readonly jobs?: (knex: Database['knex']) => readonly AnyJobKind[];
  readonly store?: (companions: Companions) => JournalStore;
  readonly secrets?: Secrets;
  /** the database under the running server was replaced by a restored one: the process must start afresh */
  readonly onReplaced?: () => void;
  /** contexts are frozen and JSON answers compared with their schemas */
  readonly strict?: boolean;
}

export interface App {
  readonly config: Config;
  readonly log: Log;
  readonly version: string;
  readonly database: Database;
  readonly actors: ActorSystem;
  readonly identity: Identity;
  readonly gateway: Gateway;
  readonly health: Health;
  readonly registry: Registry;
  readonly kinds: readonly ActorKind[];
  /** topics that no actor backs */
  readonly computed: readonly Computed[];
  readonly routes: readonly Route[];
  readonly http: Server;
  readonly durability: Durability;
  /** kinds whose last commits may be lost when the database crashes */
  readonly relaxed: readonly string[];
  /** the demo studio, where there is one */
  readonly demo: Demo | undefined;
  /** of the demo users, when there are any */
  readonly logins: readonly DemoLogin[];
  /** Starts the parts in order and listens. Gives the address on this machine. */
  start(): Promise<{ url: string }>;
  /**
   * Stops taking work, lets what was accepted finish, and closes everything in reverse order. `hurry`: nobody waits for load balancers, and
   * the sockets are told to leave within a second.
   */
  stop(o?: { readonly hurry?: boolean }): Promise<void>;
}

export interface DemoLogin {
  readonly email: string;
  readonly password: string;
  readonly role: string;
}

const servesFirstSlot = ({ inspect }: Pick<ActorSystem, 'inspect'>): boolean => {
  const { node, slots } = inspect.cluster();
  return (slots[0]?.node ?? node) === node;
};

const demoWanted = async (config: Config, database: Database, identity: Identity): Promise<boolean> =>
  config.demo !== 'off' && (config.demo === 'on' || database.engine === 'pglite') && wantsDemo(identity.users, database.knex);

const HANDOVER_MS = 10_000;
const ACTOR_DRAIN_MS = 5_000;
const JOB_DRAIN_MS = 2_000;
const HURRY_MS = 1_000;

const packageVersion = (): string =>
  (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version;

/** Builds everything and starts nothing but the database, which is closed again when a part cannot be built. */
export async function buildApp(config: Config, deps: AppDeps = {}): Promise<App> {
  const node = randomBytes(8).toString('hex');
  const log = calm(deps.log ?? createLog(config.logLevel, config.redisUrl === undefined ? {} : { node }), deps.clock ?? systemClock);
  const database = await openDatabase(
    { dataDir: config.dataDir, ...(config.databaseUrl === undefined ? {} : { url: config.databaseUrl }) },
    log,
  );
  try {
    return await compose(config, deps, node, log, database);
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function compose(config: Config, deps: AppDeps, node: string, log: Log, database: Database): Promise<App> {
  const { clock = systemClock, random = Math.random, strict = false } = deps;
  const registry = createRegistry();
  const newId = newIds(() => clock.wall());
  const version = packageVersion();
  const kinds = deps.kinds ?? allKinds;
  const cluster = createClusterNode({ config, node, clock, random, log });

  const { newLimiter, locks, roster, circuitNews } = createShared(cluster, { node, clock, log });
  const secrets = deps.secrets ?? (await loadSecrets(config.dataDir, clock.wall()));
  const companions = registryOf(kinds);
  const store = deps.store?.(companions) ?? createPgStore(database, companions, node);
  const audit = createAudit({
    knex: database.knex,
    clock,
    log,
    registry,
    key: auditKey(secrets),
    retentionDays: config.auditRetentionDays,
  });
  let url: string | undefined;
  const circuits = createCircuits({
    actors: () => actors,
    clock,
    random,
    newId,
    log,
    registry,
    ...(circuitNews === undefined ? {} : { news: circuitNews }),
  });
  const cache = createNodeCache({ config, cluster, circuits, clock, random, newId, log, registry });
  const biosync = createBiosync({
    knex: database.knex,
    circuits,
    clock,
    random,
    newId,
    log,
    registry,
    publicUrl: config.publicUrl,
    webhookBytes: config.webhookBytes,
    masterKey: secrets.operator,
    standardSecrets: config.standardSecrets,
    simulator: config.simulator === 'on',
    feedMs: config.simulatorFeedMs,
    selfUrl: () => url,
    actors: () => actors,
  });
  const webhooks = createWebhooks({
    knex: database.knex,
    clock,
    newId,
    registry,
    jobs: () => jobs,
    allowPrivate: config.webhookAllowPrivate === 'on',
  });
  const notify = createNotify({
    knex: database.knex,
    clock,
    log,
    newId,
    registry,
    secret: secrets.operator,
    subject: config.vapidSubject ?? (config.publicUrl.startsWith('https:') ? config.publicUrl : 'mailto:operator@localhost.invalid'),
    allowPrivate: config.pushAllowPrivate === 'on',
    circuits,
    random,
    accounts: await pushAccounts(config, clock),
    mailer:
      config.smtpUrl === undefined ? logMailer(log) : smtpMailer({ url: config.smtpUrl, from: config.mailFrom, circuits, clock, random }),
    publicUrl: config.publicUrl,
    jobs: () => jobs,
    actors: () => actors,
    mayBeSeen: (userId) => presence.mayBeSeen(userId),
  });
  const runner: RunnerDeps = {
    knex: database.knex,
    kinds: [
      ...biosync.jobs,
      pruneJob({ knex: database.knex, clock }),
      ...webhooks.jobs,
      ...notify.jobs,
      ...audit.jobs,
      ...(deps.jobs?.(database.knex) ?? []),
    ],
    clock,
    random,
    newId,
    log,
    exclusive: database.engine === 'pglite',
    onOutcome: queueMetrics({ registry, knex: database.knex, clock, log }),
  };
  const jobs: Jobs = await createNodeJobs(runner, cluster);
  const actors: ActorSystem = createKernel({
    config,
    kinds,
    effects: { ...biosync.effects, ...deps.effects },
    store,
    embedded: database.engine === 'pglite',
    cluster: cluster?.options,
    node,
    version,
    erasureKey: erasureKey(secrets),
    clock,
    random,
    log,
    registry,
    strict,
    onJob: (queue) => jobs.wake(queue),
    onReplaced: deps.onReplaced,
  });
  countAlerts(actors, registry);
  const erasures = createErasures({ actors, key: erasureKey(secrets), dataDir: config.dataDir, clock });
  const identity = await createIdentity({ config, knex: database.knex, actors, audit, secrets, clock, newId, newLimiter, locks });

  const relaxed = store.relaxes ? kinds.filter((kind) => kind.durability === 'relaxed').map(({ kind }) => kind) : [];
  const health = createHealth({ clock, durability: store.durability, relaxed, version });
  const asked = async (): Promise<unknown> => database.knex.raw('select 1');
  const news = watchDatabase({ ask: asked, clock, log, registry });
  health.add('database', asked);
  const migrations = migrationNames();
  health.add('migrations', () => migrated(database.knex, migrations));
  health.add('kernel', async () => {
    const trouble = actors.trouble();
    if (trouble !== undefined) throw new Error(trouble);
  });
  // Without Redis a node goes on alone: it must not be taken out of service for that.
  if (cluster !== undefined) health.add('redis', () => cluster.client.commands.ping(), { advisory: true });

  const status = statusTopic({ version, durability: store.durability, wall: () => clock.wall() });
  const presence = createPresence({ clock, log, actors, attendance: createAttendance({ roster, node, clock, log }) });
  const queues = queuesTopic({
    read: () => queueHealth(database.knex, jobs.queues, clock.wall()),
    watched: (topic) => gateway.followers(topic) > 0,
    clock,
    log,
  });
  const computed = [status, queues, ...presence.topics];
  checkCatalogue(kinds, computed);
  const topics = withComputed(actors, computed);
  const redactor = createRedactor(kinds);
  const settler = createSettler(actors, clock);
  const routes = allRoutes({
    config,
    version,
    operatorSecret: secrets.operator,
    knex: database.knex,
    actors,
    topics,
    admin: { audit, erasures, redactor },
    identity,
    biosync,
    settler,
    webhooks,
    notify,
    circuits,
    cache,
    jobs,
    health,
    registry,
    clock,
    newId,
    newLimiter,
  });
  const pages = await staticPages(fileURLToPath(new URL('../web', import.meta.url)));
  const koa = createHttp({
    config,
    routes,
    actors,
    newLimiter,
    authenticate: (c) => identity.authenticate(c),
    clock,
    newId,
    log,
    registry,
    pages,
    checkReplies: strict,
  });
  const http = createHttpServer(koa.callback(), () => health.draining);
  const loop = watchLoop(clock);
  loopMetric(loop, registry);
  const nodes =
    cluster === undefined
      ? undefined
      : createNodeAdapter({
          client: cluster.client,
          keys: cluster.keys,
          mode: cluster.client.sharded ? 'sharded' : config.realtimeAdapter,
          registry,
        });
  const inspector = createFeed({
    actors,
    inspect: actors.inspect,
    redactor,
    identity,
    clock,
    random,
    node,
    registry,
    clustered: nodes !== undefined,
  });
  const gateway = createGateway({
    http,
    config,
    actors,
    topics,
    identity,
    clock,
    random,
    newId,
    node,
    log,
    registry,
    presence,
    settler,
    loop,
    nodes,
    inspector,
    newLimiter,
  });
  const elsewhere = cluster === undefined ? undefined : watchElsewhere({ clock, log, actors, sessions: identity.sessions, status });

  const demo = (await demoWanted(config, database, identity))
    ? createDemo({
        knex: database.knex,
        actors,
        users: identity.users,
        clock,
        log,
        random,
        // nobody knows who looks at other nodes
        watched: () => cluster !== undefined || gateway.connections > 0,
        isHost: () => servesFirstSlot(actors),
        newId,
        wearables: config.simulator === 'on',
      })
    : undefined;

  let stopping: Promise<void> | undefined;
  const stop = async (hurry: boolean): Promise<void> => {
    health.drain();
    await demo?.stop();
    status.drain();
    if (!hurry) await pause(clock, config.drainPauseMs);
    await actors.handOver(HANDOVER_MS);
    await gateway.drain(hurry ? Math.min(config.drainMs, HURRY_MS) : config.drainMs);
    const closed = new Promise((resolve) => http.close(resolve));
    http.closeIdleConnections();
    await jobs.drain(JOB_DRAIN_MS);
    await actors.drain(ACTOR_DRAIN_MS);
    await jobs.stop();
    await store.stop();
    await audit.stop();
    http.closeAllConnections();
    await gateway.close();
    await presence.stop();
    queues.stop();
    elsewhere?.stop();
    notify.stop();
    circuits.stop();
    cache.stop();
    loop.stop();
    news.stop();
    await closed;
    cluster?.client.close();
    await database.close();
  };

  return {
    config,
    log,
    version,
    database,
    actors,
    identity,
    gateway,
    health,
    registry,
    kinds,
    computed,
    routes,
    http,
    durability: store.durability,
    relaxed,
    demo,
    logins: demo?.logins ?? [],
    async start() {
      loop.start();
      news.start();
      if (cluster !== undefined && !(await cluster.client.reached())) log.warn({}, 'starting without redis');
      await actors.start();
      circuits.start();
      await identity.sessions.load();
      audit.start();
      elsewhere?.start();
      url = await listen(http, config);
      // what a former process had received and not handed on cannot be under way elsewhere
      if (database.engine === 'pglite') await biosync.intake.sweep(0);
      await jobs.start();
      notify.watch();
      demo?.start(url);
      return { url };
    },
    stop: ({ hurry = false } = {}) => (stopping ??= stop(hurry)),
  };
}
