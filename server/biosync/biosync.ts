/** Composition of the module: providers, intake, ingestion, connections, the simulator, its jobs and routes. */
import { createHmac } from 'node:crypto';
import type { Knex } from 'knex';
import type { Registry } from 'prom-client';
import { z } from 'zod';
import type { EffectFunctions } from '../../actors/effects.ts';
import type { ActorSystem } from '../../actors/system.ts';
import type { Clock, Log } from '../../actors/types.ts';
import { biosyncEffects } from '../effects/biosync.ts';
import type { Route } from '../http/route.ts';
import { biosyncRoutes } from '../http/routes/biosync.ts';
import { jobKind } from '../jobs/jobs.ts';
import type { AnyJobKind } from '../jobs/jobs.ts';
import { secretOf } from '../webhooks/signature.ts';
import { createConnector } from './connect.ts';
import { guarded } from './guarded.ts';
import type { Circuits } from '../outgoing/circuits.ts';
import { createIngest } from './ingest.ts';
import { createIntake } from './intake.ts';
import type { Intake } from './intake.ts';
import type { Provider } from './provider.ts';
import { SimulatorAccounts } from './simulator/accounts.ts';
import { createSimulatorRunner } from './simulator/commands.ts';
import { simulatorProvider } from './simulator/provider.ts';
import { simulatorRoutes } from './simulator/routes.ts';
import { createSimulatorSender } from './simulator/sender.ts';
import { standardProvider } from './standard.ts';

export interface BiosyncDeps {
  readonly knex: Knex;
  readonly clock: Clock;
  readonly random: () => number;
  readonly newId: () => string;
  readonly log: Log;
  readonly registry: Registry;
  readonly publicUrl: string;
  readonly webhookBytes: number;
  /** secrets of this installation are derived from it */
  readonly masterKey: string;
  /** secrets of the `standard` provider, `whsec_…`, the newest first; none: the provider is off */
  readonly standardSecrets: readonly string[];
  readonly simulator: boolean;
  /** ms between two rounds of the live feed; 0: off */
  readonly feedMs: number;
  /** origin of this process as it reaches itself, known once it listens; undefined before */
  readonly selfUrl: () => string | undefined;
  readonly actors: () => ActorSystem;
  readonly circuits: Circuits;
  readonly fetch?: typeof fetch;
}

export interface Biosync {
  readonly effects: EffectFunctions;
  readonly routes: readonly Route[];
  readonly jobs: readonly AnyJobKind[];
  readonly intake: Intake;
  /** signs deliveries of the simulated provider, for scripts and tests */
  readonly simulatorSecret: string;
}

const SWEEP_MS = 60_000;
const RECEIPT_DAYS = 30;
const DAY = 86_400_000;

export function createBiosync(d: BiosyncDeps): Biosync {
  const { knex, clock, newId, log } = d;
  const now = (): number => clock.wall();
  const derived = (label: string): Buffer => createHmac('sha256', d.masterKey).update(label).digest();
  const simulatorSecret = secretOf(derived('simulator webhook'));
  const clientSecret = derived('simulator client').toString('base64url');
  const baseUrl = (): string => {
    const url = d.selfUrl();
    if (url === undefined) throw new Error('the server does not listen yet');
    return url;
  };
  const fetch = d.fetch ?? globalThis.fetch;

  const simulator = simulatorProvider({ baseUrl, publicUrl: d.publicUrl, clientSecret, webhookSecrets: [simulatorSecret], fetch });
  const list: Provider[] = [
    ...(d.simulator ? [simulator] : []),
    ...(d.standardSecrets.length > 0 ? [standardProvider(d.standardSecrets)] : []),
  ];
  const providers = new Map(list.map((p) => [p.id as string, guarded(p, d)]));
  const { actors } = d;
  const intake = createIntake({ knex, clock, newId, log, registry: d.registry, providers, actors });
  const ingest = createIngest({ knex, clock, providers, actors });
  const connector = createConnector({ knex, clock, newId, log, publicUrl: d.publicUrl, providers, intake, actors });
  const accounts = new SimulatorAccounts(knex, now);
  const sender = createSimulatorSender({ baseUrl, secret: simulatorSecret, now, fetch });
  const runner = createSimulatorRunner({ accounts, sender, now, random: d.random });
  const redirectUri = `${d.publicUrl}/v1/integrations/simulator/callback`;
  const nothing = z.object({});

  const sweep = jobKind({
    queue: 'maintenance',
    kind: 'ingest.sweep',
    payload: nothing,
    every: SWEEP_MS,
    run: async () => void (await intake.sweep(SWEEP_MS)),
  });
  const prune = jobKind({
    queue: 'maintenance',
    kind: 'webhook.prune',
    payload: nothing,
    every: 3_600_000,
    run: async () => {
      const before = new Date(now() - RECEIPT_DAYS * DAY);
      await knex.raw('delete from webhook_deliveries where received_at < ?', [before]);
      await knex.raw('delete from webhook_receipts where received_at < ?', [before]);
      await knex.raw('delete from webhook_orphans where expires_at < ?', [new Date(now())]);
      await knex.raw('delete from device_authorizations where expires_at < ?', [new Date(now() - DAY)]);
    },
  });
  const feed = jobKind({
    queue: 'simulator',
    kind: 'simulator.feed',
    payload: nothing,
    every: Math.max(1_000, d.feedMs),
    run: async () => {
      if (d.selfUrl() !== undefined) await runner.feed(Math.floor(now() / Math.max(1_000, d.feedMs)));
    },
  });

  return {
    effects: biosyncEffects({ knex, clock, newId, providers, ingest }),
    routes: [
      ...biosyncRoutes({ knex, providers, intake, connector, webhookBytes: d.webhookBytes }),
      ...(d.simulator ? simulatorRoutes({ accounts, runner, clientSecret, redirectUri, now, random: d.random, newId }) : []),
    ],
    jobs: [ingest.job, sweep, prune, ...(d.simulator && d.feedMs > 0 ? [feed] : [])],
    intake,
    simulatorSecret,
  };
}
