import { z } from 'zod';
import type { ActorRef, Principal, Snap } from '../../actors/define.ts';
import { command, defineActor, defineTopic, effect, personal, platformOnly, query } from '../../actors/define.ts';
import {
  Autosync,
  Connect,
  Connected,
  ConnectFailed,
  ConnectSucceeded,
  Ingested,
  Nothing,
  Received,
  StateReply,
  SyncReply,
} from './commands.ts';
import { deviceMachine } from './device.machine.ts';
import { deviceRows, syncRows } from './rows.ts';
import { DeviceContext, FetchInput, FetchResult, ProviderId, SyncView } from './schema.ts';

type S = Snap<DeviceContext>;

const staff = (p: Principal): boolean => p.roles.includes('staff') || p.roles.includes('admin');
const owns = (p: Principal, s: S): boolean => p.id === s.context.userId;
/** The owner, an administrator, or the server on behalf of the owner. */
const owner = (p: Principal, _ref: ActorRef, s: S): boolean => platformOnly(p) || owns(p, s) || p.roles.includes('admin');

export function syncView({ context: c, value }: S): SyncView {
  const regions = value as { freshness: SyncView['freshness'] };
  const { state, done, total } = c.backfill;
  return {
    id: c.id,
    provider: c.provider,
    label: c.label,
    state: c.state,
    stateSince: c.stateSince,
    freshness: regions.freshness,
    autoSync: c.autoSync,
    ...(c.lastSyncAt === undefined ? {} : { lastSyncAt: c.lastSyncAt }),
    ...(c.lastDataAt === undefined ? {} : { lastDataAt: c.lastDataAt }),
    ...(c.nextAt === undefined ? {} : { nextAt: c.nextAt }),
    failures: c.failures,
    ...(c.error === undefined ? {} : { error: c.error }),
    ...(c.run === undefined ? {} : { run: c.run }),
    totals: c.totals,
    deliveries: c.deliveries,
    backfill: { state, done, total },
  };
}

export const sync = defineTopic({
  subject: 'device',
  view: 'sync',
  kind: 'state',
  version: 1,
  schema: SyncView,
  project: syncView,
  authorize: (p, { snap }) => owns(p, snap as S) || staff(p),
  conflateMs: 250,
  can: true,
});

const fact = (input: z.ZodType, reply: z.ZodType = z.null()) => command({ input, reply, allow: platformOnly });

/** One connection of a person to an account at a provider: `device:{uuid}`. */
export const device = defineActor<DeviceContext>({
  kind: 'device',
  version: 1,
  machine: deviceMachine,
  retention: { journal: '90d' },
  context: DeviceContext,
  visible: (p, _ref, s) => owns(p, s) || staff(p),
  owner: (_ref, s) => s.context.userId,
  commands: {
    'device.connect': command({ input: Connect, reply: Connected, allow: owner }),
    'device.sync': command({ input: Nothing, reply: SyncReply, rejects: ['SYNC_TOO_SOON', 'SYNC_IN_PROGRESS'], allow: owner }),
    'device.autosync': command({ offline: 'queue', input: Autosync, reply: z.strictObject({ autoSync: z.boolean() }), allow: owner }),
    'device.pause': command({ input: Nothing, reply: StateReply, allow: owner }),
    'device.resume': command({ input: Nothing, reply: StateReply, rejects: ['FORBIDDEN'], allow: owner }),
    'device.disconnect': command({ input: Nothing, reply: StateReply, allow: owner }),
    'connect.succeeded': fact(ConnectSucceeded, Connected),
    'connect.failed': fact(ConnectFailed),
    'webhook.received': fact(Received),
    'data.ingested': fact(Ingested),
    'provider.deauthorized': fact(Nothing),
  },
  queries: { status: query<DeviceContext>({ input: Nothing, output: SyncView, run: (s) => syncView(s) }) },
  effects: {
    fetchPage: effect({
      input: FetchInput,
      output: FetchResult,
      timeout: 60_000,
      retry: { attempts: 1, base: 1_000, factor: 2, max: 8_000 },
      concurrency: 8,
    }),
    deregister: effect({
      input: z.strictObject({ deviceId: z.string(), provider: ProviderId, providerUserId: z.string().meta(personal) }),
      output: z.null(),
      retry: { attempts: 3, base: 1_000, factor: 2, max: 8_000 },
    }),
  },
  topics: [sync],
  companions: { devices: deviceRows, syncs: syncRows },
  create: ['device.connect'],
  createInput: (command) => {
    const { userId, provider, label, timeZone } = command as unknown as z.infer<typeof Connect>;
    return { userId, provider, label, timeZone };
  },
});
