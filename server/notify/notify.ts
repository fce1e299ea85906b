/** The server's half of notifications: endpoints, providers, delivery. Whom to call and when is the person's actor's matter (machines/notifications). */
import type { Knex } from 'knex';
import type { Registry } from 'prom-client';
import { z } from 'zod';
import type { ActorSystem, Publication } from '../../actors/system.ts';
import type { Clock, Log, Principal } from '../../actors/types.ts';
import { jobKind } from '../jobs/jobs.ts';
import type { AnyJobKind, Jobs } from '../jobs/jobs.ts';
import { createDelivery } from './deliver.ts';
import type { Delivery } from './deliver.ts';
import { createAddresses } from './addresses.ts';
import type { Addresses } from './addresses.ts';
import { createEndpoints } from './endpoints.ts';
import type { Endpoints } from './endpoints.ts';
import { guarded } from './guarded.ts';
import type { Circuits } from '../outgoing/circuits.ts';
import { createLinks } from './links.ts';
import type { Mailer } from './mail.ts';
import type { ProviderId, PushProvider, VendorProvider } from './provider.ts';
import { emailProvider } from './providers/email.ts';
import { logProvider } from './providers/log.ts';
import { webPushProvider } from './providers/webpush.ts';
import { loadVapid } from './vapid.ts';
import type { VapidKeys } from './vapid.ts';
import { createVault } from './vault.ts';

export interface NotifyDeps {
  readonly knex: Knex;
  readonly clock: Clock;
  readonly log: Log;
  readonly newId: () => string;
  readonly registry: Registry;
  /** base64url secret of the installation */
  readonly secret: string;
  /** under which push services reach the operator */
  readonly subject: string;
  readonly allowPrivate: boolean;
  readonly circuits: Circuits;
  readonly random: () => number;
  /** those that need an account */
  readonly accounts: readonly VendorProvider[];
  readonly mailer: Mailer;
  /** origin of our pages */
  readonly publicUrl: string;
  readonly jobs: () => Jobs;
  readonly actors: () => Pick<ActorSystem, 'ask' | 'read' | 'onPublish'>;
  /** whether somebody may be looking at a page of the user */
  readonly mayBeSeen: (userId: string) => Promise<boolean>;
}

export interface Notify {
  readonly jobs: readonly AnyJobKind[];
  readonly endpoints: Endpoints;
  readonly addresses: Addresses;
  readonly delivery: Delivery;
  readonly providers: ReadonlySet<ProviderId>;
  vapid(): Promise<VapidKeys>;
  /** From now on nobody waits for pages that nobody has open. */
  watch(): void;
  stop(): void;
}

const HOUR_MS = 3_600_000;
/** of the log of deliveries, and of notifications: as long as items of their topic */
const KEPT_DAYS = 90;
const self: Principal = { kind: 'system', id: 'notify', roles: [] };
const TOPIC = /^user:([A-Za-z0-9_.:-]{1,120})\/notifications$/;

export function createNotify(d: NotifyDeps): Notify {
  const { knex, clock } = d;
  const vault = createVault(d.secret);
  const links = createLinks(d.secret);
  let keys: Promise<VapidKeys> | undefined;
  const vapid = (): Promise<VapidKeys> => {
    keys ??= loadVapid(knex, vault, clock.wall()).catch((error: unknown) => {
      keys = undefined;
      throw error;
    });
    return keys;
  };
  const remote = [webPushProvider({ keys: vapid, subject: d.subject, clock, allowPrivate: d.allowPrivate }), ...d.accounts].map(
    (provider) => guarded(provider, d),
  );
  const list: PushProvider[] = [...remote, emailProvider({ mailer: d.mailer, links, publicUrl: d.publicUrl }), logProvider(d.log)];
  const providers = new Map(list.map((p) => [p.id, p] as const));
  const endpoints = createEndpoints({ knex, vault, clock, newId: d.newId, allowPlain: d.allowPrivate, actors: d.actors });
  const delivery = createDelivery({ knex, clock, newId: d.newId, registry: d.registry, endpoints, providers, actors: d.actors });
  const { newId, mailer, publicUrl, jobs, actors } = d;
  const addresses = createAddresses({ knex, clock, newId, publicUrl, links, mailer, endpoints, jobs, actors });
  let unwatch = (): void => undefined;

  const sweep = jobKind({
    queue: 'maintenance',
    kind: 'notify.sweep',
    payload: z.object({}),
    every: HOUR_MS,
    run: async () => {
      await endpoints.sweep();
      const before = new Date(clock.wall() - KEPT_DAYS * 24 * HOUR_MS);
      await knex.raw('delete from notification_deliveries where updated_at < ?', [before]);
      await knex.raw('delete from notifications where created_at < ?', [before]);
    },
  });

  /** A hint only: without it, the person's actor waits its ten seconds. */
  async function hurry(userId: string, ids: readonly string[]): Promise<void> {
    const ref = `user:${userId}`;
    const { value } = await d.actors().read(ref, 'notifications', {}, { from: self });
    if (Object.keys((value as { endpoints: object }).endpoints).length === 0 || (await d.mayBeSeen(userId))) return;
    for (const id of ids) await d.actors().ask(ref, { type: 'notification.unwatched', id }, { key: d.newId(), from: self });
  }

  function published({ t, k, d: items }: Publication): void {
    const userId = TOPIC.exec(t)?.[1];
    if (userId === undefined || k !== 'i' || !Array.isArray(items)) return;
    const ids = items.map((item) => (item as { id: string }).id);
    hurry(userId, ids).catch((err: unknown) => d.log.debug({ err }, 'a notification waits for a page that nobody has open'));
  }

  return {
    jobs: [...delivery.jobs, ...addresses.jobs, sweep],
    endpoints,
    addresses,
    delivery,
    providers: new Set(providers.keys()),
    vapid,
    watch() {
      unwatch = d.actors().onPublish(published);
    },
    stop() {
      unwatch();
      for (const p of list) p.close?.();
    },
  };
}
