import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import test from 'ava';
import * as fc from 'fast-check';
import type { ActorSystem, CommandInput } from '../../actors/system.ts';
import { createIngest } from '../../server/biosync/ingest.ts';
import { storeRaw } from '../../server/biosync/raw.ts';
import { computeScores } from '../../server/biosync/scores.ts';
import { standardProvider } from '../../server/biosync/standard.ts';
import { openDatabase } from '../../server/db/database.ts';
import type { Database } from '../../server/db/database.ts';
import { FakeClock } from '../support/clock.ts';
import { embeddedDir } from '../support/embedded.ts';
import { KeptLog } from '../support/kernel.ts';

let dir: string;
let database: Database;
test.before(async () => {
  dir = await embeddedDir();
  database = await openDatabase({ dataDir: dir }, new KeptLog());
});
test.after.always(async () => {
  await database.close();
  await rm(dir, { recursive: true, force: true });
});

const NOW = Date.UTC(2026, 10, 21, 12);
const providers = new Map([['standard', standardProvider(['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'])]]);

function person() {
  const told: { ref: string; command: CommandInput; key: string }[] = [];
  const actors = {
    ask: async (ref: string, command: CommandInput, { key }: { key: string }) => {
      told.push({ ref, command, key });
      return { ok: true, seq: 1, reply: null };
    },
  } as unknown as ActorSystem;
  const clock = new FakeClock(NOW);
  const ingest = createIngest({ knex: database.knex, clock, providers, actors: () => actors });
  const userId = randomUUID();
  const deviceId = randomUUID();
  const deliver = async (records: readonly object[], at = NOW) => {
    const payload = { version: 1, user: 'u', source: { name: 'Ring', type: 'ring', brand: 'x' }, records };
    const ids = await storeRaw(database.knex, {
      newId: randomUUID,
      userId,
      deviceId,
      provider: 'standard',
      key: randomUUID(),
      now: at,
      payloads: [payload],
    });
    return { counts: await ingest.run(ids, true), ids };
  };
  const rows = async (table: string): Promise<unknown[]> =>
    (
      await database.knex.raw(
        `select to_jsonb(t) - 'rev' - 'raw_id' - 'user_id' - 'source_id' as row from ${table} t where user_id = ? order by record_key`,
        [userId],
      )
    ).rows.map((r: { row: unknown }) => r.row);
  const daily = async (): Promise<unknown[]> =>
    (await database.knex.raw('select local_day, metric, value from daily_metrics where user_id = ? order by 1, 2', [userId])).rows;
  return { userId, deviceId, deliver, rows, daily, told, ingest };
}

const rhr = (value: number, time: string, state: 'final' | 'tentative' = 'final') => ({
  type: 'daily',
  metric: 'resting_heart_rate',
  day: '2026-11-20',
  value,
  updatedAt: `2026-11-20T${time}:00Z`,
  state,
});

test('four versions of a value are inserted, updated, stale and duplicate (A34)', async (t) => {
  const p = person();
  const outcomes = [];
  for (const [value, time] of [
    [52, '07:00'],
    [53, '08:00'],
    [51, '07:30'],
    [53, '08:00'],
  ] as const)
    outcomes.push(
      (await p.deliver([rhr(value, time), { type: 'sample', metric: 'weight', ts: `2026-11-19T0${outcomes.length}:00:00Z`, value: 70 }]))
        .counts,
    );
  t.deepEqual(
    outcomes.map((c) => [c.inserted - 1, c.updated, c.stale, c.duplicate]),
    [
      [1, 0, 0, 0],
      [0, 1, 0, 0],
      [0, 0, 1, 0],
      [0, 0, 0, 1],
    ],
  );
  const [row] = (await database.knex.raw('select value, rev from daily_summaries where user_id = ?', [p.userId])).rows;
  t.deepEqual(row, { value: 53, rev: 1 });
});

test('doing it twice changes nothing and tells nobody twice', async (t) => {
  const p = person();
  const { ids } = await p.deliver([rhr(52, '07:00')]);
  t.deepEqual(
    p.told.map((m) => m.command.type),
    ['data.committed', 'data.ingested'],
  );
  const before = await p.rows('daily_summaries');
  t.deepEqual((await p.ingest.run(ids, true)).inserted, 1, 'the outcome of the first time');
  t.is(p.told.length, 2);
  // the same content again under a new delivery: nothing new, so the user is not told
  await p.deliver([rhr(52, '07:00')], NOW + 60_000);
  t.deepEqual(await p.rows('daily_summaries'), before);
  t.is(p.told.filter((m) => m.command.type === 'data.committed').length, 1);
});

test('content A, B, A ends in A when the provider gives no version of its own (A70)', async (t) => {
  const p = person();
  const steps = (value: number) => [{ type: 'daily', metric: 'steps', day: '2026-11-20', value }];
  await p.deliver(steps(8_000), NOW);
  await p.deliver(steps(7_900), NOW + 60_000);
  await p.deliver(steps(8_000), NOW + 120_000);
  t.deepEqual(await p.daily(), [{ local_day: '2026-11-20', metric: 'steps', value: 8_000 }]);
  const raw = (await database.knex.raw('select times_received from metrics_raw where user_id = ? order by received_at', [p.userId])).rows;
  t.deepEqual(raw, [{ times_received: 2 }, { times_received: 1 }]);
});

