import anyTest from 'ava';
import type { TestFn } from 'ava';
import type { TopicSlice } from '../../actors/system.ts';
import { coalescedSlices } from '../../server/live/slices.ts';
import { Bare } from '../support/bare.ts';
import { FakeClock } from '../support/clock.ts';
import { system } from '../support/kernel.ts';
import { until } from '../support/until.ts';
import type { Live, World } from '../support/world.ts';
import { liveWorld } from './setup.ts';
import type { Refusal, Slice } from './setup.ts';

const test = anyTest as TestFn<{ w: World; clock: FakeClock; live: Live }>;

test.before(async (t) => {
  const clock = new FakeClock(Date.now());
  const w = await liveWorld({ clock });
  const p = await w.person();
  t.context = { clock, w, live: await w.live({ token: p.token }) };
});
test.after.always((t) => t.context.w.close());

let keys = 0;
const add = async (w: World, ref: string, times = 1): Promise<number> => {
  let seq = 0;
  for (let i = 0; i < times; i += 1) {
    const reply = await w.app.actors.ask(ref, { type: 'counter.add', by: 1 }, { key: `add-${(keys += 1)}`, from: system });
    seq = reply.seq;
  }
  return seq;
};
const sub = async (live: Live, t: string, cursor: object = {}): Promise<Slice> => {
  const { l } = await live.send<{ l: [Slice] }>('sub', { l: [{ t, ...cursor }] });
  return l[0];
};

test.serial('a cursor decides between snapshot, nothing and deltas (9, 10, 11, 13)', async (t) => {
  const { w, clock, live } = t.context;
  const topic = 'counter:resume/value';
  await add(w, 'counter:resume', 6);
  const first = await sub(live, topic);
  t.like(first, { ok: true, kind: 'state', m: 'snap', t: topic });
  t.like(first.d, { n: 6 });

  const same = await sub(live, topic, { e: first.e, s: first.s });
  t.like(same, { m: 'same', s: first.s });
  t.false('d' in same);

  for (let i = 0; i < 2; i += 1) {
    await add(w, 'counter:resume');
    await clock.advance(100);
  }
  const delta = await sub(live, topic, { e: first.e, s: first.s });
  t.is(delta.m, 'delta');
  t.deepEqual(delta.d, [{ n: 7 }, { n: 8 }]);
  t.is(delta.s, first.s + 2);

  const old = await sub(live, topic, { e: 'anotherone', s: first.s });
  t.is(old.m, 'snap');
  t.is(old.e, first.e);
});

test.serial('a cursor older than the ring takes the snapshot (12)', async (t) => {
  const { w, clock, live } = t.context;
  const topic = 'counter:ring/value';
  await add(w, 'counter:ring');
  const first = await sub(live, topic);
  for (let i = 0; i < 40; i += 1) {
    await add(w, 'counter:ring');
    await clock.advance(100);
  }
  const later = await sub(live, topic, { e: first.e, s: first.s });
  t.is(later.m, 'snap');
  t.is(later.s, first.s + 40);
});

test.serial('a snapshot is the published view, and the pending change follows it (18)', async (t) => {
  const { w, clock, live } = t.context;
  const topic = 'counter:pending/value';
  await add(w, 'counter:pending');
  const first = await sub(live, topic);
  await add(w, 'counter:pending');
  const { s } = await live.next('pub', (p) => p['t'] === topic);
  t.is(s, first.s + 1);
  await add(w, 'counter:pending', 2);
  const late = await sub(live, topic);
  t.like(late, { m: 'snap', s });
  t.like(late.d, { n: 2 });
  await clock.advance(100);
  t.like(await live.next('pub', (p) => p['t'] === topic && p['p'] === s), { s: first.s + 3 });
});

test.serial('what is published while a subscription is answered arrives too, in order (19)', async (t) => {
  const { w, clock, live } = t.context;
  const topic = 'counter:flight/value';
  await add(w, 'counter:flight');
  await w.app.actors.slice(topic);
  const original = w.app.actors.slice.bind(w.app.actors);
  let open = (): void => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  w.app.actors.slice = async (name, cursor): Promise<TopicSlice> => {
    const slice = await original(name, cursor);
    if (name === topic) await gate;
    return slice;
  };
  t.teardown(() => {
    w.app.actors.slice = original;
  });
  const asked = sub(live, topic);
  await live.send('ping1', {});
  await add(w, 'counter:flight');
  await clock.advance(100);
  const pub = await live.next('pub', (p) => p['t'] === topic);
  open();
  const slice = await asked;
  t.is(pub['p'], slice.s, 'the publication follows the state that the subscription gave');
});

