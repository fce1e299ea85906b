/** What the suites of the journal store share: events and batches in short, and one test over every store. */
import type { ExecutionContext, TestFn } from 'ava';
import { planBatch } from '../../actors/companion.ts';
import type { RowOp } from '../../actors/define.ts';
import { StoreError } from '../../actors/store/store.ts';
import type { Batch, EventRows, JournalStore, Lane, OutboxRow } from '../../actors/store/store.ts';
import type { ActorState, Json } from '../../actors/types.ts';
import { embeddedUnderTest, memoryUnderTest, postgresUnderTest, registry } from './stores.ts';
import type { StoreUnderTest } from './stores.ts';

export const actor = (n: number): string => `${String(n % 10)}0000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
export const slot = (n: number): number => Number.parseInt(actor(n).slice(0, 3), 16) >> 2;
let cids = 0;
export const cid = (): string => `90000000000000${String(++cids).padStart(4, '0')}`;

export type Change = [into: string, op: RowOp, row: { [column: string]: Json }];

export type More = Omit<Partial<EventRows>, 'journal'> & { journal?: Partial<EventRows['journal']> };

export function event(n: number, seq: number, changes: Change[] = [], more: More = {}): EventRows {
  const { journal, ...rest } = more;
  return {
    journal: {
      actorId: actor(n),
      seq,
      at: 1_000 + seq,
      type: 'x.done',
      event: `{"n":${n}}`,
      patch: `{"c":{"set":[["n",${seq}]]}}`,
      reply: null,
      idem: null,
      mver: 1,
      meta: null,
      ...journal,
    },
    kind: 'room',
    ...(seq === 1 ? { born: { actorId: actor(n), kind: 'room', id: `r${n}`, slot: slot(n), mver: 1 } } : {}),
    timers: [],
    outbox: [],
    outboxDone: [],
    companions: changes.map(([into, op, row], i) => ({ into, op, n: i + 1, row })),
    ...rest,
  };
}

export const plan = (events: EventRows[], id = cid()): Batch => {
  const { batch, take } = planBatch(events, registry, id);
  if (take < events.length) throw new Error(`the batch was cut after ${take}`);
  return batch;
};

/** What became of a commit, in a form that stores can be compared by. */
export async function outcome(lane: Lane, batch: Batch): Promise<unknown> {
  try {
    await lane.commit(batch);
    return 'ok';
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return [error.failure, error.companion ?? null, error.rows];
  }
}

/** Key order carries no meaning in jsonb. */
const canonical = (_: string, v: unknown): unknown =>
  typeof v === 'object' && v !== null && !Array.isArray(v) ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1))) : v;
export const byText = (rows: readonly object[]): string[] => rows.map((row) => JSON.stringify(row, canonical)).toSorted();
export const hold = (claim: number, place: number, state = 'held'): Change => [
  'claims',
  'insert',
  { claim_id: claim, place, during: null, state },
];
export const release = (claim: number): Change => ['claims', 'update', { claim_id: claim, state: 'released' }];
export const claimed = async (s: StoreUnderTest) =>
  ((await s.rows('test_claims')) as { claim_id: number; place: number; state: string; actor_seq: number }[])
    .map((r) => [r.claim_id, r.place, r.state, r.actor_seq])
    .toSorted((a, b) => Number(a[0]) - Number(b[0]));

export const state = (value: string): ActorState => ({ value, status: 'active', context: {}, timers: {}, calls: {}, logs: {} });

export function tell(n: number, seq: number, k: number, payload = '{}', nextAt = 5): OutboxRow {
  return { actorId: actor(n), seq, n: k, slot: slot(n), op: 'tell', target: 'room:other', payload, nextAt };
}

type Body = (t: ExecutionContext, s: StoreUnderTest, store: JournalStore, lane: Lane) => Promise<void>;

/** The stores of this machine, closed after the file, and `each`: the same test over every store, emptied for each, one after the other. */
export async function openStores(test: TestFn): Promise<{
  readonly stores: readonly StoreUnderTest[];
  readonly embedded: StoreUnderTest;
  readonly each: (title: string, body: Body) => void;
}> {
  const embedded = await embeddedUnderTest();
  const postgres = await postgresUnderTest();
  const stores: StoreUnderTest[] = [memoryUnderTest(), embedded, ...('skip' in postgres ? [] : [postgres])];
  test.after.always(async () => {
    for (const store of stores) await store.close();
  });
  if ('skip' in postgres) test.skip(`the suite over Postgres (${postgres.skip})`, () => undefined);
  const each = (title: string, body: Body): void => {
    test.serial(title, async (t) => {
      for (const s of stores) {
        const store = await s.fresh();
        const lane = await store.openLane(0);
        try {
          await body(t, s, store, lane);
        } catch (error) {
          t.log(`over ${s.name}`);
          throw error;
        } finally {
          await lane.close();
        }
      }
    });
  };
  return { stores, embedded, each };
}
