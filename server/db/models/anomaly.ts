/** Reads the table of alerts, which the monitors write (machines/anomaly/alert-row.ts). */
import type { Knex } from 'knex';
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

export interface MonitorEntry {
  readonly id: string;
  readonly state: string | null;
  readonly lastAt: number | null;
}

/** Monitors by id, `{ownerKind}:{ownerId}:{metric}`; `owner` is a prefix such as `user:7`. */
export async function listMonitors(
  knex: Knex,
  o: { owner?: string | undefined; after?: string | undefined; limit: number },
): Promise<MonitorEntry[]> {
  const query = knex('thrum_actor').select('id', 'state', 'last_at').where('kind', 'anomaly').orderBy('id').limit(o.limit);
  if (o.owner !== undefined) query.where(knex.raw('starts_with(id, ?)', [`${o.owner}:`]));
  if (o.after !== undefined) query.where('id', '>', o.after);
  const rows: { id: string; state: string | null; last_at: number | null }[] = await query;
  return rows.map(({ id, state, last_at }) => ({ id, state, lastAt: last_at }));
}
