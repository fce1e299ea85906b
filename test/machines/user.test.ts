import test from 'ava';
import { anomaly } from '../../machines/anomaly/kind.ts';
import { user as userKind } from '../../machines/user/kind.ts';
import type { ComputeOutput, EnergyView, Score } from '../../machines/user/schema.ts';
import { settle } from '../support/clock.ts';
import { as, system, testKernel, user } from '../support/kernel.ts';
import { addDays } from '../../calc/time/civil.ts';

const ID = '01a1fc02-8a54-7f98-bfe2-e7aa91051f01';
const REF = `user:${ID}`;
const TODAY = '2027-03-01';

const score = (day: string, value: number | undefined, revision = 0): Score => ({
  day,
  status: value === undefined ? 'insufficient_data' : 'ok',
  ...(value === undefined ? {} : { score: value, band: 'good' as const, points: { sleep: value } }),
  revision,
  confidence: 1,
  confidenceLevel: 'high',
  model: 'energy-1',
  computedAt: 0,
});

async function rig() {
  const calls: { from: string; to: string }[] = [];
  const answers: ((o: ComputeOutput | Error) => void)[] = [];
  const k = await testKernel({
    kinds: [userKind, anomaly],
    effects: {
      user: {
        computeScores: ({ input }) => {
          calls.push({ from: input.from, to: input.to });
          return new Promise((resolve, reject) => answers.push((o) => (o instanceof Error ? reject(o) : resolve(o))));
        },
      },
    },
  });
  await k.system.ask(REF, { type: 'user.register', displayName: 'Mia', timeZone: 'Europe/Berlin' }, as(system));
  const commit = (...days: string[]) => k.system.ask(REF, { type: 'data.committed', days }, as(system));
  const answer = async (o: ComputeOutput | Error): Promise<void> => {
    answers.shift()!(o);
    for (let i = 0; i < 10; i += 1) await settle();
  };
  const view = async (): Promise<EnergyView> => (await k.system.read(REF, 'energy', {}, { from: user(ID) })).value as unknown as EnergyView;
  return { k, calls, commit, answer, view };
}

test('changed days settle for a moment and are computed together; what changes meanwhile is computed after (U1, U2, U3)', async (t) => {
  const { k, calls, commit, answer } = await rig();
  await commit('2027-02-27');
  await k.clock.advance(200);
  await commit('2027-02-25', TODAY);
  t.is(calls.length, 0);
  await k.clock.advance(250);
  t.deepEqual(calls, [{ from: '2027-02-25', to: TODAY }]);
  await commit('2027-02-10');
  await k.clock.advance(5_000);
  t.is(calls.length, 1);
  await answer({ results: [], changed: 0 });
  await k.clock.advance(2_000);
  t.deepEqual(calls[1], { from: '2027-02-10', to: '2027-02-10' });
});

test('a stream of changes is computed two seconds after the first at the latest', async (t) => {
  const { k, calls, commit } = await rig();
  for (let i = 0; i < 12; i += 1) {
    await commit(TODAY);
    await k.clock.advance(200);
  }
  t.is(calls.length, 1);
});

test('the newest day with a score is shown, its values reach monitors and webhooks once (U4, U6)', async (t) => {
  const { k, commit, answer, view } = await rig();
  const yesterday = addDays(TODAY, -1);
  t.is((await view()).status, 'waiting');
  await commit(yesterday);
  await k.clock.advance(300);
  const point = { score: 70, band: 'good' as const, hrvMs: 48, restingBpm: 52 };
  await answer({
    results: [
      { score: score(yesterday, 70), point },
      { score: score(TODAY, undefined), point: {} },
    ],
    changed: 2,
  });
  t.like(await view(), { day: yesterday, score: 70, status: 'ok', hrvMs: 48, restingBpm: 52, today: TODAY });
  const told = async (metric: string): Promise<number> =>
    (await k.system.inspect.journal(`anomaly:user:${ID}:${metric}`, { limit: 50 })).filter((r) => r.type === 'anomaly.observe').length;
  t.is(await told('hrv_rmssd'), 1);
  t.is(await told('resting_heart_rate'), 1);
  const jobs = (): number => k.store.rows('jobs').length;
  t.is(jobs(), 1);
  await commit(yesterday);
  await k.clock.advance(300);
  await answer({ results: [{ score: score(yesterday, 70), point: { ...point, hrvMs: 50 } }], changed: 0 });
  t.is(await told('hrv_rmssd'), 2);
  t.is(await told('resting_heart_rate'), 1);
  t.is(jobs(), 1, 'the same revision is no news');
  await commit(yesterday);
  await k.clock.advance(300);
  await answer({ results: [{ score: score(yesterday, undefined, 1), point: {} }], changed: 1 });
  t.is((await view()).status, 'insufficient_data', 'a night that was taken back takes its score along');
});

test('the chart keeps sixty days (U5)', async (t) => {
  const { k, commit, answer, view } = await rig();
  await commit('2026-12-01');
  await k.clock.advance(300);
  const days = Array.from({ length: 80 }, (_, i) => addDays(TODAY, -i)).reverse();
  await answer({ results: days.map((day) => ({ score: score(day, 60), point: { score: 60 } })), changed: 80 });
  const kept = Object.keys((await view()).days).sort();
  t.is(kept.length, 60);
  t.is(kept[0], addDays(TODAY, -59));
});

test('a computation that fails is tried after 1, 2, 4 and 8 s; then the last score is shown as stale until it works', async (t) => {
  const { k, calls, commit, answer, view } = await rig();
  await commit(TODAY);
  await k.clock.advance(300);
  for (const wait of [1_000, 2_000, 4_000, 8_000]) {
    await answer(new Error('database'));
    await k.clock.advance(wait);
  }
  t.is(calls.length, 5);
  await answer(new Error('database'));
  t.is((await view()).stale, true);
  await k.clock.advance(900_000);
  t.is(calls.length, 6);
  await answer({ results: [{ score: score(TODAY, 66), point: { score: 66 } }], changed: 1 });
  t.is((await view()).stale, undefined);
  t.is((await view()).score, 66);
});

test('the day rolls at local midnight, and a person is seen by themselves and by staff alone', async (t) => {
  const { k, view } = await rig();
  t.is((await view()).today, TODAY);
  await k.clock.advance(16 * 3_600_000);
  t.is((await view()).today, '2027-03-02');
  await t.notThrowsAsync(k.system.read(REF, 'energy', {}, { from: user('coach', 'staff') }));
  await t.throwsAsync(k.system.read(REF, 'energy', {}, { from: user('other') }), { message: /NOT_FOUND/ });
  t.like(await k.system.ask(REF, { type: 'data.committed', days: [TODAY] }, as(user(ID))), { ok: false, error: { code: 'FORBIDDEN' } });
});

test('a person hides himself and shows himself again, and nothing else changes (U7)', async (t) => {
  const { k } = await rig();
  const profile = async (): Promise<object> => (await k.system.read(REF, 'profile', {}, { from: system })).value as object;
  const before = await profile();
  t.like(await k.system.ask(REF, { type: 'user.update', hidden: true }, as(user(ID))), { ok: true });
  t.deepEqual(await profile(), { ...before, hidden: true });
  t.like(await k.system.ask(REF, { type: 'user.update', displayName: 'Mia H.' }, as(user(ID))), { ok: true });
  t.deepEqual(await profile(), { ...before, displayName: 'Mia H.', hidden: true });
  t.like(await k.system.ask(REF, { type: 'user.update', hidden: false }, as(user(ID))), { ok: true });
  t.deepEqual(await profile(), { ...before, displayName: 'Mia H.' });
});
