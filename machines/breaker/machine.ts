/**
 * A circuit breaker (readings 4.3): the state of one dependency as all nodes together see it. Each node decides about its own calls at once
 * (server/outgoing/circuit.ts) and reports here what became of them.
 *
 * Invariants: C1 `until` is set exactly in open and forced_closed · C2 only an operator ends `isolated` · C3 half_open closes after `probes`
 * successes in a row and opens with the first failure · C4 an opening waits `openMs * 2^(openings - 1)`, at most `mostMs`, spread by `jitter` ·
 * C5 subscribers hear of each time that calls are stopped, and of each time that they flow again, once.
 */
import { assign, enqueueActions, setup } from 'xstate';
import { kernel } from '../../actors/define.ts';
import { from, now, rnd } from '../../actors/scope.ts';
import { counted, totalOf, trips, waitMs } from '../../calc/breaker/window.ts';
import { ruleSets } from './rules.ts';
import type { RuleSet } from './rules.ts';
import type { BreakerContext, BreakerEvent, BreakerState, Change, Probe, Reported } from './schema.ts';

/** the breaker is off for at most so long */
const FORCED_MS = 3_600_000;
const MOST_SUBSCRIBERS = 100;

interface Given {
  readonly context: BreakerContext;
  readonly event: unknown;
}

const rulesOf = (c: BreakerContext) => ruleSets[c.rules];
const report = (event: unknown): Reported => event as Reported;
const probe = (event: unknown): Probe => event as Probe;

const withReport = (c: BreakerContext, r: Reported): Pick<BreakerContext, 'buckets' | 'streak'> => ({
  buckets: counted(c.buckets, rulesOf(c), now(), { calls: r.calls, failures: r.failures, slow: r.slow }),
  streak: r.broken ? r.streak : c.streak + r.streak,
});

const quiet = { buckets: {}, streak: 0, probes: 0 } as const;
/** Of every change of state. */
const fresh = (c: BreakerContext) => ({ ...quiet, rev: c.rev + 1 });

/** The answer to every report and command: how the circuit stands then. */
const standing = (state: BreakerState) => ({
  type: 'reply' as const,
  params: ({ context: { until, openings, rev } }: Given) => ({ state, ...(until === undefined ? {} : { until }), openings, rev }),
});

const changed = (state: BreakerState, why: Change['why']) => ({
  type: 'publish' as const,
  params: ({ context: { name, until, openings, rev } }: Given) => ({
    view: 'changes',
    item: {
      at: now(),
      name,
      state,
      ...(until === undefined ? {} : { until }),
      openings,
      rev,
      why,
      ...(why === 'operator' ? { by: from().id } : {}),
    } satisfies Change,
  }),
});

const tells = { opened: ['tellOpened'], closed: ['tellClosed'], nobody: [] } as const;
type Tells = keyof typeof tells;

const isolate = (told: Tells) =>
  ({ target: 'isolated', actions: ['isolate', changed('isolated', 'operator'), ...tells[told], standing('isolated')] }) as const;
const reset = (told: Tells) =>
  ({ target: 'closed', actions: ['close', changed('closed', 'operator'), ...tells[told], standing('closed')] }) as const;
const force = (told: Tells) =>
  ({
    target: 'forced_closed',
    reenter: true,
    actions: ['force', changed('forced_closed', 'operator'), ...tells[told], standing('forced_closed')],
  }) as const;

const closing = ['close', changed('closed', 'healthy'), 'tellClosed', standing('closed')] as const;
const reopening = ['open', changed('open', 'probe failed'), standing('open')] as const;

const late = (state: BreakerState) => ({ actions: standing(state) });

