/**
 * Transitions and action lists that several states of the monitor share. Plain data: actions by name with pure params.
 */
import { now } from '../../actors/scope.ts';
import { TIERS } from '../../calc/anomaly/severity.ts';
import { alertRow } from './alert-row.ts';
import type { MonitorEvent } from './commands.ts';
import type { MonitorItem } from './schema.ts';
import type { MonitorContext, SuppressReason } from './state.ts';
import { monitorRef, ownerRef } from './state.ts';

export interface Args {
  readonly context: MonitorContext;
  readonly event: MonitorEvent;
}

/** Level below which nobody is told. */
export const minLevel = (c: MonitorContext): number => TIERS.indexOf(c.cfg.minSeverity);
export const level = (c: MonitorContext): number => c.episode?.level ?? 0;

/** Item for the monitor's own log. */
export const note =
  (type: MonitorItem['type']) =>
  ({ context }: Args): { view: 'alerts'; item: MonitorItem } => ({
    view: 'alerts',
    item: { type, at: now(), monitor: monitorRef(context), metric: context.metric },
  });

const suppressedNote = (args: Args, reason: SuppressReason): { view: 'alerts'; item: MonitorItem } => {
  const { episode, reading, alert } = args.context;
  return {
    view: 'alerts',
    item: {
      ...note('alert.suppressed')(args).item,
      reason,
      severity: TIERS[level(args.context)] ?? 'none',
      ...(episode === null ? {} : { direction: episode.direction }),
      ...(reading === null ? {} : { pointAt: reading.t, value: reading.value, expected: reading.expected }),
      ...(reason === 'cooldown' && alert !== null ? { coveredBy: alert.id } : {}),
    },
  };
};

/** Writes the alert, as it now is, to the monitor's log and the table of alerts, and tells the owner. Stands after the step that changed it. */
export const publishAlert = [
  { type: 'publish', params: ({ context }: Args) => ({ view: 'alerts', item: context.alert ?? {} }) },
  {
    type: 'row',
    params: ({ context }: Args) => ({
      into: 'alerts',
      op: 'put' as const,
      row: context.alert === null ? {} : alertRow(context, context.alert),
    }),
  },
  {
    type: 'tell',
    params: ({ context }: Args) => ({
      to: ownerRef(context),
      type: context.alert?.type ?? 'alert.updated',
      payload: { item: context.alert ?? {} },
    }),
  },
] as const;

const open = ['openAlert', ...publishAlert] as const;
export const reopen = ['reopenAlert', ...publishAlert] as const;
export const close = <const A extends string>(action: A) => [action, ...publishAlert] as const;

const hold = <const R extends SuppressReason>(reason: R) =>
  [
    { type: 'suppress', params: { reason } },
    { type: 'publish', params: (args: Args) => suppressedNote(args, reason) },
  ] as const;

export const done = (repeated: boolean) => ({ type: 'reply', params: { repeated } }) as const;
export const nothing = { type: 'reply', params: null } as const;
export const notFound = { type: 'reject', params: { code: 'NOT_FOUND', detail: 'this monitor has no such alert' } } as const;
export const badMute = { type: 'reject', params: { code: 'INVALID_RANGE', detail: 'a mute ends within 90 days' } } as const;
export const muted = [
  {
    type: 'publish',
    params: (args: Args) => {
      const { view, item } = note('monitor.muted')(args);
      return { view, item: { ...item, until: args.context.muteUntil ?? 0 } };
    },
  },
  { type: 'reply', params: ({ context }: Args) => ({ until: context.muteUntil ?? 0 }) },
] as const;
export const unmuted = [{ type: 'publish', params: note('monitor.unmuted') }] as const;
export const alertOver = { type: 'reject', params: { code: 'ALERT_CLOSED' } } as const;

/** An episode that may become an alert: held while muted, for old buckets and below the least severity. */
export const announce = [
  { guard: 'isMuted', actions: hold('muted') },
  { guard: 'isHistorical', actions: hold('historical') },
  { guard: 'isBelowMin', actions: hold('below_min') },
  { target: 'open', actions: open },
] as const;

/** During the cool-down only a higher tier is announced. */
export const announceHigher = [
  { guard: 'isMuted', actions: hold('muted') },
  { guard: 'isHistorical', actions: hold('historical') },
  { guard: 'tierRose', target: 'open', actions: reopen },
  { actions: hold('cooldown') },
] as const;

export const label = [
  { guard: 'unknownAlert', actions: notFound },
  { guard: 'sameLabel', actions: done(true) },
  { guard: 'isCurrent', actions: ['label', ...publishAlert, done(false)] },
  { actions: ['label', done(false)] },
] as const;

export const labelOpen = [
  { guard: 'unknownAlert', actions: notFound },
  {
    guard: 'refutesCurrent',
    target: 'cooling',
    actions: ['label', 'forgive', ...close('closeFalsePositive'), done(false)],
  },
  ...label.slice(1),
] as const;

export const resolve = [
  { guard: 'unknownAlert', actions: notFound },
  { guard: 'isCurrent', target: 'cooling', actions: [...close('closeManually'), done(false)] },
  { actions: alertOver },
] as const;

/** Anomalous points while an episode runs: it grows, and may rise in severity or become worth telling. */
export const during = [
  { guard: 'rises', target: 'anomalous', actions: ['extendEpisode', 'raiseEscalated'] },
  { guard: 'becameRecent', target: 'anomalous', actions: ['extendEpisode', 'raiseOpened'] },
  { guard: 'exceeds', target: 'anomalous', actions: 'extendEpisode' },
] as const;

/** Baseline and episode of an operator's reset, or after a gap. */
export const broken = {
  'series.broken': { target: 'learning' },
  'anomaly.reset': { target: 'learning', actions: ['reset', nothing] },
} as const;
export const brokenEpisode = {
  'series.broken': { target: 'learning', actions: ['endEpisode', 'raiseClosed'] },
  'anomaly.reset': { target: 'learning', actions: ['reset', 'endEpisode', 'raiseClosed', nothing] },
  'anomaly.adopt': {
    target: 'normal',
    actions: ['adopt', { type: 'publish', params: note('monitor.adopted') }, 'raiseAdopted', 'endEpisode', nothing],
  },
} as const;
