import { assign, raise, setup } from 'xstate';
import { admit } from '../../calc/anomaly/admit.ts';
import type { Admission } from '../../calc/anomaly/admit.ts';
import { kernel } from '../../actors/define.ts';
import { now } from '../../actors/scope.ts';
import type { MonitorEvent } from './commands.ts';
import type { MonitorContext, SuppressReason } from './state.ts';
import { initialContext } from './state.ts';
import {
  alertOver,
  announce,
  announceHigher,
  badMute,
  broken,
  brokenEpisode,
  close,
  done,
  during,
  label,
  labelOpen,
  level,
  minLevel,
  muted,
  notFound,
  note,
  nothing,
  publishAlert,
  reopen,
  resolve,
  unmuted,
} from './transitions.ts';
import type { Args } from './transitions.ts';
import * as steps from './steps.ts';

type Of<T extends MonitorEvent['type']> = Extract<MonitorEvent, { type: T }>;

/** The event as the one that its transition handles; guards and actions of a command stand only on transitions of it. */
const as = <T extends MonitorEvent['type']>(event: MonitorEvent, ..._types: T[]): Of<T> => event as Of<T>;

const admission = ({ context: c, event }: Args): Admission =>
  admit({ lastT: c.lastT, lastValue: c.lastValue, lo: c.cfg.lo, hi: c.cfg.hi }, as(event, 'anomaly.observe'), now());

const alertEvent = (event: MonitorEvent) => as(event, 'anomaly.acknowledge', 'anomaly.resolve', 'anomaly.feedback');

const is =
  (wanted: Admission) =>
  (args: Args): boolean =>
    admission(args) === wanted;

/**
 * Severe or lasting enough to open an episode with its first point. That one high point is enough (daily health metrics) holds for its score, not
 * for its size alone: 2.5 deviations come once in eighty quiet days.
 */
function opensAtOnce({ reading: r, cfg }: MonitorContext): boolean {
  if (r === null || !r.exceeds) return false;
  const highScore = r.level >= 3 && Math.abs(r.z ?? 0) >= r.threshold;
  return r.level >= 4 || r.persistence >= 1 || cfg.confirmPoints <= 1 || (highScore && cfg.confirmPointsHigh <= 1);
}

/**
 * The monitor of one series: learns what is usual, opens at most one alert per direction, and forgets what turns out to be the new normal.
 * Four regions see the same events. Tables, invariants 1 to 7 and the tests that hold them: SPEC.md.
 */
