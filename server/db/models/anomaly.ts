/** Reads the tables of alerts and monitors, which the monitors write and show (machines/anomaly/alert-row.ts, monitor-row.ts). */
import type { Knex } from 'knex';
import { MonitorEntry } from '../../../machines/anomaly/monitor-row.ts';
import { AlertItem } from '../../../machines/anomaly/schema.ts';

export interface AlertFilter {
  readonly ownerKind?: string | undefined;
  readonly ownerId?: string | undefined;
  readonly metric?: string | undefined;
  readonly status?: readonly AlertItem['status'][] | undefined;
  /** least severity level, 1 to 4 */
  readonly level?: number | undefined;
  /** opened at or after, epoch ms */
  readonly since?: number | undefined;
  /** position after which the list goes on */
  readonly after?: { readonly openedAt: number; readonly id: string } | undefined;
  readonly limit: number;
}

/** Alerts as they now are, the newest first. */
export async function listAlerts(knex: Knex, f: AlertFilter): Promise<AlertItem[]> {
  const query = knex('alerts').select('item').orderBy('opened_at', 'desc').orderBy('alert_id').limit(f.limit);
  if (f.ownerKind !== undefined) query.where('owner_kind', f.ownerKind);
  if (f.ownerId !== undefined) query.where('owner_id', f.ownerId);
  if (f.metric !== undefined) query.where('metric', f.metric);
  if (f.status !== undefined) query.whereIn('status', [...f.status]);
  if (f.level !== undefined) query.where('severity', '>=', f.level);
  if (f.since !== undefined) query.where('opened_at', '>=', new Date(f.since));
  if (f.after !== undefined) {
    const at = new Date(f.after.openedAt);
    query.whereRaw('(opened_at < ? or (opened_at = ? and alert_id > ?))', [at, at, f.after.id]);
  }
  const rows: { item: unknown }[] = await query;
  return rows.map(({ item }) => AlertItem.parse(item));
}

/** One alert; undefined when there is none with this id, or it belongs to another owner than the given one. */
export async function findAlert(knex: Knex, id: string, owner?: { kind: string; id: string }): Promise<AlertItem | undefined> {
  const query = knex('alerts').select('item').where('alert_id', id);
  if (owner !== undefined) query.where({ owner_kind: owner.kind, owner_id: owner.id });
  const row: { item: unknown } | undefined = await query.first();
  return row === undefined ? undefined : AlertItem.parse(row.item);
}

export interface MonitorFilter {
  readonly owner?: { readonly kind: string; readonly id: string } | undefined;
  readonly metric?: string | undefined;
  readonly condition?: MonitorEntry['condition'] | undefined;
  readonly alerting?: MonitorEntry['alerting'] | undefined;
  /** id after which the list goes on */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** Monitors by id, `{ownerKind}:{ownerId}:{metric}`. */
export async function listMonitors(knex: Knex, f: MonitorFilter): Promise<MonitorEntry[]> {
  const query = knex('monitors').orderBy('id').limit(f.limit);
  if (f.owner !== undefined) query.where({ owner_kind: f.owner.kind, owner_id: f.owner.id });
  if (f.metric !== undefined) query.where('metric', f.metric);
  if (f.condition !== undefined) query.where('condition', f.condition);
  if (f.alerting !== undefined) query.where('alerting', f.alerting);
  if (f.after !== undefined) query.where('id', '>', f.after);
  const rows: MonitorRow[] = await query.select(...MONITOR);
  return rows.map((r) => MonitorEntry.parse(entryOf(r)));
}

const MONITOR = [
  'id',
  'owner_kind',
  'owner_id',
  'metric',
  'cfg_version',
  'condition',
  'alerting',
  'muted_until',
  'last_t',
  'last_value',
  'last_z',
  'threshold',
  'updated_at',
] as const;
type MonitorRow = { readonly [column in (typeof MONITOR)[number]]: string | number | null };

const entryOf = (r: MonitorRow): object => ({
  id: r.id,
  owner: `${r.owner_kind}:${r.owner_id}`,
  metric: r.metric,
  condition: r.condition,
  alerting: r.alerting,
  mutedUntil: r.muted_until ?? undefined,
  lastT: r.last_t ?? undefined,
  lastValue: r.last_value ?? undefined,
  lastZ: r.last_z ?? undefined,
  threshold: r.threshold,
  cfgVersion: r.cfg_version,
  updatedAt: r.updated_at,
});
