/** Browsers, apps and addresses that can be called: their tokens, whose they are, and how they fare. */
import type { Knex } from 'knex';
import { z } from 'zod';
import type { ActorSystem } from '../../actors/system.ts';
import type { Clock, Principal } from '../../actors/types.ts';
import { providers } from '../../machines/notifications/schema.ts';
import { isoOf } from '../../calc/time/civil.ts';
import { invalid, Problem } from '../problems.ts';
import type { ProviderId, Target } from './provider.ts';
import { tokenHash } from './vault.ts';
import type { Vault } from './vault.ts';

const b64url = (bytes: number) => z.string().regex(new RegExp(`^[A-Za-z0-9_-]{${Math.ceil((bytes * 4) / 3)}}={0,2}$`));
const common = {
  /** id of the registered device, when the client runs on one */
  deviceId: z.string().max(64).optional(),
  locale: z.string().max(35).optional(),
  /** "Firefox on Linux" */
  platform: z.string().max(80).optional(),
  /** endpoint of the same person that this one takes the place of */
  replaces: z.uuid().optional(),
};

type Common = z.output<z.ZodObject<typeof common>>;

export const NewEndpoint = z.discriminatedUnion('provider', [
  z.strictObject({
    provider: z.literal('webpush'),
    subscription: z.object({
      endpoint: z.url({ protocol: /^https?$/ }).max(1_000),
      keys: z.object({ p256dh: b64url(65), auth: b64url(16) }),
    }),
    ...common,
  }),
  z.strictObject({ provider: z.literal('fcm'), token: z.string().min(20).max(4_096), appId: z.string().max(200).optional(), ...common }),
  z.strictObject({
    provider: z.literal('apns'),
    token: z.string().regex(/^[0-9a-fA-F]{64,200}$/),
    /** bundle identifier: the topic of APNs */
    appId: z.string().min(1).max(200),
    env: z.enum(['production', 'sandbox']).default('production'),
    ...common,
  }),
  z.strictObject({ provider: z.literal('log'), token: z.string().min(1).max(200), ...common }),
]);
/** An address comes in by its own way, which verifies it. */
export type NewEndpoint = z.output<typeof NewEndpoint> | ({ readonly provider: 'email'; readonly token: string } & Common);

export const EndpointView = z.strictObject({
  id: z.string(),
  provider: z.enum(providers),
  deviceId: z.string().optional(),
  platform: z.string().optional(),
  registeredAt: z.iso.datetime(),
  lastSeenAt: z.iso.datetime(),
  lastSuccessAt: z.iso.datetime().optional(),
  /** in a row */
  failures: z.int(),
  disabledAt: z.iso.datetime().optional(),
  disabledReason: z.string().optional(),
});
export type EndpointView = z.output<typeof EndpointView>;

interface Row {
  readonly id: string;
  readonly user_id: string;
  readonly device_id: string | null;
  readonly provider: ProviderId;
  readonly token_enc: Buffer;
  readonly platform: string | null;
  readonly registered_at: number;
  readonly last_seen_at: number;
  readonly last_success_at: number | null;
  readonly failures: number;
  readonly disabled_at: number | null;
  readonly disabled_reason: string | null;
}

const Sealed = z.object({
  token: z.string(),
  p256dh: z.string().optional(),
  auth: z.string().optional(),
  appId: z.string().optional(),
  env: z.enum(['production', 'sandbox']).optional(),
});

export interface Endpoint {
  readonly id: string;
  readonly userId: string;
  readonly provider: ProviderId;
  readonly target: Target;
}

export interface Endpoints {
  /** Inserts or renews by token; the token moves with its device from one person to another. */
  register(userId: string, e: NewEndpoint): Promise<{ endpoint: EndpointView; created: boolean }>;
  list(userId: string): Promise<EndpointView[]>;
  remove(userId: string, id: string): Promise<boolean>;
  /** One that may be called; undefined when it is disabled, gone or somebody else's. */
  find(userId: string, id: string): Promise<Endpoint | undefined>;
  succeeded(id: string): Promise<void>;
  /** The fifth failure in a row disables it. */
  failed(id: string, userId: string): Promise<void>;
  disable(id: string, reason: string): Promise<void>;
  /** Disables devices that were not seen for 60 days and deletes what belongs to nobody. */
  sweep(): Promise<void>;
}

const MOST = 20;
const MOST_FAILURES = 5;
const UNSEEN_MS = 60 * 86_400_000;
const self: Principal = { kind: 'system', id: 'notify', roles: [] };

const viewOf = (r: Row): EndpointView => ({
  id: r.id,
  provider: r.provider,
  ...(r.device_id === null ? {} : { deviceId: r.device_id }),
  ...(r.platform === null ? {} : { platform: r.platform }),
  registeredAt: isoOf(r.registered_at),
  lastSeenAt: isoOf(r.last_seen_at),
  ...(r.last_success_at === null ? {} : { lastSuccessAt: isoOf(r.last_success_at) }),
  failures: r.failures,
  ...(r.disabled_at === null ? {} : { disabledAt: isoOf(r.disabled_at), disabledReason: r.disabled_reason ?? '' }),
});

