import { z } from 'zod';
import type { Knex } from 'knex';
import type { ActorSystem } from '../../../actors/system.ts';
import { DeviceHead, SyncView } from '../../../machines/biosync/schema.ts';
import { EnergyView } from '../../../machines/user/schema.ts';
import type { DevicesView } from '../../../machines/user/schema.ts';
import { URL_NAMESPACE, uuid5 } from '../../../calc/uuid.ts';
import type { Connector } from '../../biosync/connect.ts';
import type { Intake } from '../../biosync/intake.ts';
import type { Providers } from '../../biosync/provider.ts';
import { Problem } from '../../problems.ts';
import { CursorText, CursorTime, readCursor, writeCursor } from '../cursor.ts';
import { answer, askRoute, readRoute, route } from '../route.ts';
import type { Route } from '../route.ts';

export interface BiosyncRoutesDeps {
  readonly knex: Knex;
  readonly providers: Providers;
  readonly intake: Intake;
  readonly connector: Connector;
  readonly webhookBytes: number;
}

const DeviceItem = DeviceHead.extend({ can: z.array(z.string()) });
const DeviceParams = z.object({ id: z.uuid() });
const StateReply = z.strictObject({ state: z.string() });
const SyncEvent = z.strictObject({
  id: z.string(),
  trigger: z.string(),
  status: z.string(),
  from: z.string(),
  to: z.string(),
  startedAt: z.number(),
  durationMs: z.number().optional(),
  recordCount: z.number(),
  inserted: z.number(),
  updated: z.number(),
  duplicates: z.number(),
  stale: z.number(),
  rejected: z.number(),
  attempt: z.number(),
  errorCode: z.string().optional(),
});

/** What the person may do, in the words of B6.6. */
const verbs: { readonly [command: string]: string } = {
  'device.sync': 'sync',
  'device.pause': 'pause',
  'device.resume': 'resume',
  'device.connect': 'reconnect',
  'device.disconnect': 'disconnect',
  'device.autosync': 'autosync',
};

/** A path of our own pages; anything else would make the callback an open redirect. */
const returnTo = z
  .string()
  .max(200)
  .regex(/^\/(?!\/)[^\\\s]*$/, 'must be a path of this server');

async function deviceList(actors: ActorSystem, caller: Parameters<ActorSystem['allowed']>[1], userId: string) {
  const { value } = await actors.read(`user:${userId}`, 'devices', {}, { from: caller });
  const { devices } = value as unknown as DevicesView;
  return Promise.all(
    Object.values(devices).map(async (d) => {
      const { commands } = await actors.allowed(`device:${d.id}`, caller);
      return { ...d, can: commands.flatMap((c) => verbs[c] ?? []) };
    }),
  );
}

