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
    temperature: 'hot',
    mailbox: 0,
    outbox: 0,
    faults: 0,
  };
}
