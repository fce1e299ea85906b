import test from 'ava';
import { createLiveDemo, LIVE_EVERY_MS, LIVE_PER_DAY } from '../../server/demo/live.ts';
import { startsOn, randomWish } from '../../server/demo/bookings.ts';
import { pastUtilization } from '../../server/demo/history.ts';
import { runSteps } from '../../server/demo/seed.ts';
import { resources } from '../../server/demo/studio.ts';
import { FakeClock } from '../support/clock.ts';
import { KeptLog } from '../support/kernel.ts';
import { sfc32 } from '../../calc/prng.ts';

const MINUTE = 60_000;
const random = () => sfc32([1, 2, 3, 4]);

test('something happens about every quarter of a minute while somebody watches, and nothing while nobody does', async (t) => {
  const clock = new FakeClock();
  let watching = false;
  let happened = 0;
  const action = { name: 'book', weight: 1, run: () => Promise.resolve((happened += 1) > 0) };
  const live = createLiveDemo({ clock, log: new KeptLog(), random: random(), watched: () => watching, actions: [action] });
  live.start();
  await clock.advance(10 * MINUTE);
  t.is(happened, 0);
  watching = true;
  await clock.advance(10 * MINUTE);
  t.true(happened >= (10 * MINUTE) / LIVE_EVERY_MS.most - 1 && happened <= (10 * MINUTE) / LIVE_EVERY_MS.least + 1, String(happened));
  await live.stop();
  const before = happened;
  await clock.advance(10 * MINUTE);
  t.is(happened, before);
  t.is(clock.pending, 0);
});

test('a day holds a bounded number of happenings, and what fails is logged and given up in the end', async (t) => {
  const clock = new FakeClock(Date.UTC(2026, 5, 1));
  let happened = 0;
  const run = () => Promise.resolve((happened += 1) > 0);
  const live = createLiveDemo({
    clock,
    log: new KeptLog(),
    random: () => 0,
    watched: () => true,
    actions: [{ name: 'a', weight: 1, run }],
  });
  live.start();
  await clock.advance(LIVE_EVERY_MS.least * (LIVE_PER_DAY + 50));
  t.is(happened, LIVE_PER_DAY);
  await live.stop();

  const log = new KeptLog();
  const broken = createLiveDemo({
    clock,
    log,
    random: random(),
    watched: () => true,
    actions: [{ name: 'a', weight: 1, run: () => Promise.reject(new Error('no')) }],
  });
  broken.start();
  await clock.advance(60 * MINUTE);
  t.is(log.lines.length, 20);
  await broken.stop();
});

test('a step of the set-up that is refused is tried again, three times in all; later ones do not wait for it', async (t) => {
  const log = new KeptLog();
  const done = new Set<string>();
  const marks = { has: async (name: string) => done.has(name), set: async (name: string) => void done.add(name) };
  const tried: string[] = [];
  const step = (name: string, refusals: number) => ({
    name,
    run: async () => {
      tried.push(name);
      if (tried.filter((one) => one === name).length <= refusals) throw new Error('busy');
    },
  });
  const steps = [step('twice', 1), step('never', 9), step('once', 0)];
  await runSteps(steps, { marks, log, signal: new AbortController().signal, turn: async () => undefined });
  t.deepEqual(tried, ['twice', 'twice', 'never', 'never', 'never', 'once']);
  t.deepEqual([...done], ['twice', 'once']);
  t.is(log.lines.filter((l) => l.level === 'warn').length, 1);
});

test('wishes lie on the grid inside the opening hours, in the time zone of the resource', (t) => {
  const yusuf = resources.find((r) => r.id === 'coach-yusuf')!;
  const starts = startsOn(yusuf, '2026-07-06', 90); // a Monday in Berlin, 09:00 to 18:00 +02:00
  t.is(new Date(starts[0]!).toISOString(), '2026-07-06T07:00:00.000Z');
  t.is(new Date(starts.at(-1)!).toISOString(), '2026-07-06T14:30:00.000Z');
  t.deepEqual(startsOn(yusuf, '2026-07-10', 60), []);
  const next = random();
  for (const r of resources) {
    for (let i = 0; i < 50; i += 1) {
      const wish = randomWish(r, Date.UTC(2026, 6, 6, 9), 3, next);
      if (wish !== undefined) t.true(wish.start > Date.UTC(2026, 6, 6, 9) && wish.start % (30 * MINUTE) === 0);
    }
  }
});

test('the history of a room is the same for the same seed, and near its usual', (t) => {
  const days = Array.from({ length: 90 }, (_, i) => Date.UTC(2026, 0, 1) + i * 86_400_000);
  const seed = 'ab'.repeat(32);
  const points = pastUtilization(seed, 0.5, days);
  t.deepEqual(points, pastUtilization(seed, 0.5, days));
  const mean = points.reduce((sum, p) => sum + p.v, 0) / points.length;
  t.true(Math.abs(mean - 0.49) < 0.05, String(mean));
  t.true(points.every((p) => p.v >= 0 && p.v <= 1));
});