export const biosyncRoutes = ({ knex, providers, intake, connector, webhookBytes }: BiosyncRoutesDeps): Route[] => [
  route({
    method: 'POST',
    path: '/v1/webhooks/:provider',
    auth: 'none',
    summary: 'Takes a delivery of a provider of wearable data',
    tag: 'webhooks',
    rawBody: true,
    unlimited: true,
    bodyBytes: webhookBytes,
    reply: {
      200: z.strictObject({ received: z.literal(true), duplicate: z.literal(true).optional(), ignored: z.literal(true).optional() }),
    },
    problems: ['NOT_FOUND', 'SIGNATURE_INVALID', 'PAYLOAD_TOO_LARGE'],
    run: async ({ params, raw, header }) => answer(await intake.receive(params.provider, raw, header)),
  }),
  route({
    method: 'GET',
    path: '/v1/integrations',
    auth: 'user',
    summary: 'Providers that can be connected',
    reply: {
      200: z.strictObject({
        items: z.array(
          z.strictObject({
            id: z.string(),
            kind: z.string(),
            label: z.string(),
            capabilities: z.strictObject({ webhook: z.string(), pull: z.boolean(), backfillDays: z.number() }),
            scopes: z.array(z.string()),
          }),
        ),
      }),
    },
    run: () =>
      answer({
        items: [...providers.values()].map((p) => ({
          id: p.id,
          kind: p.kind,
          label: p.label,
          capabilities: p.capabilities,
          scopes: [...p.requiredScopes],
        })),
      }),
  }),
  route({
    method: 'POST',
    path: '/v1/integrations/:provider/connect',
    auth: 'user',
    summary: 'Begins to connect an account at a provider',
    idempotent: true,
    body: z.strictObject({
      label: z.string().trim().min(1).max(80).optional(),
      returnTo: returnTo.optional(),
      deviceId: z.uuid().optional(),
    }),
    reply: {
      201: z.strictObject({
        deviceId: z.string(),
        authorizeUrl: z.string().optional(),
        expiresAt: z.number().optional(),
        account: z.string().optional(),
      }),
    },
    problems: ['NOT_FOUND', 'NOT_ALLOWED'],
    run: async ({ params, body, caller, actors, key, idempotencyKey }) => {
      const { value } = await actors.read(`user:${caller.id}`, 'profile', {}, { from: caller });
      const { timeZone } = value as unknown as { timeZone: string };
      // a device that is connected anew must be the caller's own
      if (body.deviceId !== undefined) {
        const known = await actors.read(`device:${body.deviceId}`, 'status', {}, { from: { ...caller, roles: [] } });
        if ((known.value as unknown as SyncView).provider !== params.provider)
          throw new Problem('NOT_FOUND', 'this device belongs to another provider');
      }
      // a repeated request is about the device of the first one
      const again = idempotencyKey === undefined ? {} : { deviceId: uuid5(URL_NAMESPACE, `device/${caller.id}/${idempotencyKey}`) };
      const { provider } = params;
      return answer(await connector.start({ provider, userId: caller.id, timeZone, key, ...again, ...body }), { status: 201 });
    },
  }),
  route({
    method: 'GET',
    path: '/v1/integrations/:provider/callback',
    auth: 'none',
    summary: 'Where a provider sends the person back',
    query: z.object({ state: z.string().min(1).max(200), code: z.string().max(500).optional(), error: z.string().max(200).optional() }),
    reply: { 302: null },
    problems: ['NOT_FOUND'],
    run: async ({ params, query }) => {
      const { deviceId, status, returnTo: to } = await connector.callback({ provider: params.provider, ...query });
      const location = `${to}${to.includes('?') ? '&' : '?'}deviceId=${deviceId}&status=${encodeURIComponent(status)}`;
      return answer(undefined, { status: 302, headers: { location } });
    },
  }),
  route({
    method: 'GET',
    path: '/v1/devices',
    auth: 'user',
    summary: 'Connected devices with what may be done with each',
    query: z.object({ userId: z.uuid().optional() }),
    reply: { 200: z.strictObject({ items: z.array(DeviceItem) }) },
    problems: ['NOT_FOUND'],
    run: async ({ actors, caller, query }) => answer({ items: await deviceList(actors, caller, query.userId ?? caller.id) }),
  }),
  readRoute({
    method: 'GET',
    path: '/v1/devices/:id',
    auth: 'user',
    summary: 'One device and its sync',
    params: DeviceParams,
    reply: { 200: SyncView },
    problems: ['NOT_FOUND'],
    read: ({ params }) => [`device:${params.id}`, 'status'],
  }),
  askRoute({
    method: 'PATCH',
    path: '/v1/devices/:id',
    auth: 'user',
    summary: 'Switches automatic sync',
    idempotent: true,
    params: DeviceParams,
    body: z.strictObject({ autoSync: z.boolean() }),
    reply: { 200: z.strictObject({ autoSync: z.boolean() }) },
    problems: ['NOT_FOUND', 'NOT_ALLOWED'],
    ask: ({ params, body }) => [`device:${params.id}`, { type: 'device.autosync', on: body.autoSync }],
  }),
  askRoute({
    method: 'POST',
    path: '/v1/devices/:id/sync',
    auth: 'user',
    summary: 'Syncs now',
    idempotent: true,
    params: DeviceParams,
    reply: { 202: z.strictObject({ syncId: z.string(), state: z.string() }) },
    problems: ['NOT_FOUND', 'NOT_ALLOWED', 'SYNC_IN_PROGRESS', 'SYNC_TOO_SOON'],
    status: () => 202,
    ask: ({ params }) => [`device:${params.id}`, { type: 'device.sync' }],
  }),
  ...(['pause', 'resume'] as const).map((verb) =>
    askRoute({
      method: 'POST',
      path: `/v1/devices/:id/${verb}` as '/v1/devices/:id/pause',
      auth: 'user',
      summary: verb === 'pause' ? 'Stops fetching; deliveries are kept' : 'Fetches again',
      idempotent: true,
      params: DeviceParams,
      reply: { 200: StateReply },
      problems: ['NOT_FOUND', 'NOT_ALLOWED'],
      ask: ({ params }) => [`device:${params.id}`, { type: `device.${verb}` }],
    }),
  ),
  askRoute({
    method: 'DELETE',
    path: '/v1/devices/:id',
    auth: 'user',
    summary: 'Disconnects; the data stays',
    idempotent: true,
    params: DeviceParams,
    reply: { 202: StateReply },
    problems: ['NOT_FOUND', 'NOT_ALLOWED'],
    status: () => 202,
    ask: ({ params }) => [`device:${params.id}`, { type: 'device.disconnect' }],
  }),
  route({
    method: 'GET',
    path: '/v1/devices/:id/syncs',
    auth: 'user',
    summary: 'Sync runs and deliveries, newest first',
    params: DeviceParams,
    query: z.object({ limit: z.coerce.number().int().min(1).max(200).default(50), cursor: z.string().max(100).optional() }),
    reply: { 200: z.strictObject({ items: z.array(SyncEvent), nextCursor: z.string().optional() }) },
    problems: ['NOT_FOUND'],
    run: async ({ params, query, read }) => {
      await read(`device:${params.id}`, 'status');
      return answer(await history(knex, params.id, query.limit, query.cursor === undefined ? undefined : readCursor(Place, query.cursor)));
    },
  }),
  readRoute({
    method: 'GET',
    path: '/v1/users/:id/energy',
    auth: 'user',
    summary: 'Energy score with its parts and the recent days',
    reply: { 200: EnergyView },
    problems: ['NOT_FOUND'],
    read: ({ params, caller }) => [`user:${params.id === 'me' ? caller.id : params.id}`, 'energy'],
  }),
];

