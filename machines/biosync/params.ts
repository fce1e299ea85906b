/** Params of the device machine's actions: what it answers, enqueues and writes. */
import { now } from '../../actors/scope.ts';
import type { DeviceEvent } from './commands.ts';
import { syncRow } from './rows.ts';
import type { DeviceContext, Run } from './schema.ts';
import * as T from './timing.ts';

interface Args {
  readonly context: DeviceContext;
  readonly event: DeviceEvent;
}

type Of<K extends DeviceEvent['type']> = Extract<DeviceEvent, { type: K }>;

/** The event as the one that its transition handles. */
export const as = <K extends DeviceEvent['type']>(event: DeviceEvent, ..._types: K[]): Of<K> => event as Of<K>;

export function started({ context }: Args) {
  return { syncId: context.run?.id ?? '', state: 'connected.syncing' };
}

export function auto({ context }: Args) {
  return { autoSync: context.autoSync };
}

export function inProgress({ context }: Args) {
  return { code: 'SYNC_IN_PROGRESS', details: { runId: context.run?.id ?? '' } };
}

export function tooSoon({ context }: Args) {
  const until = Math.max(context.rateUntil, (context.lastManualAt ?? 0) + T.MANUAL_MS);
  return { code: 'SYNC_TOO_SOON', details: { retryAt: until, retryAfterMs: Math.max(0, until - now()) } };
}

export function ingestJob({ context, event }: Args) {
  const { rawIds } = as(event, 'webhook.received');
  return { queue: 'ingest', name: 'ingest.normalise', data: { deviceId: context.id, rawIds } };
}

export function syncedJob({ context }: { context: DeviceContext }) {
  const { run } = context;
  const data = {
    type: 'sync.completed',
    eventId: `sync_${run?.id ?? ''}`,
    at: now(),
    data: { userId: context.userId, deviceId: context.id, provider: context.provider, ...run },
  };
  return { queue: 'webhook', name: 'webhook.publish', data };
}

/** A delivery that was ingested has a line of its own in the history. */
export function deliveryRow({ context, event }: Args) {
  const e = as(event, 'data.ingested');
  const run: Run = { id: e.id, trigger: 'webhook', startedAt: e.receivedAt, from: e.from, to: e.to, counts: e.counts, pages: 1 };
  return { into: 'syncs', op: 'put' as const, row: syncRow({ ...context, run, error: undefined }, 'succeeded', now()) };
}
