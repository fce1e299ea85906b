/** Metrics of the anomaly monitors, counted from what they publish (forecast-anomaly 16). No ids in labels. */
import { Counter, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import type { ActorSystem, Unsubscribe } from '../../actors/system.ts';
import { LogItem } from '../../machines/anomaly/views.ts';

const MONITOR_LOG = /^anomaly:([a-z]+):.*\/alerts$/;

export function countAlerts(actors: Pick<ActorSystem, 'onPublish'>, registry: Registry): Unsubscribe {
  const registers = [registry];
  const severity = new Counter({
    name: 'resource_anomaly_severity',
    help: 'Anomaly episodes that were told, at their first severity and at each rise',
    labelNames: ['level', 'kind', 'module'],
    registers,
  });
  const opened = new Counter({
    name: 'thrum_anomaly_alerts_opened_total',
    help: 'Alerts opened by monitors',
    labelNames: ['severity'],
    registers,
  });
  const suppressed = new Counter({
    name: 'thrum_anomaly_alerts_suppressed_total',
    help: 'Episodes that nobody was told of',
    labelNames: ['reason'],
    registers,
  });
  const toAck = new Histogram({
    name: 'thrum_anomaly_time_to_ack_seconds',
    help: 'From the opening of an alert to its acknowledgement',
    buckets: [60, 300, 900, 3_600, 14_400, 86_400],
    registers,
  });

  const count = (owner: string, item: LogItem): void => {
    if (item.type === 'alert.suppressed') suppressed.inc({ reason: item.reason ?? 'unknown' });
    if (item.type !== 'alert.opened' && item.type !== 'alert.updated') return;
    if (item.reason === 'acknowledged' && item.ackAt !== undefined) toAck.observe((item.ackAt - item.openedAt) / 1_000);
    if (item.type === 'alert.opened') opened.inc({ severity: item.severity });
    if (item.type === 'alert.opened' || item.reason === 'escalated') {
      severity.inc({ level: item.severity, kind: item.kind, module: owner === 'resource' ? 'booking' : 'biosync' });
    }
  };
  return actors.onPublish((p) => {
    if (p.k !== 'i' || !Array.isArray(p.d)) return;
    const [, owner] = MONITOR_LOG.exec(p.t) ?? [];
    if (owner === undefined) return;
    for (const item of p.d) {
      const parsed = LogItem.safeParse(item);
      if (parsed.success) count(owner, parsed.data);
    }
  });
}
