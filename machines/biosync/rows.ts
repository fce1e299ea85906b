/** What the device actor writes beside its journal, and tells its user: projections of its context. */
import { companion } from '../../actors/define.ts';
import type { DeviceContext, DeviceHead } from './schema.ts';

/** Which deliveries are whose. `state` has the top level of region conn only, so a sync run writes nothing here. */
export const deviceRows = companion<DeviceContext>({
  table: 'devices',
  key: ['id'],
  mode: 'upsert',
  columns: {
    id: 'uuid',
    user_id: 'uuid',
    provider: 'text',
    provider_user_id: 'text?',
    label: 'text',
    state: 'text',
    auto_sync: 'boolean',
    time_zone: 'text',
    connected_at: 'timestamptz?',
  },
  pii: ['provider_user_id', 'label', 'time_zone'],
  erase: 'delete',
});

/** History of sync runs and deliveries (B3.6). */
export const syncRows = companion<DeviceContext>({
  table: 'sync_events',
  key: ['id'],
  mode: 'upsert',
  columns: {
    id: 'text',
    device_id: 'uuid',
    user_id: 'uuid',
    trigger: 'text',
    status: 'text',
    from_day: 'date',
    to_day: 'date',
    started_at: 'timestamptz',
    finished_at: 'timestamptz?',
    inserted: 'int',
    updated: 'int',
    duplicate: 'int',
    stale: 'int',
    rejected: 'int',
    attempt: 'int',
    error_code: 'text?',
  },
  erase: 'delete',
});

/** D6 */
export function deviceRow(c: DeviceContext): object {
  return {
    id: c.id,
    user_id: c.userId,
    provider: c.provider,
    provider_user_id: c.providerUserId ?? null,
    label: c.label,
    state: c.state.split('.')[0] ?? c.state,
    auto_sync: c.autoSync,
    time_zone: c.timeZone,
    connected_at: c.connectedAt ?? null,
  };
}

/** D2 */
export function syncRow(c: DeviceContext, status: string, at: number): object {
  const run = c.run;
  return {
    id: run?.id ?? `${c.id}.lost`,
    device_id: c.id,
    user_id: c.userId,
    trigger: run?.trigger ?? 'auto',
    status,
    from_day: run?.from ?? null,
    to_day: run?.to ?? null,
    started_at: run?.startedAt ?? at,
    finished_at: status === 'running' ? null : at,
    inserted: run?.counts.inserted ?? 0,
    updated: run?.counts.updated ?? 0,
    duplicate: run?.counts.duplicate ?? 0,
    stale: run?.counts.stale ?? 0,
    rejected: run?.counts.rejected ?? 0,
    attempt: c.failures + (status === 'failed' ? 0 : 1),
    error_code: status === 'succeeded' || status === 'running' ? null : (c.error ?? null),
  };
}

export function head(c: DeviceContext): DeviceHead {
  const { state, done, total } = c.backfill;
  return {
    id: c.id,
    provider: c.provider,
    label: c.label,
    state: c.state,
    stateSince: c.stateSince,
    autoSync: c.autoSync,
    ...(c.lastSyncAt === undefined ? {} : { lastSyncAt: c.lastSyncAt }),
    ...(c.lastDataAt === undefined ? {} : { lastDataAt: c.lastDataAt }),
    ...(c.nextAt === undefined ? {} : { nextSyncAt: c.nextAt }),
    failures: c.failures,
    ...(c.error === undefined ? {} : { error: c.error }),
    backfill: { state, done, total },
    scopes: c.scopes,
  };
}
