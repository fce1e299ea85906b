import { useMemo, useState } from 'preact/hooks';
import type { ItemOf } from '@thrum/client';
import { clock } from '../lib/format.ts';
import { useLog, useThrum, useTopic } from '@thrum/client/react';
import type { IconName } from '../ui/icons.tsx';
import { Icon } from '../ui/icons.tsx';
import { Empty, RelTime, Skeleton, StaleChip } from '../ui/parts.tsx';
import { useToast } from '../ui/toasts.tsx';
import type { Role } from './studio.ts';
import { can, latestAlerts } from './studio.ts';

type Alert = Extract<ItemOf<'user:x/alerts'>, { id: string }>;

const LOOK: { readonly [severity: string]: readonly [tone: string, icon: IconName, word: string] } = {
  critical: ['bad', 'warn', 'Critical'],
  high: ['bad', 'up', 'High'],
  medium: ['warn', 'warn', 'Medium'],
  low: ['info', 'info', 'Low'],
  none: ['', 'info', 'Note'],
};

/** The alert feed of a client, or of a room. */
export function Alerts({
  topic,
  title,
  role,
}: {
  readonly topic: `user:${string}/alerts` | `resource:${string}/anomalies`;
  readonly title: string;
  readonly role: Role;
}) {
  const { entries, status } = useLog(topic);
  const alerts = useMemo(() => latestAlerts(entries.map((e) => e.item)), [entries]);
  const open = alerts.filter((a) => a.status !== 'closed');
  const [all, setAll] = useState(false);
  const shown = all ? alerts : [...open, ...alerts.filter((a) => a.status === 'closed').slice(0, Math.max(0, 3 - open.length))];
  const newest = entries.at(-1);
  return (
    <section class={`card ${status === 'stale' ? 'stale' : ''}`} aria-label={title}>
      <header>
        <h2>
          <Icon name="bell" /> {title}
        </h2>
        <StaleChip status={status} />
        {open.length > 0 && <span class="chip bad">{open.length} open</span>}
        <span class="spring" />
        {alerts.length > shown.length || all ? (
          <button type="button" class="btn quiet s" aria-pressed={all} onClick={() => setAll(!all)}>
            {all ? 'Fewer' : `All ${alerts.length}`}
          </button>
        ) : null}
      </header>
      <p class="vh" aria-live="polite">
        {newest?.fresh === true ? newest.item.title : ''}
      </p>
      <div class="body">
        {(status === 'loading' || status === 'idle') && entries.length === 0 ? <Skeleton lines={4} /> : null}
        {status === 'denied' && <Empty icon="bell" title="You may not see these alerts" />}
        {(status === 'live' || status === 'stale') && alerts.length === 0 && (
          <Empty icon="bell" title="All quiet">
            Alerts appear here when something leaves its usual range.
          </Empty>
        )}
        <ol class="alerts">
          {shown.map((a) => (
            <AlertView key={a.id} alert={a} role={role} />
          ))}
        </ol>
      </div>
    </section>
  );
}

function AlertView({ alert: a, role }: { readonly alert: Alert; readonly role: Role }) {
  const client = useThrum();
  const say = useToast();
  const [busy, setBusy] = useState(false);
  const monitor = useTopic(a.status === 'closed' ? undefined : (`${a.monitor}/scores` as `anomaly:${string}/scores`));
  const [tone, icon, word] = LOOK[a.severity] ?? ['', 'info', a.severity];
  const offer = (command: string): boolean => can(monitor.value, role, command);

  async function send(command: 'anomaly.acknowledge' | 'anomaly.feedback', payload: object, done: string): Promise<void> {
    setBusy(true);
    try {
      await client.command(a.monitor as `anomaly:${string}`, command, { alertId: a.id, ...payload });
      say(done);
    } catch (e) {
      say((e as Error).message, 'warn');
    } finally {
      setBusy(false);
    }
  }

  return (
    <li class={`alert ${a.status}`} data-alert={a.id}>
      <span class={`mark ${tone}`}>
        <Icon name={a.status === 'closed' ? 'check' : icon} size={16} />
      </span>
      <div>
        <div class="head">
          <h3>{a.title}</h3>
          <span class={`chip ${a.status === 'closed' ? '' : tone}`}>{a.status === 'closed' ? 'Closed' : word}</span>
        </div>
        <Band {...a} />
        <p class="small why">{a.explanation}</p>
        <div class="foot small muted">
          <RelTime at={a.at} />
          {a.status === 'acknowledged' && (
            <span class="seen">
              <Icon name="check" size={14} /> seen{a.ackAt === undefined ? '' : ` at ${clock(a.ackAt)}`}
            </span>
          )}
          <span class="spring" />
          {a.status === 'open' && (
            <button
              type="button"
              class="btn s"
              disabled={busy || !offer('anomaly.acknowledge')}
              onClick={() => void send('anomaly.acknowledge', {}, 'Alert acknowledged')}
            >
              Acknowledge
            </button>
          )}
          {a.status !== 'closed' && offer('anomaly.feedback') && (
            <button
              type="button"
              class="btn s quiet"
              disabled={busy}
              onClick={() => void send('anomaly.feedback', { label: 'false_positive' }, 'Thank you, noted as a false alarm')}
            >
              False alarm
            </button>
          )}
        </div>
      </div>
    </li>
  );
}

/** Where the value lies against the band in which it was expected. */
function Band({
  value,
  band,
  unit,
}: {
  readonly value: number;
  readonly band: { readonly lower: number; readonly upper: number };
  readonly unit: string;
}) {
  const low = Math.min(value, band.lower);
  const high = Math.max(value, band.upper);
  const pad = (high - low || 1) * 0.12;
  const x = (v: number): number => ((v - low + pad) / (high - low + 2 * pad)) * 100;
  const show = (v: number): string =>
    unit === 'fraction' || unit === '1' ? `${Math.round(v * 100)} %` : `${Number(v.toPrecision(3))} ${unit}`;
  return (
    <div class="band" role="img" aria-label={`${show(value)}; usually ${show(band.lower)} to ${show(band.upper)}`}>
      <i class="usual" style={{ left: `${x(band.lower)}%`, width: `${x(band.upper) - x(band.lower)}%` }} />
      <i class="value" style={{ left: `${x(value)}%` }} />
    </div>
  );
}
