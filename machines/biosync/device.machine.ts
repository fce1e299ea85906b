/**
 * One connection of one person to one account at a provider of wearable data. Region `conn` is the connection and its sync runs, `backfill`
 * fetches the history once, newest first, `freshness` tells whether data still arrives.
 *
 * Invariants: D1 at most one fetch of a run is under way · D2 a run is opened and closed in `sync_events` by the events that begin and end it ·
 * D3 `failures` counts transient failures in a row, and the eighth stalls · D4 a rate limit leaves `failures` alone · D5 data that arrives is
 * kept in every state with an account, paused or not · D6 the row of `devices` says whether deliveries of the account are ours.
 */
import { and, assign, cancel, enqueueActions, setup } from 'xstate';
import type { z } from 'zod';
import { effectRef, kernel } from '../../actors/define.ts';
import { from, now, rnd, selfId, seq } from '../../actors/scope.ts';
import { addDays, localDate } from '../../calc/time/civil.ts';
import type { DeviceEvent } from './commands.ts';
import type { Counts, DeviceContext, FetchInput, FetchResult, ProviderId, Run, Trigger } from './schema.ts';
import { addCounts, noCounts } from './schema.ts';
import * as T from './timing.ts';
import { as, auto, deliveryRow, ingestJob, inProgress, started, syncedJob, tooSoon } from './params.ts';
import { deviceRow, head, syncRow } from './rows.ts';

type Good = Extract<FetchResult, { ok: true }>;
type Bad = Extract<FetchResult, { ok: false }>;
const result = (event: unknown): FetchResult => (event as { output: FetchResult }).output;
const good = (event: unknown): Good => result(event) as Good;
const bad = (event: unknown): Bad => result(event) as Bad;

const failedAs =
  (c: Bad['class']) =>
  ({ event }: { event: unknown }): boolean => {
    const r = result(event);
    return !r.ok && r.class === c;
  };

const today = (c: DeviceContext): string => localDate(c.timeZone, now());

function newRun(c: DeviceContext, trigger: Trigger): Run {
  const to = today(c);
  const since = c.lastSyncAt === undefined ? to : localDate(c.timeZone, c.lastSyncAt);
  return {
    id: `${selfId()}.${seq()}`,
    trigger,
    startedAt: now(),
    from: addDays(since < to ? since : to, -T.LOOKBACK),
    to,
    counts: noCounts,
    pages: 0,
  };
}

const begun = (context: DeviceContext, trigger: Trigger) => ({ run: newRun(context, trigger), error: undefined });

const fetchInput = (c: DeviceContext, days: { from: string; to: string; cursor?: string | undefined }): z.input<typeof FetchInput> => ({
  deviceId: c.id,
  userId: c.userId,
  provider: c.provider,
  providerUserId: c.providerUserId ?? '',
  ...days,
});

const authority = (): 'user' | 'admin' => (from().roles.includes('admin') ? 'admin' : 'user');

const endBackfill = ({ backfill: { done, total, failures } }: DeviceContext, state: 'completed' | 'failed' | 'cancelled') => ({
  backfill: { state, done, total, failures },
});

const withData = (c: DeviceContext, counts: Counts): Partial<DeviceContext> => ({
  totals: addCounts(c.totals, counts),
  ...(counts.inserted + counts.updated > 0 ? { lastDataAt: now() } : {}),
});

const at = (state: string) => ({ state, stateSince: now() });

/** After a change of state: the user's list of devices follows. */
const told = { type: 'tell', params: ({ context }: { context: DeviceContext }) => tellHead(context) } as const;

const tellHead = (c: DeviceContext) => ({ to: `user:${c.userId}`, type: 'device.changed', payload: { device: head(c) } });

const saveRun = (status: 'running' | 'succeeded' | 'partial' | 'failed' | 'cancelled') => ({
  type: 'row' as const,
  params: ({ context }: { context: DeviceContext }) => ({ into: 'syncs', op: 'put' as const, row: syncRow(context, status, now()) }),
});

const saveDevice = {
  type: 'row' as const,
  params: ({ context }: { context: DeviceContext }) => ({ into: 'devices', op: 'put' as const, row: deviceRow(context) }),
};

const nothing = { type: 'reply', params: null } as const;

