/** What the actions of the monitor do to its context: pure functions, each named after its action. */
import { TIERS } from '../../calc/anomaly/severity.ts';
import {
  adopt,
  changePoint,
  forgive,
  fromModel,
  learn,
  noDetectors,
  observe,
  recentPoints,
  RECENT_POINTS,
} from '../../calc/anomaly/monitor.ts';
import type { Detectors } from '../../calc/anomaly/monitor.ts';
import { cooldownMs } from '../../calc/anomaly/metrics.ts';
import { noTune, relabel } from '../../calc/anomaly/tune.ts';
import { URL_NAMESPACE, uuid5 } from '../../calc/uuid.ts';
import { from, now } from '../../actors/scope.ts';
import type { AlertItem, Label } from './schema.ts';
import type { Closing, ConfigPatch, MonitorContext, SuppressReason } from './state.ts';
import { monitorRef, noHistory, ownerRef } from './state.ts';
import { explanationOf, titleOf } from './text.ts';

type Context = MonitorContext;
type Change = Partial<Context>;

const detectors = (c: Context): Detectors => ({ ...c.det, recent: c.recent });

function detected(d: Detectors): Pick<Context, 'det' | 'recent'> {
  const { recent, ...det } = d;
  return { det, recent };
}

// ------------------------------------------------------------------------------------------------------------------ points

export function score(c: Context, p: { t: number; v: number }): Change {
  const { reading, next } = observe(detectors(c), p, c.cfg, c.tune.lnF, c.learned);
  return {
    ...detected(next),
    reading,
    lastT: p.t,
    lastValue: p.v,
    missing: 0,
    persistRun: reading.persistence >= 1 ? c.persistRun + 1 : 0,
  };
}

export const learned = (c: Context): Change => detected(learn(detectors(c), c.cfg));

/** After a gap or by an operator: the baseline is learned anew; the feedback on the threshold is kept. */
export const reset = (): Change => ({ ...noHistory, learned: false, missing: 0, suspectRun: 0, normalRun: 0, persistRun: 0 });

export type BackfillPoint = { readonly t: number; readonly v: number };

/** Points already fed that are newer than the last of `points`, in the unit of the metric. */
const fedAfter = (c: Context, points: readonly BackfillPoint[]): BackfillPoint[] => {
  const end = points.at(-1)?.t ?? 0;
  return recentPoints(detectors(c)).flatMap(({ t, x }) => (t > end ? [{ t, v: fromModel(x, c.cfg) }] : []));
};

/** Whether the ring still holds every point that was fed after the given ones, so that a rebuild loses none. */
export function connects(c: Context, points: readonly BackfillPoint[]): boolean {
  const end = points.at(-1)?.t ?? 0;
  const oldest = recentPoints(detectors(c))[0];
  return c.det.seen <= RECENT_POINTS || (oldest !== undefined && oldest.t <= end + 1.5 * c.cfg.intervalMs);
}

/**
 * Detectors as if `points` had come in order, with the points fed after them still to be replayed. While an episode runs they are folded in at once:
 * what they were has been told already.
 */
export function rebuilt(c: Context, points: readonly BackfillPoint[]): Change {
  const after = fedAfter(c, points);
  const folded = c.episode === null ? points : [...points, ...after];
  let d = noDetectors;
  for (const p of folded) d = learn(observe(d, p, c.cfg, c.tune.lnF, d.ew.n >= c.cfg.minLearn).next, c.cfg);
  const last = folded.at(-1);
  return {
    ...detected(d),
    suspectRun: 0,
    normalRun: 0,
    ...(last === undefined || (c.episode !== null && last.t < (c.lastT ?? 0)) ? {} : { lastT: last.t, lastValue: last.v }),
    replay: c.episode === null ? after : [],
  };
}

/** Scores the next point that waits for its replay. */
export function replayed(c: Context): Change {
  const [next, ...replay] = c.replay;
  return next === undefined ? {} : { ...score(c, next), replay };
}

// ---------------------------------------------------------------------------------------------------------------- episodes

