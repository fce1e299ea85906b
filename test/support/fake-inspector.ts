/** What the inspector's pages are answered by the fake studio. */

const definition = {
  id: 'booking',
  key: 'booking',
  type: 'parallel',
  states: {
    life: {
      id: 'booking.life',
      key: 'life',
      type: 'compound',
      initial: 'acquiring',
      states: {
        acquiring: {
          id: 'booking.life.acquiring',
          key: 'acquiring',
          type: 'atomic',
          on: {
            'claim.held': [{ target: ['booking.life.confirmed'] }],
            'xstate.after.ACQUIRE_MS.booking.life.acquiring': [{ target: ['booking.life.releasing'] }],
          },
        },
        confirmed: {
          id: 'booking.life.confirmed',
          key: 'confirmed',
          type: 'compound',
          initial: 'upcoming',
          states: {
            upcoming: {
              id: 'booking.life.confirmed.upcoming',
              key: 'upcoming',
              type: 'atomic',
              on: {
                'booking.cancel': [{ target: ['booking.life.cancelling'], guard: 'policyAllows' }],
                'booking.reschedule': [{ target: ['booking.life.rescheduling'], guard: 'isHolder' }],
              },
            },
            started: { id: 'booking.life.confirmed.started', key: 'started', type: 'atomic' },
          },
        },
        cancelled: { id: 'booking.life.cancelled', key: 'cancelled', type: 'atomic', tags: ['terminal'] },
      },
    },
    payment: {
      id: 'booking.payment',
      key: 'payment',
      type: 'compound',
      initial: 'none',
      states: {
        none: { id: 'booking.payment.none', key: 'none', type: 'atomic' },
        due: { id: 'booking.payment.due', key: 'due', type: 'atomic' },
      },
    },
  },
};

/** Three nodes: one in health, one that roams, one that does not answer; two slots are nobody's. */
function cluster(now: number): object {
  const load = { hot: 812, warm: 12_040, bytes: 90_000_000, inflight: 3, queueAgeMs: 1, longestMailbox: 2, outboxPending: 0 };
  const rest = { lanes: [{ uncommitted: 1, troubledMs: 0 }], timersPending: 4, conflicts: 0, inDoubt: 0, leaseLeftMs: 3_900 };
  const node = (n: number, answer: object | null): object => ({
    id: `0002f6447f49948${n}`,
    self: n === 1,
    address: `node${n}.studio.internal:3000`,
    started: new Date(now - n * 3_600_000).toISOString(),
    build: 41,
    versions: { booking: 1 },
    weight: n === 2 ? 50 : 100,
    database: true,
    clock: true,
    slots: 341,
    load: answer,
  });
  const nodes = [node(1, { ...load, ...rest, roaming: false }), node(2, { ...load, ...rest, conflicts: 2, roaming: true }), node(3, null)];
  const gone = [
    { id: '0002f6447f499480', address: 'node0.studio.internal:3000', build: 41, at: new Date(now - 90_000).toISOString(), orderly: false },
  ];
  return { mode: 'cluster', version: '0.1.0', nodes, gone, slots: Array.from({ length: 1_024 }, (_, i) => (i < 2 ? [-1, 0] : [i % 3, 4])) };
}

/** Replies of the inspector's routes for one invented booking. */
export function fakeInspector(path: string): unknown {
  const now = Date.now();
  const row = (n: number): object => ({
    ref:
      n === 1 ? 'booking:62efb25c-c5ad-55a4-8c65-25094e6f9fa7' : `${n % 3 === 0 ? 'device' : 'user'}:0193503c-a6fb-7005-bfff-${1_000 + n}`,
    kind: n === 1 ? 'booking' : n % 3 === 0 ? 'device' : 'user',
    id: n === 1 ? '62efb25c-c5ad-55a4-8c65-25094e6f9fa7' : `0193503c-a6fb-7005-bfff-${1_000 + n}`,
    status: n === 7 ? 'quarantined' : 'active',
    state:
      n === 1
        ? 'life.confirmed.upcoming|payment.none'
        : n % 3 === 0
          ? 'conn.connected.idle|freshness.fresh'
          : 'scoring.fresh|account.active',
    mver: 1,
    lastSeq: 4 * n,
    lastAt: new Date(now - n * n * 9_000).toISOString(),
    createdAt: new Date(now - 86_400_000).toISOString(),
  });
  if (['/v1/admin/pauses', '/v1/admin/dead', '/v1/admin/audit'].includes(path)) return { items: [] };
  if (path === '/v1/admin/cluster') return cluster(now);
  if (path.endsWith('/journal')) {
    const names = ['claim.confirmed', 'booking.reschedule', 'claim.held', 'booking.request'];
    const items = names.map((type, i) => ({
      seq: 4 - i,
      at: new Date(now - 9_000 * (i + 1)).toISOString(),
      type,
      event: { type, resourceId: 'garden' },
      patch: { v: { life: { confirmed: 'upcoming' } }, c: { start: now + 7_200_000 } },
      reply: i % 2 === 0 ? null : { state: 'confirmed' },
      mver: 1,
      meta: { from: i % 2 === 0 ? 'actor:resource:garden' : 'user:mara' },
    }));
    return { items };
  }
  if (path.includes('/machines/')) return { kind: 'booking', version: 1, hash: 'abc', commands: ['booking.cancel'], definition };
  if (path === '/v1/admin/machines') return { items: [{ kind: 'booking' }, { kind: 'resource' }, { kind: 'user' }] };
  if (path === '/v1/admin/actors') return { items: Array.from({ length: 14 }, (_, i) => row(i + 1)), nextCursor: 'x' };
  return {
    ...row(1),
    seq: 4,
    value: { life: { confirmed: 'upcoming' }, payment: 'none' },
    context: {
      resourceId: 'garden',
      customerRef: 'user:mara',
      start: now + 7_200_000,
      end: now + 10_800_000,
      participants: [{ role: 'primary', unit: 0 }],
      notes: '',
      rescheduleCount: 1,
      policySnapshot: { version: 3, freeUntilMin: 1_440 },
    },
    timers: { start: { type: 'xstate.after.START.booking.life', due: new Date(now + 7_200_000).toISOString(), seq: 4 } },
    calls: {},
    logs: {},
    slot: 417,
    node: '0002f6447f499481',
    temperature: 'hot',
    mailbox: 0,
    outbox: 0,
    faults: 0,
  };
}