export const deviceMachine = setup({
  types: {
    context: {} as DeviceContext,
    events: {} as DeviceEvent,
    /** only the id is sure: the definition check has no command at hand */
    input: {} as { id: string; userId?: string; provider?: ProviderId; label?: string; timeZone?: string },
  },
  actors: {
    fetchPage: effectRef<z.input<typeof FetchInput>, FetchResult>('fetchPage'),
    deregister: effectRef<{ deviceId: string; provider: ProviderId; providerUserId: string }, null>('deregister'),
  },
  delays: {
    BACKOFF: ({ context }) => Math.max(1, context.backoffMs),
    AUTH: T.AUTH_MS,
    RUN: T.RUN_MS,
    PROBE: T.PROBE_MS,
    QUIET: T.QUIET_MS,
    CHUNK_RETRY: 60_000,
  },
  guards: {
    scopesGiven: ({ event }) => as(event, 'connect.succeeded').missing.length === 0,
    autoSync: ({ context }) => context.autoSync,
    rested: ({ context }) => context.lastManualAt === undefined || now() - context.lastManualAt >= T.MANUAL_MS,
    unlimited: ({ context }) => now() >= context.rateUntil,
    more: ({ event }) => {
      const r = result(event);
      return r.ok && r.more;
    },
    done: ({ event }) => result(event).ok,
    rateLimited: failedAs('rate_limited'),
    refused: failedAs('auth'),
    skipped: failedAs('permanent_object'),
    lastChance: ({ context }) => context.failures >= T.STALL_AT - 1,
    mayResume: ({ context }) => context.pausedBy !== 'admin' || authority() === 'admin',
    backfillLeft: ({ context }) =>
      context.backfill.to !== undefined && context.backfill.from !== undefined && context.backfill.to >= context.backfill.from,
    tooOften: ({ context }) => context.backfill.failures >= T.CHUNK_TRIES,
  },
  actions: {
    ...kernel.actions,
    enterAuthorizing: assign(() => at('authorizing')),
    enterDisconnected: assign(() => at('disconnected')),
    enterIdle: assign(() => at('connected.idle')),
    enterSyncing: assign(() => at('connected.syncing')),
    enterBackingOff: assign(() => at('connected.backing_off')),
    enterStalled: assign(() => at('connected.stalled')),
    enterPaused: assign(() => at('paused')),
    enterReauth: assign(() => at('reauth_required')),
    startBackfill: enqueueActions(({ enqueue }) => enqueue.raise({ type: 'backfill.start' })),
    stopBackfill: enqueueActions(({ enqueue }) => enqueue.raise({ type: 'backfill.cancel' })),
    noteData: enqueueActions(({ enqueue }) => enqueue.raise({ type: 'data.arrived' })),
    backfillCompleted: assign(({ context }) => endBackfill(context, 'completed')),
    backfillFailed: assign(({ context }) => endBackfill(context, 'failed')),
    backfillCancelled: assign(({ context }) => endBackfill(context, 'cancelled')),
    setIdentity: assign(({ event }) => {
      const e = as(event, 'connect.succeeded');
      return { providerUserId: e.providerUserId, scopes: [...e.scopes], connectedAt: now(), failures: 0, rateUntil: 0, error: undefined };
    }),
    wantConnect: assign(({ event }) => {
      const e = as(event, 'device.connect');
      return { label: e.label, timeZone: e.timeZone, error: undefined };
    }),
    noScopes: assign({ error: 'SCOPES_MISSING' }),
    noConnect: assign({ error: 'CONNECT_FAILED' }),
    noteManual: assign({ lastManualAt: () => now() }),
    beginManual: assign(({ context }) => begun(context, 'manual')),
    beginAuto: assign(({ context }) => begun(context, 'auto')),
    beginRetry: assign(({ context }) => begun(context, 'retry')),
    addPage: assign(({ context, event }) => {
      const { counts, cursor } = good(event);
      const run = context.run;
      return {
        ...withData(context, counts),
        ...(run === undefined ? {} : { run: { ...run, counts: addCounts(run.counts, counts), pages: run.pages + 1, cursor } }),
      };
    }),
    skipObject: assign(({ context: { run } }) =>
      run === undefined ? {} : { run: { ...run, counts: addCounts(run.counts, { ...noCounts, rejected: 1 }) } },
    ),
    succeed: assign({ failures: 0, lastSyncAt: () => now(), error: undefined }),
    /** D3 */
    fail: assign(({ context, event }) => {
      const failures = context.failures + 1;
      const r = (event as unknown as { output?: FetchResult }).output;
      return { failures, backoffMs: T.retryDelayMs(failures, rnd()), error: r !== undefined && !r.ok ? r.code : 'FETCH_FAILED' };
    }),
    /** D4 */
    limit: assign(({ event }) => {
      const wait = T.rateWaitMs(bad(event).retryAfterS);
      return { backoffMs: wait, rateUntil: now() + wait, error: bad(event).code };
    }),
    loseGrant: assign({ error: 'REAUTH_REQUIRED' }),
    closeRun: assign({ run: undefined }),
    /** a run that its connection does not outlive */
    cancelRun: enqueueActions(({ context, enqueue }) => {
      if (context.run === undefined) return;
      enqueue({ type: 'row', params: { into: 'syncs', op: 'put', row: syncRow(context, 'cancelled', now()) } });
      enqueue.assign({ run: undefined });
    }),
    arm: enqueueActions(({ context, enqueue }) => {
      enqueue.cancel('sync');
      enqueue.assign({ nextAt: context.autoSync ? now() + Math.round(T.intervalMs(rnd())) : undefined });
      if (context.autoSync)
        enqueue.raise({ type: 'sync.due' }, { id: 'sync', delay: ({ context: c }) => Math.max(1, (c.nextAt ?? now()) - now()) });
    }),
    disarm: enqueueActions(({ enqueue }) => {
      enqueue.cancel('sync');
      enqueue.assign({ nextAt: undefined });
    }),
    setAuto: assign(({ event }) => ({ autoSync: as(event, 'device.autosync').on })),
    notePause: assign({ pausedBy: () => authority() }),
    clearPause: assign({ pausedBy: undefined }),
    countDelivery: assign(({ context }) => ({ deliveries: context.deliveries + 1 })),
    addIngested: assign(({ context, event }) => withData(context, as(event, 'data.ingested').counts)),
    forget: assign({ scopes: [], nextAt: undefined, run: undefined, error: undefined, pausedBy: undefined }),
    planBackfill: assign(({ context }) => {
      const to = today(context);
      return {
        backfill: {
          state: 'running' as const,
          from: addDays(to, -T.BACKFILL_DAYS + 1),
          to,
          done: 0,
          total: T.BACKFILL_DAYS / T.CHUNK_DAYS,
          failures: 0,
        },
      };
    }),
    nextChunk: assign(({ context: { backfill: b } }) => ({
      backfill: {
        ...b,
        done: b.done + 1,
        failures: 0,
        cursor: undefined,
        ...(b.to === undefined ? {} : { to: addDays(b.to, -T.CHUNK_DAYS) }),
      },
    })),
    addChunk: assign(({ context, event }) => withData(context, good(event).counts)),
    turnPage: assign(({ context: { backfill }, event }) => ({ backfill: { ...backfill, cursor: good(event).cursor } })),
    failChunk: assign(({ context: { backfill: b } }) => ({ backfill: { ...b, failures: b.failures + 1 } })),
    unarm: cancel('sync'),
  },
}).createMachine({
  id: 'device',
  type: 'parallel',
  context: ({ input }) => ({
    id: input.id,
    userId: input.userId ?? '',
    provider: input.provider ?? 'simulator',
    label: input.label ?? '',
    timeZone: input.timeZone ?? 'UTC',
    state: 'disconnected',
    stateSince: 0,
    autoSync: true,
    scopes: [],
    failures: 0,
    backoffMs: 0,
    rateUntil: 0,
    totals: noCounts,
    deliveries: 0,
    backfill: { state: 'none', done: 0, total: 0, failures: 0 },
  }),
  states: {
    conn: {
      initial: 'disconnected',
      states: {
        disconnected: {
          on: {
            'device.connect': { target: 'authorizing', actions: ['wantConnect', { type: 'reply', params: { state: 'authorizing' } }] },
          },
        },
        authorizing: {
          entry: ['enterAuthorizing', told],
          after: { AUTH: { target: 'disconnected', actions: ['noConnect', 'enterDisconnected', told] } },
          on: {
            'device.connect': {
              target: 'authorizing',
              reenter: true,
              actions: ['wantConnect', { type: 'reply', params: { state: 'authorizing' } }],
            },
            'connect.succeeded': [
              {
                guard: 'scopesGiven',
                target: 'connected',
                actions: ['setIdentity', 'startBackfill', { type: 'reply', params: { state: 'connected' } }],
              },
              {
                target: 'disconnected',
                actions: [
                  'noScopes',
                  'enterDisconnected',
                  told,
                  { type: 'reply', params: { state: 'disconnected', error: 'SCOPES_MISSING' } },
                ],
              },
            ],
            'connect.failed': { target: 'disconnected', actions: ['noConnect', 'enterDisconnected', told, nothing] },
            'device.disconnect': {
              target: 'disconnected',
              actions: ['enterDisconnected', told, { type: 'reply', params: { state: 'disconnected' } }],
            },
          },
        },
        connected: {
          initial: 'idle',
          on: {
            'webhook.received': { actions: ['countDelivery', { type: 'job', params: ingestJob }, nothing] },
            'data.ingested': {
              actions: ['addIngested', 'noteData', { type: 'row', params: deliveryRow }, told, nothing],
            },
            'provider.deauthorized': { target: 'reauth_required', actions: ['loseGrant', nothing] },
            'device.pause': { target: 'paused', actions: ['notePause', { type: 'reply', params: { state: 'paused' } }] },
            'device.disconnect': { target: 'leaving', actions: [{ type: 'reply', params: { state: 'disconnected' } }] },
          },
          states: {
            idle: {
              entry: ['arm', 'enterIdle', told, saveDevice],
              on: {
                'sync.due': { guard: 'autoSync', target: 'syncing', actions: 'beginAuto' },
                'device.sync': [
                  {
                    guard: and(['rested', 'unlimited']),
                    target: 'syncing',
                    actions: ['noteManual', 'beginManual', { type: 'reply', params: started }],
                  },
                  { actions: { type: 'reject', params: tooSoon } },
                ],
                'device.autosync': { target: 'idle', reenter: true, actions: ['setAuto', { type: 'reply', params: auto }] },
              },
            },
            syncing: {
              entry: ['enterSyncing', told, saveRun('running')],
              initial: 'fetching',
              after: {
                RUN: [
                  { guard: 'lastChance', target: 'stalled', actions: ['fail', saveRun('failed')] },
                  { target: 'backing_off', actions: ['fail', saveRun('failed')] },
                ],
              },
              on: { 'device.sync': { actions: { type: 'reject', params: inProgress } } },
              states: {
                fetching: {
                  invoke: {
                    id: 'page',
                    src: 'fetchPage',
                    input: ({ context }) =>
                      fetchInput(context, {
                        from: context.run?.from ?? today(context),
                        to: context.run?.to ?? today(context),
                        cursor: context.run?.cursor,
                      }),
                    onDone: [
                      { guard: 'more', target: 'fetching', reenter: true, actions: 'addPage' },
                      {
                        guard: 'done',
                        target: '#device.conn.connected.idle',
                        actions: ['addPage', 'succeed', 'noteData', saveRun('succeeded'), { type: 'job', params: syncedJob }, 'closeRun'],
                      },
                      { guard: 'refused', target: '#device.conn.reauth_required', actions: ['loseGrant', saveRun('failed'), 'closeRun'] },
                      {
                        guard: 'rateLimited',
                        target: '#device.conn.connected.backing_off',
                        actions: ['limit', saveRun('failed'), 'closeRun'],
                      },
                      {
                        guard: 'skipped',
                        target: '#device.conn.connected.idle',
                        actions: ['skipObject', 'succeed', saveRun('partial'), 'closeRun'],
                      },
                      { guard: 'lastChance', target: '#device.conn.connected.stalled', actions: ['fail', saveRun('failed'), 'closeRun'] },
                      { target: '#device.conn.connected.backing_off', actions: ['fail', saveRun('failed'), 'closeRun'] },
                    ],
                    onError: [
                      { guard: 'lastChance', target: '#device.conn.connected.stalled', actions: ['fail', saveRun('failed'), 'closeRun'] },
                      { target: '#device.conn.connected.backing_off', actions: ['fail', saveRun('failed'), 'closeRun'] },
                    ],
                  },
                },
              },
            },
            backing_off: {
              entry: ['disarm', 'closeRun', 'enterBackingOff', told],
              after: { BACKOFF: { target: 'syncing', actions: 'beginRetry' } },
              on: {
                'device.sync': [
                  { guard: 'unlimited', target: 'syncing', actions: ['noteManual', 'beginManual', { type: 'reply', params: started }] },
                  { actions: { type: 'reject', params: tooSoon } },
                ],
              },
            },
            stalled: {
              entry: ['disarm', 'closeRun', 'enterStalled', told],
              after: { PROBE: { target: 'syncing', actions: 'beginRetry' } },
              on: { 'device.sync': { target: 'syncing', actions: ['noteManual', 'beginManual', { type: 'reply', params: started }] } },
            },
          },
        },
        paused: {
          entry: ['disarm', 'cancelRun', 'enterPaused', told, saveDevice],
          on: {
            'device.resume': [
              {
                guard: 'mayResume',
                target: 'connected.idle',
                actions: ['clearPause', 'unarm', { type: 'reply', params: { state: 'connected.idle' } }],
              },
              { actions: { type: 'reject', params: { code: 'FORBIDDEN', detail: 'paused by an administrator' } } },
            ],
            'webhook.received': { actions: ['countDelivery', { type: 'job', params: ingestJob }, nothing] },
            'data.ingested': { actions: ['addIngested', 'noteData', { type: 'row', params: deliveryRow }, nothing] },
            'provider.deauthorized': { target: 'reauth_required', actions: ['loseGrant', 'clearPause', nothing] },
            'device.disconnect': { target: 'leaving', actions: [{ type: 'reply', params: { state: 'disconnected' } }] },
          },
        },
        reauth_required: {
          entry: ['disarm', 'cancelRun', 'enterReauth', told, saveDevice],
          on: {
            'device.connect': { target: 'authorizing', actions: ['wantConnect', { type: 'reply', params: { state: 'authorizing' } }] },
            'webhook.received': { actions: ['countDelivery', { type: 'job', params: ingestJob }, nothing] },
            'data.ingested': { actions: ['addIngested', 'noteData', { type: 'row', params: deliveryRow }, nothing] },
            'device.disconnect': { target: 'leaving', actions: [{ type: 'reply', params: { state: 'disconnected' } }] },
          },
        },
        leaving: {
          entry: ['disarm', 'cancelRun', 'forget', 'stopBackfill', 'enterDisconnected', told, saveDevice],
          invoke: {
            id: 'leave',
            src: 'deregister',
            input: ({ context }) => ({ deviceId: context.id, provider: context.provider, providerUserId: context.providerUserId ?? '' }),
            onDone: 'disconnected',
            onError: 'disconnected',
          },
          on: {
            'device.connect': { target: 'authorizing', actions: ['wantConnect', { type: 'reply', params: { state: 'authorizing' } }] },
          },
        },
      },
    },
    backfill: {
      initial: 'none',
      on: { 'backfill.cancel': { target: '.none', actions: 'backfillCancelled' } },
      states: {
        none: { on: { 'backfill.start': { target: 'running', actions: 'planBackfill' } } },
        running: {
          on: { 'backfill.start': { target: 'running', reenter: true, actions: 'planBackfill' } },
          invoke: {
            id: 'chunk',
            src: 'fetchPage',
            input: ({ context: c }) => {
              const to = c.backfill.to ?? today(c);
              const start = addDays(to, -T.CHUNK_DAYS + 1);
              const oldest = c.backfill.from ?? start;
              return fetchInput(c, { from: start < oldest ? oldest : start, to, cursor: c.backfill.cursor });
            },
            onDone: [
              { guard: 'more', target: 'running', reenter: true, actions: ['addChunk', 'turnPage', 'noteData'] },
              { guard: 'done', target: 'checking', actions: ['addChunk', 'noteData', 'nextChunk'] },
              { target: 'waiting', actions: 'failChunk' },
            ],
            onError: { target: 'waiting', actions: 'failChunk' },
          },
        },
        waiting: {
          always: {
            guard: 'tooOften',
            target: 'none',
            actions: ['backfillFailed', told],
          },
          after: { CHUNK_RETRY: 'running' },
        },
        checking: {
          always: [
            { guard: 'backfillLeft', target: 'running', actions: told },
            {
              target: 'none',
              actions: ['backfillCompleted', told],
            },
          ],
        },
      },
    },
    freshness: {
      initial: 'unknown',
      states: {
        unknown: { on: { 'data.arrived': 'fresh' } },
        fresh: { after: { QUIET: 'quiet' }, on: { 'data.arrived': { target: 'fresh', reenter: true } } },
        quiet: { on: { 'data.arrived': 'fresh' } },
      },
    },
  },
});