export function opened(c: Context): Change {
  const r = c.reading;
  if (r === null) return {};
  const lasting = r.persistence >= 1 && !r.outlying;
  return {
    suspectRun: 0,
    normalRun: 0,
    episode: {
      startedAt: r.t,
      since: (r.persistence >= 1 ? changePoint(detectors(c), r.direction) : undefined) ?? r.t,
      direction: r.direction,
      kind: lasting ? 'persistence' : c.metric === 'utilization' ? 'utilization' : 'metric',
      points: Math.max(1, c.suspectRun + 1),
      level: r.level,
      peakZ: r.z ?? 0,
      peakDelta: r.delta,
      held: null,
    },
  };
}

export function extended(c: Context): Change {
  const { episode, reading } = c;
  if (episode === null || reading === null) return {};
  const peakZ = Math.abs(reading.z ?? 0) > Math.abs(episode.peakZ) ? (reading.z ?? 0) : episode.peakZ;
  const peakDelta = Math.abs(reading.delta) > Math.abs(episode.peakDelta) ? reading.delta : episode.peakDelta;
  return {
    normalRun: 0,
    episode: { ...episode, points: episode.points + 1, level: Math.max(episode.level, reading.level), peakZ, peakDelta },
  };
}

/** The episode is over; an alert that stood for it keeps its length. */
export const ended = ({ episode, alert }: Context): Change => ({
  episode: null,
  suspectRun: 0,
  normalRun: 0,
  persistRun: 0,
  ...(episode === null || alert === null || alert.status === 'closed' ? {} : { alert: { ...alert, points: episode.points } }),
});

export function adopted(c: Context): Change {
  const { episode } = c;
  const since = episode === null ? c.lastT : (changePoint(detectors(c), episode.direction) ?? episode.since);
  return { ...detected(adopt(detectors(c), since ?? 0, c.cfg)), persistRun: 0 };
}

// ------------------------------------------------------------------------------------------------------------------ alerts

export const alertId = (c: Pick<Context, 'id'>, no: number): string => uuid5(URL_NAMESPACE, `${monitorRef(c)}/alert/${no}`);

const ALERTS_KNOWN = 32;

/** Number of one of the last alerts of this monitor; undefined for an id that is none of them. */
export function alertNumber(c: Pick<Context, 'id' | 'alertNo'>, id: string): number | undefined {
  for (let no = c.alertNo; no > Math.max(0, c.alertNo - ALERTS_KNOWN); no -= 1) if (alertId(c, no) === id) return no;
  return undefined;
}

export const cooldown = (c: Pick<Context, 'cfg' | 'tune'>): number => cooldownMs(c.cfg, c.tune.fpRun);

/** A bucket so long ago that nobody should be called for it: older than two cool-downs. */
export const historical = (c: Context): boolean => c.reading !== null && now() - c.reading.t > c.cfg.intervalMs + 2 * c.cfg.cooldownMs;

/** The part of an item that follows from the episode and its latest point. */
function figures(c: Context): Omit<AlertItem, 'type' | 'id' | 'status' | 'reason' | 'notify' | 'openedAt'> | undefined {
  const { episode: e, reading: r } = c;
  if (e === null || r === null) return undefined;
  const tier = TIERS[e.level] ?? 'none';
  return {
    key: `${c.id}:${e.direction}`,
    monitor: monitorRef(c),
    owner: ownerRef(c),
    metric: c.metric,
    unit: c.cfg.unit,
    kind: e.kind,
    direction: e.direction,
    severity: tier,
    level: e.level,
    action: ACTIONS[tier],
    title: titleOf(c.metric, e.direction, e.points),
    explanation: explanationOf(c.metric, c.cfg.unit, r, e.direction, e.points),
    at: now(),
    pointAt: r.t,
    value: r.value,
    expected: r.expected,
    delta: r.delta,
    band: { lower: r.lower, upper: r.upper },
    ...(r.z === null ? {} : { z: r.z }),
    threshold: r.threshold,
    persistence: r.persistence,
    points: e.points,
    since: e.since,
  };
}

const ACTIONS = {
  none: 'none',
  low: 'observe',
  medium: 'review_24h',
  high: 'investigate_4h',
  critical: 'page_now',
} as const satisfies Record<AlertItem['severity'], AlertItem['action']>;