export const breakerMachine = setup({
  types: {
    context: {} as BreakerContext,
    events: {} as BreakerEvent,
    /** only the id is sure: the definition check has no command at hand */
    input: {} as { id: string; name?: string; rules?: RuleSet },
  },
  delays: { WAIT: ({ context }) => Math.max(1, (context.until ?? 0) - now()) },
  guards: {
    trips: ({ context, event }) => {
      const r = report(event);
      const { buckets, streak } = withReport(context, r);
      return r.tripped || trips(rulesOf(context), totalOf(buckets, rulesOf(context), now()), streak);
    },
    tripped: ({ event }) => report(event).tripped,
    /** calls of a node that has no open circuit any more */
    works: ({ event }) => report(event).calls > 0 && report(event).failures === 0,
    isHealthCheck: ({ event }) => probe(event).of === null,
    /** a node's wait was over before ours */
    isEarly: ({ context, event }) => probe(event).of === context.rev,
    isEarlyAndLast: ({ context, event }) => probe(event).of === context.rev && rulesOf(context).probes === 1,
    lastProbe: ({ context }) => context.probes + 1 >= rulesOf(context).probes,
    mayListen: ({ context }) => context.subscribers[from().id] === true || Object.keys(context.subscribers).length < MOST_SUBSCRIBERS,
  },
  actions: {
    ...kernel.actions,
    count: assign(({ context, event }) => withReport(context, report(event))),
    /** C4 */
    open: assign(({ context: c }) => {
      const calm = c.closedAt !== undefined && now() - c.closedAt >= rulesOf(c).calmMs;
      const openings = calm ? 1 : c.openings + 1;
      return { ...fresh(c), openings, closedAt: undefined, until: now() + waitMs(rulesOf(c), openings, rnd()) };
    }),
    close: assign(({ context }) => ({ ...fresh(context), until: undefined, closedAt: now() })),
    tryOut: assign(({ context }) => ({ ...fresh(context), until: undefined })),
    countProbe: assign(({ context }) => ({ probes: context.probes + 1 })),
    isolate: assign(({ context }) => ({ ...fresh(context), until: undefined, closedAt: undefined })),
    force: assign(({ context }) => ({ ...fresh(context), until: now() + FORCED_MS })),
    subscribe: assign(({ context }) => ({ subscribers: { ...context.subscribers, [from().id]: true as const } })),
    unsubscribe: assign(({ context }) => ({
      subscribers: Object.fromEntries(Object.entries(context.subscribers).filter(([ref]) => ref !== from().id)),
    })),
    tellOpened: enqueueActions(({ context: { name, until, subscribers }, enqueue }) => {
      const payload = { name, ...(until === undefined ? {} : { until }) };
      for (const to of Object.keys(subscribers)) enqueue({ type: 'tell', params: { to, type: 'breaker.opened', payload } });
    }),
    tellClosed: enqueueActions(({ context: { name, subscribers }, enqueue }) => {
      for (const to of Object.keys(subscribers)) enqueue({ type: 'tell', params: { to, type: 'breaker.closed', payload: { name } } });
    }),
  },
}).createMachine({
  id: 'breaker',
  initial: 'closed',
  context: ({ input }) => ({
    ...quiet,
    name: input.name ?? '',
    rules: input.rules ?? 'remote',
    openings: 0,
    rev: 0,
    subscribers: {},
  }),
  on: {
    'breaker.subscribe': [
      { guard: 'mayListen', actions: ['subscribe', { type: 'reply', params: null }] },
      { actions: { type: 'reject', params: { code: 'TOO_MANY_SUBSCRIBERS' } } },
    ],
    'breaker.unsubscribe': { actions: ['unsubscribe', { type: 'reply', params: null }] },
  },
  states: {
    closed: {
      meta: { resting: 'until the dependency fails' },
      on: {
        'calls.reported': [
          { guard: 'trips', target: 'open', actions: ['open', changed('open', 'failures'), 'tellOpened', standing('open')] },
          { actions: ['count', standing('closed')] },
        ],
        'probe.succeeded': late('closed'),
        'probe.failed': late('closed'),
        'breaker.isolate': isolate('opened'),
        'breaker.reset': { actions: ['close', standing('closed')] },
        'breaker.force': force('nobody'),
      },
    },
    open: {
      after: { WAIT: { target: 'half_open', actions: ['tryOut', changed('half_open', 'wait is over')] } },
      on: {
        'calls.reported': late('open'),
        'probe.succeeded': [
          { guard: 'isHealthCheck', target: 'half_open', actions: ['tryOut', changed('half_open', 'healthy'), standing('half_open')] },
          { guard: 'isEarlyAndLast', target: 'closed', actions: closing },
          {
            guard: 'isEarly',
            target: 'half_open',
            actions: ['tryOut', 'countProbe', changed('half_open', 'wait is over'), standing('half_open')],
          },
          late('open'),
        ],
        'probe.failed': [{ guard: 'isEarly', target: 'open', reenter: true, actions: reopening }, late('open')],
        'breaker.isolate': isolate('nobody'),
        'breaker.reset': reset('closed'),
        'breaker.force': force('closed'),
      },
    },
    half_open: {
      meta: { resting: 'until somebody calls: the next calls are the probes' },
      on: {
        'calls.reported': [
          { guard: 'tripped', target: 'open', actions: ['open', changed('open', 'failures'), standing('open')] },
          { guard: 'works', target: 'closed', actions: closing },
          late('half_open'),
        ],
        'probe.succeeded': [{ guard: 'lastProbe', target: 'closed', actions: closing }, { actions: ['countProbe', standing('half_open')] }],
        'probe.failed': { target: 'open', actions: reopening },
        'breaker.isolate': isolate('nobody'),
        'breaker.reset': reset('closed'),
        'breaker.force': force('closed'),
      },
    },
    isolated: {
      meta: { resting: 'until an operator decides' },
      on: {
        'calls.reported': late('isolated'),
        'probe.succeeded': late('isolated'),
        'probe.failed': late('isolated'),
        'breaker.isolate': late('isolated'),
        'breaker.reset': reset('closed'),
        'breaker.force': force('closed'),
      },
    },
    forced_closed: {
      after: { WAIT: { target: 'closed', actions: ['close', changed('closed', 'time is over')] } },
      on: {
        'calls.reported': late('forced_closed'),
        'probe.succeeded': late('forced_closed'),
        'probe.failed': late('forced_closed'),
        'breaker.isolate': isolate('opened'),
        'breaker.reset': reset('nobody'),
        'breaker.force': force('nobody'),
      },
    },
  },
});