const tokenOf = (e: NewEndpoint): z.output<typeof Sealed> => {
  if (e.provider === 'webpush') return { token: e.subscription.endpoint, ...e.subscription.keys };
  if (e.provider === 'apns') return { token: e.token.toLowerCase(), appId: e.appId, env: e.env };
  return { token: e.token, ...(e.provider === 'fcm' && e.appId !== undefined ? { appId: e.appId } : {}) };
};

export function createEndpoints(d: {
  readonly knex: Knex;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly newId: () => string;
  /** Web Push without TLS, for tests */
  readonly allowPlain: boolean;
  readonly actors: () => Pick<ActorSystem, 'ask'>;
}): Endpoints {
  const { knex, vault, clock } = d;
  const now = (): Date => new Date(clock.wall());

  /** The person's actor keeps the list of those that are called. @throws Problem */
  async function tell(userId: string, command: { type: string; endpointId: string; provider?: ProviderId }): Promise<void> {
    const reply = await d.actors().ask(`user:${userId}`, command, { key: d.newId(), from: self });
    if (!reply.ok) throw Problem.from(reply.error);
  }

  async function disable(id: string, reason: string): Promise<void> {
    await knex('push_endpoints').where({ id }).whereNull('disabled_at').update({ disabled_at: now(), disabled_reason: reason });
  }

  async function remove(userId: string, id: string): Promise<boolean> {
    const gone = await knex('push_endpoints').where({ id, user_id: userId }).delete();
    if (gone > 0) await tell(userId, { type: 'endpoint.removed', endpointId: id });
    return gone > 0;
  }

  return {
    async register(userId, e) {
      if (e.provider === 'webpush' && !d.allowPlain && !e.subscription.endpoint.startsWith('https:'))
        throw invalid([{ path: 'subscription.endpoint', message: 'must be https' }]);
      const sealed = tokenOf(e);
      const hash = tokenHash(e.provider, sealed.token);
      const before = await knex<Row>('push_endpoints').where('token_hash', hash).first();
      const id = before?.id ?? d.newId();
      const fields = {
        user_id: userId,
        device_id: e.deviceId ?? null,
        token_enc: vault.seal(JSON.stringify(sealed), id),
        platform: e.platform ?? null,
        app_id: sealed.appId ?? null,
        env: sealed.env ?? null,
        locale: e.locale ?? null,
        registered_at: before?.user_id === userId && before.disabled_at === null ? new Date(before.registered_at) : now(),
        last_seen_at: now(),
        failures: 0,
        disabled_at: null,
        disabled_reason: null,
      };
      const [row] = await knex('push_endpoints')
        .insert({ id, provider: e.provider, token_hash: hash, ...fields })
        .onConflict('token_hash')
        .merge(fields)
        .returning<Row[]>('*');
      if (row === undefined || row.id !== id) throw new Problem('RETRY', 'the same endpoint is being registered');
      if (before !== undefined && before.user_id !== userId) await tell(before.user_id, { type: 'endpoint.removed', endpointId: id });
      await tell(userId, { type: 'endpoint.registered', endpointId: id, provider: e.provider });
      if (e.replaces !== undefined && e.replaces !== id) await remove(userId, e.replaces);
      const surplus = await knex('push_endpoints')
        .where('user_id', userId)
        .whereNot('provider', 'email')
        .orderBy('registered_at', 'desc')
        .offset(MOST)
        .select<{ id: string }[]>('id');
      for (const old of surplus) await remove(userId, old.id);
      return { endpoint: viewOf(row), created: before === undefined };
    },

    async list(userId) {
      const rows = await knex<Row>('push_endpoints').where('user_id', userId).orderBy(['registered_at', 'id']).limit(100);
      return rows.map(viewOf);
    },
    remove,

    async find(userId, id) {
      const row = await knex<Row>('push_endpoints').where({ id, user_id: userId }).whereNull('disabled_at').first();
      if (row === undefined) return undefined;
      const target = Sealed.parse(JSON.parse(vault.open(row.token_enc, id)));
      return { id, userId, provider: row.provider, target: { ...target, userId, registeredAt: row.registered_at } };
    },

    async succeeded(id) {
      await knex('push_endpoints').where({ id }).update({ last_success_at: now(), failures: 0 });
    },

    async failed(id, userId) {
      const [row] = await knex('push_endpoints')
        .where({ id })
        .update({ failures: knex.raw('failures + 1') })
        .returning<{ failures: number }[]>('failures');
      if (row === undefined || row.failures < MOST_FAILURES) return;
      await disable(id, 'five failures in a row');
      await tell(userId, { type: 'endpoint.removed', endpointId: id });
    },
    disable,

    async sweep() {
      const stale = await knex('push_endpoints')
        .whereNull('disabled_at')
        .whereNot('provider', 'email')
        .where('last_seen_at', '<', new Date(clock.wall() - UNSEEN_MS))
        .limit(500)
        .select<{ id: string; user_id: string }[]>('id', 'user_id');
      for (const { id, user_id } of stale) {
        await tell(user_id, { type: 'endpoint.removed', endpointId: id });
        await disable(id, 'not seen for 60 days');
      }
      await knex.raw(
        `delete from push_endpoints e where not exists (select 1 from thrum_actor a where a.kind = 'user' and a.id = e.user_id and a.status <> 'erased')`,
      );
    },
  };
}