/** @param reason `reopened`: continues the last alert, which it names */
export function alertOpened(c: Context, reason: 'new' | 'reopened'): Change {
  const shown = figures(c);
  if (shown === undefined || c.episode === null) return {};
  const no = c.alertNo + 1;
  return {
    alertNo: no,
    episode: { ...c.episode, held: null },
    alert: {
      ...shown,
      type: 'alert.opened',
      id: alertId(c, no),
      status: 'open',
      reason,
      notify: true,
      openedAt: now(),
      ...(reason === 'reopened' && c.alert !== null ? { linkedTo: c.alert.id } : {}),
    },
  };
}

/** Changes the last alert and dates its item; the publishing action follows. */
function amended(c: Context, change: Partial<AlertItem> & Pick<AlertItem, 'reason'>, type: AlertItem['type'] = 'alert.updated'): Change {
  return c.alert === null ? {} : { alert: { ...c.alert, type, notify: false, at: now(), ...change } };
}

/** The severity rose: the item takes the figures of the latest point. Nobody is called while muted. */
export const escalated = (c: Context): Change => amended(c, { ...figures(c), reason: 'escalated', notify: c.muteUntil === null });

export const reminded = (c: Context): Change => amended(c, { reason: 'unacknowledged', notify: c.muteUntil === null });

export const acknowledged = (c: Context, note: string | undefined): Change =>
  amended(c, { reason: 'acknowledged', status: 'acknowledged', ackBy: from().id, ackAt: now(), ...(note === undefined ? {} : { note }) });

export function closed(c: Context, reason: Closing, note?: string): Change {
  const byPerson = reason === 'manual' || reason === 'false_positive';
  const change = {
    reason,
    closeReason: reason,
    status: 'closed',
    closedAt: now(),
    points: c.episode?.points ?? c.alert?.points ?? 1,
  } as const;
  return amended(c, { ...change, ...(byPerson ? { closedBy: from().id } : {}), ...(note === undefined ? {} : { note }) }, 'alert.closed');
}

export const suppressed = (c: Context, reason: SuppressReason): Change => ({
  suppressed: { count: c.suppressed.count + 1, lastAt: now() },
  ...(c.episode === null ? {} : { episode: { ...c.episode, held: reason } }),
});

// ---------------------------------------------------------------------------------------------------------------- feedback

const SHORT = { true_positive: 'tp', false_positive: 'fp' } as const;

/** Label that the alert with this number has; undefined when it has none that is remembered. */
export const labelOf = (c: Context, no: number): string | undefined => Object.values(c.labels).find((l) => l.alert === String(no))?.label;

export const sameLabel = (c: Context, e: { alertId: string; label: Label }): boolean => {
  const no = alertNumber(c, e.alertId);
  return no !== undefined && labelOf(c, no) === SHORT[e.label];
};

export function labelled(c: Context, e: { alertId: string; label: Label }): Change {
  const no = alertNumber(c, e.alertId);
  if (no === undefined) return {};
  const { tune, log } = relabel(c.tune, c.labels, { label: SHORT[e.label], alert: String(no) });
  const shown = c.alert?.id === e.alertId ? amended(c, { reason: 'labelled', label: e.label }) : {};
  return { tune, labels: log, ...shown };
}

export function missed(c: Context): Change {
  const { tune, log } = relabel(c.tune, c.labels, { label: 'missed' });
  return { tune, labels: log };
}

export const forgiven = (c: Context): Change => detected(forgive(detectors(c), c.episode?.points ?? 1, c.cfg));

// ------------------------------------------------------------------------------------------------------------ configuration

export const configured = (c: Context, patch: ConfigPatch, tune: 'reset' | undefined): Change => ({
  cfg: { ...c.cfg, ...patch },
  cfgVersion: c.cfgVersion + 1,
  ...(tune === 'reset' ? { tune: noTune, labels: {} } : {}),
});

/** End of a mute as asked for; undefined when it lies in the past or more than 90 days ahead. */
export function muteEnd(e: { until?: number; forMs?: number }): number | undefined {
  const until = e.until ?? (e.forMs === undefined ? undefined : now() + e.forMs);
  return until === undefined || until <= now() || until > now() + 90 * 86_400_000 ? undefined : until;
}