test.serial('who comes while a slice is read waits for one that begins after him, and shares it (20)', async (t) => {
  let reads = 0;
  let land = (): void => undefined;
  const slices = coalescedSlices({
    slice: () => {
      reads += 1;
      return new Promise((resolve) => {
        land = () => resolve({ t: 'x', kind: 'signal' });
      });
    },
  });
  const answers = Array.from({ length: 1_000 }, () => slices('x', { n: 20 }));
  t.is(reads, 1);
  land();
  await answers[0];
  await new Promise((resolve) => setImmediate(resolve));
  t.is(reads, 2, 'those who came later wait for a read that began after them');
  land();
  await Promise.all(answers);
  t.is(reads, 2);
});

test.serial('a thousand clients that subscribe to one topic at once cost two reads of its owner (20)', async (t) => {
  t.timeout(600_000);
  const w = await liveWorld({ env: { RT_CONNECTIONS_PER_USER: '1000' } });
  t.teardown(w.close);
  await add(w, 'counter:crowd');
  const topic = 'counter:crowd/value';
  const slice = w.app.actors.slice.bind(w.app.actors);
  let reads = 0;
  let open = (): void => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  w.app.actors.slice = async (name, cursor) => {
    if (name === topic) {
      reads += 1;
      await gate;
    }
    return slice(name, cursor);
  };
  const { token } = await w.person();
  const clients: Bare[] = [];
  t.teardown(() => clients.forEach((c) => c.ws.terminate()));
  // the server gives a newcomer ten seconds to say who he is
  while (clients.length < 1_000) {
    const batch = Array.from({ length: 50 }, () => new Bare(w.url));
    clients.push(...batch);
    await Promise.all(batch.map((c) => c.enter(token)));
  }
  const answers = clients.map((c) => c.request('sub', { l: [{ t: topic }] }) as Promise<{ l: [Slice] }>);
  const arrived = async (): Promise<number> =>
    (await w.app.registry.getSingleMetric('thrum_rt_subscriptions')?.get())?.values[0]?.value ?? Number.NaN;
  await until(async () => (await arrived()) === 1_000, 'a thousand subscriptions', 240_000);
  open();
  for (const { l } of await Promise.all(answers)) t.like(l[0], { ok: true, m: 'snap', d: { n: 1 } });
  t.is(reads, 2);
});

test.serial('a failed read fails its subscribers and nobody after them', async (t) => {
  let reads = 0;
  const slices = coalescedSlices({
    slice: async () => {
      reads += 1;
      if (reads === 1) throw new Error('away');
      return { t: 'x', kind: 'signal' };
    },
  });
  const [a, b] = [slices('x', {}), slices('x', {})];
  await t.throwsAsync(a);
  t.is((await b).kind, 'signal');
  t.is((await slices('x', {})).kind, 'signal');
});

test.serial('a log gives its newest items, and all of them after a cursor (21, 22)', async (t) => {
  const { w, live } = t.context;
  const emit = (ref: string, items: number) =>
    w.app.actors.ask(ref, { type: 'counter.emit', items }, { key: `emit-${(keys += 1)}`, from: system });
  await emit('counter:log', 40);
  const newest = await sub(live, 'counter:log/feed', { n: 20 });
  t.like(newest, { kind: 'log', m: 'items', s: 40, floor: 1 });
  t.deepEqual(
    (newest.d as { no: number }[]).map((i) => i.no),
    Array.from({ length: 20 }, (_, i) => 21 + i),
  );
  for (let i = 0; i < 6; i += 1) await emit('counter:log', 210);
  const missed = await sub(live, 'counter:log/feed', { e: newest.e, s: 40 });
  t.true(missed.more);
  t.deepEqual(
    (missed.d as { no: number }[]).map((i) => i.no),
    Array.from({ length: 500 }, (_, i) => 41 + i),
  );
  t.is(missed.s, 540);
  const { token } = await w.person();
  const reply = await w.inject({ token, url: `/v1/topics/counter:log/feed/items?after=1299&e=${newest.e}` });
  t.deepEqual(reply.json<{ items: object[] }>().items, [{ no: 1_300 }]);
});

