import { companion } from '../../actors/define.ts';
import type { AlertItem } from './schema.ts';
import type { MonitorContext } from './state.ts';

/** The last state of every alert, for lists over all owners; written with the event that changed the alert. */
export const alertRows = companion<MonitorContext>({
  table: 'alerts',
  key: ['alert_id'],
  mode: 'upsert',
  columns: {
    alert_id: 'uuid',
    monitor_id: 'text',
    owner_kind: 'text',
    owner_id: 'text',
    metric: 'text',
    key: 'text',
    kind: 'text',
    direction: 'text',
    severity: 'smallint',
    status: 'text',
    opened_at: 'timestamptz',
    acked_at: 'timestamptz?',
    acked_by: 'text?',
    closed_at: 'timestamptz?',
    close_reason: 'text?',
    label: 'text?',
    item: 'jsonb',
  },
  pii: ['item'],
  stamp: { actor: 'actor_id', seq: 'actor_seq' },
  erase: 'delete',
});

export const alertRow = (c: Pick<MonitorContext, 'id' | 'ownerKind' | 'ownerId'>, item: AlertItem): object => ({
  alert_id: item.id,
  monitor_id: c.id,
  owner_kind: c.ownerKind,
  owner_id: c.ownerId,
  metric: item.metric,
  key: item.key,
  kind: item.kind,
  direction: item.direction,
  severity: item.level,
  status: item.status,
  opened_at: item.openedAt,
  acked_at: item.ackAt ?? null,
  acked_by: item.ackBy ?? null,
  closed_at: item.closedAt ?? null,
  close_reason: item.closeReason ?? null,
  label: item.label ?? null,
  item,
});