interface SyncDb {
  readonly id: string;
  readonly trigger: string;
  readonly status: string;
  readonly from_day: string;
  readonly to_day: string;
  readonly started_at: number;
  readonly finished_at: number | null;
  readonly inserted: number;
  readonly updated: number;
  readonly duplicate: number;
  readonly stale: number;
  readonly rejected: number;
  readonly attempt: number;
  readonly error_code: string | null;
}

const Place = z.tuple([CursorTime, CursorText]);

async function history(knex: Knex, deviceId: string, limit: number, after: z.output<typeof Place> | undefined) {
  const at = after === undefined ? null : new Date(after[0]);
  const result = (await knex.raw(
    `select * from sync_events where device_id = ? and (?::timestamptz is null or started_at < ? or (started_at = ? and id > ?))
      order by started_at desc, id limit ?`,
    [deviceId, at, at, at, after?.[1] ?? null, limit + 1],
  )) as { rows: SyncDb[] };
  const items = result.rows.slice(0, limit).map((r) => ({
    id: r.id,
    trigger: r.trigger,
    status: r.status,
    from: r.from_day,
    to: r.to_day,
    startedAt: r.started_at,
    ...(r.finished_at === null ? {} : { durationMs: r.finished_at - r.started_at }),
    recordCount: r.inserted + r.updated,
    inserted: r.inserted,
    updated: r.updated,
    duplicates: r.duplicate,
    stale: r.stale,
    rejected: r.rejected,
    attempt: r.attempt,
    ...(r.error_code === null ? {} : { errorCode: r.error_code }),
  }));
  const last = result.rows.length > limit ? items.at(-1) : undefined;
  return { items, ...(last === undefined ? {} : { nextCursor: writeCursor([last.startedAt, last.id]) }) };
}