test.serial('a connection may have 256 topics, and the next is refused without harm to the others (34)', async (t) => {
  const { w, clock } = t.context;
  const p = await w.person();
  const live = await w.live({ token: p.token });
  const names = Array.from({ length: 257 }, (_, i) => `counter:many${i}/feed`);
  await Promise.all(names.map((t) => add(w, t.slice(0, t.indexOf('/')))));
  for (let i = 0; i < 256; i += 64) {
    const { l } = await live.send<{ l: Slice[] }>('sub', { l: names.slice(i, i + 64).map((t) => ({ t })) });
    t.true(l.every((r) => r.ok));
  }
  const { l } = await live.send<{ l: [Refusal] }>('sub', { l: [{ t: names[256] }] });
  t.like(l[0].error, { code: 'TOO_MANY_TOPICS', retryable: true, retryAfterMs: 5_000, details: { limit: 256 } });
  await w.app.actors.ask('counter:many0', { type: 'counter.emit', items: 1 }, { key: 'one', from: system });
  await clock.advance(100);
  t.like(await live.next('pub', (m) => m['t'] === names[0]), { k: 'i', s: 1, p: 0 });
  await live.send('unsub', { l: [names[0]] });
  t.true((await sub(live, names[256]!)).ok);
});

test.serial('for a stranger an existing and a missing subject are the same (59)', async (t) => {
  const { w } = t.context;
  const [owner, stranger] = [await w.person(), await w.person()];
  const live = await w.live({ token: stranger.token });
  const missing = owner.id.replace(/.$/, (c) => (c === '0' ? '1' : '0'));
  const { l } = await live.send<{ l: [Refusal, Refusal] }>('sub', { l: [{ t: `user:${owner.id}/mood` }, { t: `user:${missing}/mood` }] });
  const [a, b] = l.map((r) => ({ ...r.error, instance: '' }));
  t.is(a?.code, 'NOT_FOUND');
  t.deepEqual(a, b);
});

test.serial('a visible subject whose view is for others is forbidden (60)', async (t) => {
  const { w } = t.context;
  const [owner, staff] = [await w.person(), await w.person({ roles: ['staff'] })];
  const live = await w.live({ token: staff.token });
  const { l } = await live.send<{ l: [Refusal] }>('sub', { l: [{ t: `user:${owner.id}/mood` }] });
  t.is(l[0].error.code, 'FORBIDDEN');
});

test.serial('malformed topic names are refused and the connection stays (61)', async (t) => {
  const { live } = t.context;
  const names = [
    'counter:a/value?from=2026-11-20',
    `counter:${'a'.repeat(300)}/value`,
    'Counter:a/value',
    'counter:a',
    'ops/none',
    'counter:a/none',
  ];
  const { l } = await live.send<{ l: Refusal[] }>('sub', { l: names.map((t) => ({ t })) });
  t.deepEqual(
    l.map((r) => r.error.code),
    ['VALIDATION', 'VALIDATION', 'VALIDATION', 'VALIDATION', 'UNKNOWN_TOPIC', 'UNKNOWN_TOPIC'],
  );
  t.is(typeof (await live.send<{ now: number }>('ping1', {})).now, 'number');
});

test.serial('a reader whose own rights have changed is told so for each topic that is over', async (t) => {
  const { w } = t.context;
  const p = await w.person();
  await add(w, 'counter:rights');
  const live = await w.live({ token: p.token });
  await sub(live, 'counter:rights/value');
  await sub(live, 'user:me/mood');
  const original = w.app.actors.refused.bind(w.app.actors);
  w.app.actors.refused = (topic, readers) =>
    topic.startsWith('counter:rights')
      ? Promise.resolve(new Map(readers.map((r) => [r, { code: 'FORBIDDEN' }])))
      : original(topic, readers);
  t.teardown(() => {
    w.app.actors.refused = original;
  });
  await w.app.gateway.recheck(p.id);
  t.deepEqual(await live.next('unsub'), { t: 'counter:rights/value', code: 'FORBIDDEN' });
  t.is(live.seen.filter((m) => m.event === 'unsub').length, 1);
});

test.serial('pos names the topics that have moved on', async (t) => {
  const { w, clock, live } = t.context;
  await add(w, 'counter:pos1');
  await add(w, 'counter:pos2');
  const [one, two] = [await sub(live, 'counter:pos1/value'), await sub(live, 'counter:pos2/value')];
  await add(w, 'counter:pos2');
  await clock.advance(100);
  const heads = [one, two].map(({ t, e, s }) => ({ t, e, s }));
  const ack = await live.send<{ behind: string[] }>('pos', { l: [...heads, { t: 'counter:elsewhere/value', e: 'x', s: 0 }] });
  t.deepEqual(ack.behind, ['counter:pos2/value']);
});
