import anyTest from 'ava';
import type { TestFn } from 'ava';
import { FakeClock } from '../support/clock.ts';
import { system } from '../support/kernel.ts';
import { until } from '../support/until.ts';
import type { Live, Person, World } from '../support/world.ts';
import { liveWorld } from './setup.ts';
import type { Slice } from './setup.ts';

const test = anyTest as TestFn<{ w: World; clock: FakeClock; slow: Live; other: Live; p: Person; topic: string }>;

test.beforeEach(async (t) => {
  const clock = new FakeClock(Date.now());
  const w = await liveWorld({ clock });
  const p = await w.person();
  const [slow, other] = [await w.live({ token: p.token }), await w.live({ token: p.token })];
  for (const live of [slow, other]) await live.send('sub', { l: [{ t: 'user:me/mood' }] });
  t.context = { w, clock, p, slow, other, topic: `user:${p.id}/mood` };
});
test.afterEach.always((t) => t.context.w.close());

/** The TCP socket under a client of socket.io. */
const tcp = (live: Live): { pause(): void; resume(): void } =>
  (live.socket.io.engine as unknown as { transport: { ws: { _socket: { pause(): void; resume(): void } } } }).transport.ws._socket;

let n = 0;
/** Publishes views of 20 KB until the server has noticed that somebody does not read them. */
async function flood(w: World, p: Person): Promise<void> {
  for (let i = 0; i < 5_000; i += 1) {
    n += 1;
    const mood = `${n} ${'x'.repeat(20_000)}`;
    const reply = await w.app.actors.ask(`user:${p.id}`, { type: 'user.feel', mood }, { key: `feel-${n}`, from: system });
    if (!reply.ok) throw new Error(reply.error.code);
    if ((await metric(w, 'thrum_rt_congested')) === 1) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error('the server never noticed');
}

async function metric(w: World, name: string): Promise<number> {
  const { values } = await w.app.registry.getSingleMetric(name)!.get();
  return values[0]?.value ?? 0;
}

const moodOf = (data: Record<string, unknown>): unknown => (data['d'] as { mood?: string } | undefined)?.mood;

/** Whether a client has the view; on a busy machine it may have been congested too, and then it resumes as it is told to. */
async function reaches(w: World, clock: FakeClock, client: Live, topic: string, mood: string): Promise<boolean> {
  if (client.seen.some((m) => m.event === 'pub' && moodOf(m.data) === mood)) return true;
  if ((await metric(w, 'thrum_rt_congested')) > 1) await clock.advance(250);
  if (!client.seen.some((m) => m.event === 'resync')) return false;
  const { l } = await client.send<{ l: [Slice] }>('sub', { l: [{ t: topic }] });
  return moodOf(l[0] as never) === mood;
}

test.serial(
  'a client that does not read leaves its rooms; when it reads again it is told to resume, and does not harm others (35, 36)',
  async (t) => {
    const { w, clock, p, slow, other, topic } = t.context;
    tcp(slow).pause();
    await flood(w, p);
    const last = n;
    for (let i = 0; i < 50; i += 1) {
      n += 1;
      await w.app.actors.ask(`user:${p.id}`, { type: 'user.feel', mood: `later ${n}` }, { key: `feel-${n}`, from: system });
    }
    await until(() => reaches(w, clock, other, topic, `later ${n}`), 'the other client goes on');
    tcp(slow).resume();
    let resync: Record<string, unknown> | undefined;
    void slow.next('resync').then((r) => (resync = r));
    await until(async () => {
      await clock.advance(250);
      return resync !== undefined;
    }, 'resync');
    t.like(resync, { t: [topic], r: 'slow', jitterMs: 0 });
    t.is(await metric(w, 'thrum_rt_congested'), 0);
    const seen = slow.seen.filter((m) => m.event === 'pub').map((m) => (m.data['d'] as { mood: string }).mood);
    t.false(seen.includes(`later ${last + 1}`), 'nothing is sent to a room that was left');
    const { l } = await slow.send<{ l: [Slice] }>('sub', { l: [{ t: topic }] });
    t.deepEqual(l[0].d, { mood: `later ${n}` });
  },
);

test.serial('a client that does not read for 30 s is disconnected (37)', async (t) => {
  const { w, clock, p, slow, other } = t.context;
  tcp(slow).pause();
  await flood(w, p);
  t.is(w.app.gateway.connections, 2);
  await clock.advance(31_000);
  t.is(w.app.gateway.connections, 1);
  t.is(await metric(w, 'thrum_rt_slow_disconnects_total'), 1);
  t.true(other.socket.connected);
  tcp(slow).resume();
});

test.serial('a topic that is subscribed by a client that does not read is joined when it reads again (R10)', async (t) => {
  const { w, clock, p, slow, topic } = t.context;
  await w.app.actors.ask('counter:slow', { type: 'counter.add', by: 1 }, { key: 'slow-1', from: system });
  tcp(slow).pause();
  await flood(w, p);
  const answered = slow.send<{ l: [Slice] }>('sub', { l: [{ t: 'counter:slow/value' }] });
  await until(async () => (await metric(w, 'thrum_rt_subscriptions')) === 3, 'the subscription');
  const delivered = async (): Promise<number> => metric(w, 'thrum_rt_deliveries_total');
  const before = await delivered();
  await w.app.actors.ask('counter:slow', { type: 'counter.add', by: 1 }, { key: 'slow-2', from: system });
  t.is(await delivered(), before, 'nothing is written for it');
  tcp(slow).resume();
  t.true((await answered).l[0].ok);
  let resync: Record<string, unknown> | undefined;
  void slow.next('resync').then((r) => (resync = r));
  await until(async () => {
    await clock.advance(250);
    return resync !== undefined;
  }, 'resync');
  t.deepEqual(resync?.['t'], [topic, 'counter:slow/value']);
});

test.serial('a client that stops reading for the third time in a minute is disconnected (R10)', async (t) => {
  const { w, clock, p, slow } = t.context;
  for (let time = 1; time <= 2; time += 1) {
    tcp(slow).pause();
    await flood(w, p);
    tcp(slow).resume();
    await until(async () => {
      await clock.advance(250);
      return (await metric(w, 'thrum_rt_congested')) === 0;
    }, 'calm');
    await slow.send('sub', { l: [{ t: 'user:me/mood' }] });
  }
  tcp(slow).pause();
  await t.throwsAsync(flood(w, p), { message: 'the server never noticed' });
  t.is(await metric(w, 'thrum_rt_slow_disconnects_total'), 1);
});