export const anomalyMachine = setup({
  types: { context: {} as MonitorContext, events: {} as MonitorEvent, input: {} as { id: string } },
  delays: {
    escalateAfter: ({ context }) => (level(context) >= 4 ? 15 * 60_000 : 4 * 3_600_000),
    cooldown: ({ context }) => steps.cooldown(context),
    muteUntil: ({ context }) => Math.max(1, (context.muteUntil ?? 0) - now()),
    staleAfter: ({ context }) => context.cfg.staleAfterMs,
  },
  guards: {
    inFuture: is('future'),
    isDuplicate: is('duplicate'),
    isLate: is('late'),
    isMissing: is('missing'),
    isInvalid: is('invalid'),
    afterGap: ({ context: c, event }) =>
      c.lastT !== null &&
      c.det.seen > 0 &&
      (c.missing > c.cfg.maxGap || as(event, 'anomaly.observe').t - c.lastT > (c.cfg.maxGap + 1) * c.cfg.intervalMs),
    leavesGap: ({ context, event }) => !steps.connects(context, as(event, 'anomaly.backfill').points),
    hasReplay: ({ context: c }) => c.replay.length > 0,
    baselineFull: ({ context: c }) => c.det.ew.n >= c.cfg.minLearn,
    learnsLast: ({ context: c }) => c.det.ew.n + 1 >= c.cfg.minLearn,
    exceeds: ({ context: c }) => c.reading?.exceeds === true,
    opensAtOnce: ({ context }) => opensAtOnce(context),
    confirms: ({ context: c }) => opensAtOnce(c) || (c.reading?.exceeds === true && c.suspectRun + 1 >= c.cfg.confirmPoints),
    clear: ({ context: c }) => c.reading?.clear === true,
    recovers: ({ context: c }) => c.reading?.clear === true && c.normalRun + 1 >= c.cfg.recoverPoints,
    rises: ({ context: c }) => c.reading?.exceeds === true && c.reading.level > level(c),
    becameRecent: ({ context: c }) => c.reading?.exceeds === true && c.episode?.held === 'historical' && !steps.historical(c),
    settles: ({ context: c }) => c.persistRun >= c.cfg.adoptAfter && c.alert?.label !== 'true_positive',
    isHistorical: ({ context }) => steps.historical(context),
    isMuted: ({ context: c }) => c.muteUntil !== null,
    isBelowMin: ({ context: c }) => level(c) < minLevel(c),
    tierRose: ({ context: c }) => level(c) >= minLevel(c) && level(c) > (c.alert?.level ?? 0),
    mayReopen: ({ context: c }) => c.episode !== null && c.muteUntil === null && level(c) >= minLevel(c) && !steps.historical(c),
    inEpisode: ({ context: c }) => c.episode !== null,
    isUrgent: ({ context: c }) => (c.alert?.level ?? 0) >= 3,
    unknownAlert: ({ context, event }) => steps.alertNumber(context, alertEvent(event).alertId ?? '') === undefined,
    isCurrent: ({ context: c, event }) => c.alert?.id === alertEvent(event).alertId,
    refutesCurrent: ({ context: c, event }) => {
      const e = as(event, 'anomaly.feedback');
      return c.alert?.id === e.alertId && e.label === 'false_positive';
    },
    sameLabel: ({ context, event }) => steps.sameLabel(context, as(event, 'anomaly.feedback')),
    wasClosedByHand: ({ context: c, event }) => c.alert?.id === alertEvent(event).alertId && c.alert?.reason === 'manual',
    badMute: ({ event }) => steps.muteEnd(as(event, 'anomaly.mute')) === undefined,
    otherVersion: ({ context: c, event }) => {
      const { ifVersion } = as(event, 'anomaly.configure');
      return ifVersion !== undefined && ifVersion !== c.cfgVersion;
    },
  },
  actions: {
    ...kernel.actions,
    raiseOpened: raise({ type: 'episode.opened' }),
    raiseEscalated: raise({ type: 'episode.escalated' }),
    raiseClosed: raise({ type: 'episode.closed' }),
    raiseAdopted: raise({ type: 'baseline.adopted' }),
    raiseReplay: raise({ type: 'point.replay' }),
    raiseReplayed: raise({ type: 'point.replayed' }),
    raisePoint: raise({ type: 'point' }),
    raiseMissing: raise({ type: 'point.missing' }),
    raiseBroken: raise({ type: 'series.broken' }),
    raiseRebuilt: raise({ type: 'detectors.rebuilt' }),
    countLate: assign(({ context: c }) => ({ counts: { ...c.counts, late: c.counts.late + 1 } })),
    countDuplicate: assign(({ context: c }) => ({ counts: { ...c.counts, duplicates: c.counts.duplicates + 1 } })),
    countInvalid: assign(({ context: c }) => ({ counts: { ...c.counts, invalid: c.counts.invalid + 1 } })),
    countMissing: assign(({ context: c }) => ({ missing: c.missing + 1 })),
    score: assign(({ context, event }) => {
      const { t, v } = as(event, 'anomaly.observe');
      return v === null ? {} : steps.score(context, { t, v });
    }),
    learn: assign(({ context }) => steps.learned(context)),
    becomeLearned: assign({ learned: true }),
    reset: assign(() => steps.reset()),
    replay: assign(({ context }) => steps.replayed(context)),
    rebuild: assign(({ context, event }) => steps.rebuilt(context, as(event, 'anomaly.backfill').points)),
    suspect: assign(({ context: c }) => ({ suspectRun: c.suspectRun + 1 })),
    clearRuns: assign({ suspectRun: 0, normalRun: 0 }),
    recover: assign(({ context: c }) => ({ normalRun: c.normalRun + 1 })),
    openEpisode: assign(({ context }) => steps.opened(context)),
    extendEpisode: assign(({ context }) => steps.extended(context)),
    endEpisode: assign(({ context }) => steps.ended(context)),
    adopt: assign(({ context }) => steps.adopted(context)),
    openAlert: assign(({ context }) => steps.alertOpened(context, 'new')),
    reopenAlert: assign(({ context }) => steps.alertOpened(context, 'reopened')),
    escalate: assign(({ context }) => steps.escalated(context)),
    remind: assign(({ context }) => steps.reminded(context)),
    acknowledge: assign(({ context, event }) => steps.acknowledged(context, as(event, 'anomaly.acknowledge').note)),
    closeAuto: assign(({ context }) => steps.closed(context, 'auto')),
    closeAdopted: assign(({ context }) => steps.closed(context, 'adopted')),
    closeManually: assign(({ context, event }) => steps.closed(context, 'manual', as(event, 'anomaly.resolve').note)),
    closeFalsePositive: assign(({ context }) => steps.closed(context, 'false_positive')),
    suppress: assign(({ context }, { reason }: { reason: SuppressReason }) => steps.suppressed(context, reason)),
    label: assign(({ context, event }) => steps.labelled(context, as(event, 'anomaly.feedback'))),
    forgive: assign(({ context }) => steps.forgiven(context)),
    countMissed: assign(({ context }) => steps.missed(context)),
    mute: assign(({ event }) => ({ muteUntil: steps.muteEnd(as(event, 'anomaly.mute')) ?? null })),
    unmute: assign({ muteUntil: null }),
    configure: assign(({ context, event }) => {
      const { patch, tune } = as(event, 'anomaly.configure');
      return steps.configured(context, patch, tune);
    }),
  },
}).createMachine({
  id: 'anomaly',
  type: 'parallel',
  context: ({ input }) => initialContext(input.id),

  // Point admission, before any region sees the point.
  on: {
    'anomaly.observe': [
      { guard: 'inFuture', actions: { type: 'reject', params: { code: 'POINT_IN_FUTURE' } } },
      { guard: 'isDuplicate', actions: 'countDuplicate' },
      { guard: 'isLate', actions: 'countLate' },
      { guard: 'isMissing', actions: ['countMissing', 'raiseMissing'] },
      { guard: 'isInvalid', actions: ['countInvalid', 'countMissing', 'raiseMissing'] },
      { guard: 'afterGap', actions: ['reset', 'score', 'raiseBroken', 'raisePoint'] },
      { actions: ['score', 'raisePoint'] },
    ],
    'anomaly.backfill': [
      { guard: 'leavesGap', actions: { type: 'reject', params: { code: 'BACKFILL_GAP' } } },
      { actions: ['rebuild', 'raiseRebuilt', 'raiseReplay'] },
    ],
    // One at a time: what a point raises is handled before the next one is scored.
    'point.replay': { guard: 'hasReplay', actions: ['replay', 'raisePoint', 'raiseReplayed'] },
    'point.replayed': { actions: 'raiseReplay' },
    'anomaly.missed': {
      actions: [
        'countMissed',
        { type: 'reply', params: ({ context: { tune } }: Args) => ({ labels: { fp: tune.fp, tp: tune.tp, missed: tune.missed } }) },
      ],
    },
    'anomaly.configure': [
      { guard: 'otherVersion', actions: { type: 'reject', params: { code: 'SEQ_MISMATCH', detail: 'the configuration has changed' } } },
      { actions: ['configure', { type: 'reply', params: ({ context }: Args) => ({ cfgVersion: context.cfgVersion }) }] },
    ],
  },

  states: {
    condition: {
      initial: 'learning',
      states: {
        learning: {
          on: {
            point: [
              {
                guard: 'learnsLast',
                target: 'normal',
                actions: ['learn', 'becomeLearned', { type: 'publish', params: note('monitor.ready') }],
              },
              { actions: 'learn' },
            ],
            'detectors.rebuilt': {
              guard: 'baselineFull',
              target: 'normal',
              actions: ['becomeLearned', { type: 'publish', params: note('monitor.ready') }],
            },
          },
        },
        normal: {
          on: {
            point: [
              { guard: 'opensAtOnce', target: 'anomalous', actions: ['learn', 'openEpisode', 'raiseOpened'] },
              { guard: 'exceeds', target: 'suspect', actions: ['learn', 'suspect'] },
              { actions: 'learn' },
            ],
            ...broken,
          },
        },
        suspect: {
          on: {
            point: [
              { guard: 'confirms', target: 'anomalous', actions: ['learn', 'openEpisode', 'raiseOpened'] },
              { guard: 'exceeds', actions: ['learn', 'suspect'] },
              {
                guard: 'clear',
                target: 'normal',
                actions: ['learn', 'clearRuns', { type: 'publish', params: note('monitor.suspicion_cleared') }],
              },
              { actions: 'learn' },
            ],
            ...broken,
          },
        },
        anomalous: {
          on: {
            point: [
              {
                guard: 'settles',
                target: 'normal',
                actions: ['extendEpisode', 'adopt', { type: 'publish', params: note('monitor.adopted') }, 'raiseAdopted', 'endEpisode'],
              },
              ...during,
              { target: 'recovering', actions: 'recover' },
            ],
            ...brokenEpisode,
          },
        },
        recovering: {
          on: {
            point: [
              ...during,
              { guard: 'recovers', target: 'normal', actions: ['learn', 'endEpisode', 'raiseClosed'] },
              { guard: 'clear', actions: ['learn', 'recover'] },
              { actions: 'learn' },
            ],
            ...brokenEpisode,
          },
        },
      },
    },

    alerting: {
      initial: 'quiet',
      states: {
        quiet: { on: { 'episode.opened': announce, 'episode.escalated': announce, 'anomaly.feedback': label } },
        open: {
          initial: 'calm',
          on: {
            'episode.escalated': { actions: ['escalate', ...publishAlert] },
            'anomaly.acknowledge': [
              { guard: 'unknownAlert', actions: notFound },
              { guard: 'isCurrent', target: 'acknowledged', actions: ['acknowledge', ...publishAlert, done(false)] },
              { actions: alertOver },
            ],
            'anomaly.resolve': resolve,
            'anomaly.feedback': labelOpen,
            'episode.closed': { target: 'cooling', actions: close('closeAuto') },
            'baseline.adopted': { target: 'cooling', actions: close('closeAdopted') },
          },
          states: {
            calm: { always: { guard: 'isUrgent', target: 'urgent' } },
            urgent: { after: { escalateAfter: { target: 'reminded', actions: ['remind', ...publishAlert] } } },
            reminded: {},
          },
        },
        acknowledged: {
          on: {
            'episode.escalated': { actions: ['escalate', ...publishAlert] },
            'anomaly.acknowledge': [
              { guard: 'unknownAlert', actions: notFound },
              { guard: 'isCurrent', actions: done(true) },
              { actions: alertOver },
            ],
            'anomaly.resolve': resolve,
            'anomaly.feedback': labelOpen,
            'episode.closed': { target: 'cooling', actions: close('closeAuto') },
            'baseline.adopted': { target: 'cooling', actions: close('closeAdopted') },
          },
        },
        cooling: {
          on: {
            'episode.opened': announceHigher,
            'episode.escalated': announceHigher,
            'anomaly.resolve': { guard: 'wasClosedByHand', actions: done(true) },
            'anomaly.feedback': label,
          },
          after: {
            cooldown: [
              {
                guard: 'mayReopen',
                target: 'open',
                actions: reopen,
              },
              { target: 'quiet' },
            ],
          },
        },
      },
    },

    muting: {
      initial: 'unmuted',
      states: {
        unmuted: {
          on: {
            'anomaly.mute': [
              { guard: 'badMute', actions: badMute },
              { target: 'muted', actions: ['mute', ...muted] },
            ],
          },
        },
        muted: {
          on: {
            'anomaly.mute': [
              { guard: 'badMute', actions: badMute },
              { target: 'muted', reenter: true, actions: ['mute', ...muted] },
            ],
            'anomaly.unmute': [
              { guard: 'inEpisode', target: 'unmuted', actions: ['unmute', ...unmuted, 'raiseOpened', nothing] },
              { target: 'unmuted', actions: ['unmute', ...unmuted, nothing] },
            ],
          },
          after: {
            muteUntil: [
              { guard: 'inEpisode', target: 'unmuted', actions: ['unmute', ...unmuted, 'raiseOpened'] },
              { target: 'unmuted', actions: ['unmute', ...unmuted] },
            ],
          },
        },
      },
    },

    feed: {
      initial: 'live',
      states: {
        live: {
          on: {
            point: { target: 'live', reenter: true },
            'point.missing': { target: 'live', reenter: true },
          },
          after: { staleAfter: { target: 'stale', actions: ['clearRuns', { type: 'publish', params: note('monitor.stale') }] } },
        },
        stale: {
          on: {
            point: { target: 'live', actions: { type: 'publish', params: note('monitor.live') } },
            'point.missing': { target: 'live', actions: { type: 'publish', params: note('monitor.live') } },
          },
        },
      },
    },
  },
});
