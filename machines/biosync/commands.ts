import { z } from 'zod';
import { personal } from '../../actors/define.ts';
import { isTimeZone } from '../../calc/time/civil.ts';
import { Counts, Day, ProviderId } from './schema.ts';

export const Nothing = z.strictObject({});
const zone = z.string().max(64).refine(isTimeZone, 'must be a time zone of the tz database').meta(personal);

export const Connect = z.strictObject({
  userId: z.uuid(),
  provider: ProviderId,
  /** what the person calls the thing */
  label: z.string().trim().min(1).max(80).meta(personal),
  timeZone: zone,
});
export const Connected = z.strictObject({ state: z.string(), error: z.string().optional() });
export const ConnectSucceeded = z.strictObject({
  providerUserId: z.string().min(1).max(200).meta(personal),
  scopes: z.array(z.string().max(80)).max(32),
  /** scopes that the provider needs and the person did not grant */
  missing: z.array(z.string().max(80)).max(32),
});
export const ConnectFailed = z.strictObject({ reason: z.string().max(200) });
export const Autosync = z.strictObject({ on: z.boolean() });
export const Received = z.strictObject({ rawIds: z.array(z.uuid()).min(1).max(100) });
export const Ingested = z.strictObject({ id: z.string(), receivedAt: z.number(), from: Day, to: Day, counts: Counts });
export const StateReply = z.strictObject({ state: z.string() });
export const SyncReply = z.strictObject({ syncId: z.string(), state: z.string() });

type With<T extends string, S extends z.ZodType> = { readonly type: T } & z.infer<S>;

export type DeviceEvent =
  | With<'device.connect', typeof Connect>
  | With<'connect.succeeded', typeof ConnectSucceeded>
  | With<'connect.failed', typeof ConnectFailed>
  | With<'device.sync', typeof Nothing>
  | With<'device.autosync', typeof Autosync>
  | With<'device.pause', typeof Nothing>
  | With<'device.resume', typeof Nothing>
  | With<'device.disconnect', typeof Nothing>
  | With<'webhook.received', typeof Received>
  | With<'data.ingested', typeof Ingested>
  | With<'provider.deauthorized', typeof Nothing>
  // of the machine itself
  | { readonly type: 'sync.due' }
  | { readonly type: 'backfill.start' }
  | { readonly type: 'backfill.cancel' }
  | { readonly type: 'data.arrived' };