test('a deleted night leaves a tombstone, its day loses the values (A36)', async (t) => {
  const p = person();
  const night = {
    type: 'sleep',
    id: 'n',
    start: '2026-11-19T22:00:00Z',
    end: '2026-11-20T06:00:00Z',
    totalSleepS: 27_000,
    hrvRmssdMs: 48,
    updatedAt: '2026-11-20T07:00:00Z',
  };
  await p.deliver([night]);
  t.true((await p.daily()).length > 2);
  await p.deliver([{ type: 'delete', of: 'sleep', id: 'n', updatedAt: '2026-11-20T09:00:00Z' }]);
  t.deepEqual(await p.daily(), []);
  t.like((await p.rows('sleep_sessions'))[0]!, { deleted: true });
  await p.deliver([{ ...night, updatedAt: '2026-11-20T10:00:00Z' }]);
  t.true((await p.daily()).length > 2, 'a higher version revives it');
});

const hour = (h: number): string => `2026-11-20T${String(h).padStart(2, '0')}:00:00Z`;
const version = fc.record({
  record: fc.integer({ min: 0, max: 3 }),
  at: fc.integer({ min: 7, max: 10 }),
  state: fc.constantFrom('final' as const, 'tentative' as const),
  what: fc.constantFrom('night', 'value', 'sample', 'deletion'),
  v: fc.integer({ min: 45, max: 49 }),
});
const recordOf = (x: { record: number; at: number; state: 'final' | 'tentative'; what: string; v: number }): object => {
  const meta = { updatedAt: hour(x.at), state: x.state };
  const day = `2026-11-1${x.record}`;
  if (x.what === 'deletion') return { type: 'delete', of: 'sleep', id: `n${x.record}`, updatedAt: hour(x.at) };
  if (x.what === 'value') return { type: 'daily', metric: 'resting_heart_rate', day, value: x.v, ...meta };
  if (x.what === 'sample') return { type: 'sample', metric: 'heart_rate', ts: `${day}T03:00:00Z`, value: x.v, ...meta };
  // the night may move by a day from version to version
  return { type: 'sleep', id: `n${x.record}`, start: `${day}T00:00:00Z`, end: `${day}T0${x.v - 41}:00:00Z`, hrvRmssdMs: x.v, ...meta };
};

test('any order and repetition of deliveries gives the same rows and the same days (A37, property)', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(version, { minLength: 1, maxLength: 14 }), fc.infiniteStream(fc.nat()), async (versions, stream) => {
      const draw = (): number => stream.next().value as number;
      const records = versions.map(recordOf);
      const [a, b] = [person(), person()];
      await a.deliver(records);
      const shuffled = [...records, ...records.filter(() => draw() % 3 === 0)].map((r) => [draw(), r] as const).sort((x, y) => x[0] - y[0]);
      for (const [, r] of shuffled) await b.deliver([r]);
      for (const table of ['sleep_sessions', 'daily_summaries', 'metrics_normalized'])
        t.deepEqual(await b.rows(table), await a.rows(table));
      t.deepEqual(await b.daily(), await a.daily());
    }),
    { numRuns: 8 },
  );
});

test('scores are written once, keep their revision while nothing moves, and keep their history when it does', async (t) => {
  const p = person();
  const days = Array.from({ length: 30 }, (_, i) => new Date(Date.UTC(2026, 9, 22 + i)).toISOString().slice(0, 10));
  const records = days.flatMap((day, i) => [
    {
      type: 'sleep',
      id: day,
      start: `${day}T00:00:00Z`,
      end: `${day}T08:00:00Z`,
      totalSleepS: 25_200 + i * 60,
      hrvRmssdMs: 45 + (i % 5),
      updatedAt: `${day}T09:00:00Z`,
    },
    { type: 'daily', metric: 'resting_heart_rate', day, value: 52 + (i % 3), updatedAt: `${day}T09:00:00Z` },
    { type: 'daily', metric: 'moderate_min', day, value: 30, updatedAt: `${day}T09:00:00Z` },
  ]);
  await p.deliver(records);
  const input = { userId: p.userId, timeZone: 'UTC', from: days[0]!, to: days.at(-1)! };
  const first = await computeScores(database.knex, input, NOW);
  t.is(first.results.at(-1)?.score.status, 'ok');
  t.deepEqual(first.results.at(-1)?.score.missing, [{ component: 'mood', reason: 'not_logged' }]);
  const again = await computeScores(database.knex, input, NOW + 1_000);
  t.is(again.changed, 0);
  t.deepEqual(again.results, first.results);
  const newest = days.at(-1)!;
  await p.deliver([{ type: 'daily', metric: 'resting_heart_rate', day: newest, value: 70, updatedAt: `${newest}T11:00:00Z` }]);
  const moved = await computeScores(database.knex, { ...input, from: newest, to: newest }, NOW + 2_000);
  t.is(moved.results[0]?.score.revision, 1);
  t.true(moved.results[0]!.score.score! < first.results.at(-1)!.score.score!);
  const history = (await database.knex.raw('select day, revision from ai_scores_history where user_id = ?', [p.userId])).rows;
  t.deepEqual(history, [{ day: newest, revision: 0 }]);
});
