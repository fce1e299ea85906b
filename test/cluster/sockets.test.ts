/** Sockets of two nodes over a real Redis: realtime cases 7, 24, 25, 27 and the contract of the adapter. */
import { setTimeout as pause } from 'node:timers/promises';
import test from 'ava';
import type { Reply } from '../../actors/types.ts';
import { clientOf } from '../support/redis.ts';
import { system } from '../support/kernel.ts';
import { heard, testNodes } from '../support/nodes.ts';
import type { TestNodes } from '../support/nodes.ts';
import { until } from '../support/until.ts';
import type { Live, World } from '../support/world.ts';

/** how long Redis is away in case 27 */
const AWAY_MS = 20_000;

let keys = 0;
const add = (w: World, ref: string): Promise<Reply> =>
  w.app.actors.ask(ref, { type: 'counter.add', by: 1 }, { key: `add-${(keys += 1)}`, from: system, deadline: 30_000 });
const sub = async (live: Live, t: string, cursor: object = {}) => {
  const { l } = await live.send<{ l: [{ ok: boolean; e: string; s: number; m: string; d?: { n: number } }] }>('sub', {
    l: [{ t, ...cursor }],
  });
  return l[0];
};

type Body = (n: TestNodes, a: World, b: World) => Promise<void>;

async function over(t: { pass: (why: string) => void }, env: Record<string, string>, body: Body): Promise<void> {
  const nodes = await testNodes({ env });
  if ('skip' in nodes) {
    t.pass(nodes.skip);
    return;
  }
  const [a, b] = nodes.worlds as [World, World];
  try {
    await body(nodes, a, b);
  } finally {
    await nodes.close();
  }
}

for (const adapter of ['classic', 'sharded']) {
  test.serial(
    `what is committed at one node reaches subscribers of the other once, and its last number twice more (24, ${adapter})`,
    async (t) => {
      await over(t, { REALTIME_ADAPTER: adapter }, async (n, a, b) => {
        const p = await a.person();
        const live = await b.live({ token: p.token });
        const ref = n.refOf(a);
        const topic = `${ref}/value`;
        t.like(await add(b, ref), { ok: true, seq: 2 });
        const first = await sub(live, topic);
        t.like(first, { ok: true, m: 'snap', s: 2, d: { n: 1 } });
        for (let i = 0; i < 3; i += 1) t.like(await add(i % 2 === 0 ? a : b, ref), { ok: true, seq: 3 + i });
        await heard(live, 'pub', (m) => m['t'] === topic && m['s'] === 5);
        const pubs = live.seen.filter((m) => m.event === 'pub' && m.data['t'] === topic).map((m) => m.data);
        t.is(pubs[0]?.['p'], 2);
        for (const [i, pub] of pubs.entries()) if (i > 0) t.is(pub['p'], pubs[i - 1]?.['s'], 'without a gap and without a repetition');
        t.deepEqual(await heard(live, 'head', (m) => m['s'] === 5), { t: topic, e: first.e, s: 5 });
      });
    },
  );
}

test.serial('a session that ends at one node ends at all: sockets get REVOKED, its token is refused (7)', async (t) => {
  await over(t, {}, async (_, a, b) => {
    const p = await a.person();
    const lives = await Promise.all([a, b].map((w) => w.live({ token: p.token })));
    t.is((await b.inject({ url: '/v1/auth/sessions', token: p.token })).statusCode, 200);
    t.is((await a.inject({ method: 'POST', url: '/v1/auth/logout', token: p.token })).statusCode, 204);
    for (const live of lives) {
      t.like(await heard(live, 'bye'), { code: 'REVOKED', retry: false });
      await heard(live, 'disconnect');
    }
    t.is((await b.inject({ url: '/v1/auth/sessions', token: p.token })).statusCode, 401);
  });
});

test.serial('a node whose subscription was interrupted tells its sockets to ask again, and their views are right (25)', async (t) => {
  await over(t, {}, async (n, a, b) => {
    const live = await b.live({ token: (await a.person()).token });
    const ref = n.refOf(a);
    await add(a, ref);
    const first = await sub(live, `${ref}/value`);
    const client = await clientOf(n.redis);
    const list = String(await client.commands.client('LIST'));
    const name = `thrum-${b.app.actors.inspect.cluster().node}-io-subscribe`;
    const id = list
      .split('\n')
      .find((line) => line.includes(`name=${name} `))
      ?.match(/id=(\d+)/)?.[1];
    t.is(await client.commands.client('KILL', 'ID', id ?? ''), 1);
    client.close();
    await add(a, ref);
    t.like(await heard(live, 'resync'), { t: '*', r: 'bus', jitterMs: 5_000 });
    t.like(await sub(live, `${ref}/value`, { e: first.e, s: first.s }), { m: 'delta', s: 3, d: [{ n: 2 }] });
  });
});

test.serial(
  'without Redis commands go on at every node, nothing is sent late, and views are right again by themselves (27, K19)',
  async (t) => {
    const rejections: unknown[] = [];
    const count = (reason: unknown): void => void rejections.push(reason);
    process.on('unhandledRejection', count);
    await over(t, {}, async (n, a, b) => {
      const live = await b.live({ token: (await a.person()).token });
      const ref = n.refOf(a);
      const topic = `${ref}/value`;
      await add(a, ref);
      t.like(await sub(live, topic), { s: 2 });
      const busy = n.refOf(a);
      let newest = await add(a, busy);
      await sub(live, `${busy}/value`);
      await n.redis.kill();
      const killedAt = performance.now();
      const acked: Reply[] = [];
      for (let i = 0; i < 50; i += 1) acked.push(await add(a, ref));
      await until(() => n.worlds.every((w) => w.app.actors.inspect.cluster().roaming), 'all roam');
      for (const w of n.worlds) {
        acked.push(await add(w, ref));
        await until(async () => (await w.inject({ url: '/readyz' })).statusCode === 200, 'a node without Redis stays in service');
      }
      const sum = 1 + acked.filter((r) => r.ok).length;
      t.is(acked.length, 52);
      t.deepEqual(
        acked.filter((r) => !r.ok).map((r) => !r.ok && r.error.code),
        [],
      );
      await heard(live, 'head', (m) => m['t'] === topic && Number(m['s']) === sum + 1);
      t.like(await sub(live, topic), { s: sum + 1, d: { n: sum } });
      await until(async () => (await statusOf(b)) === 'degraded', 'the status says so');

      const load = async (): Promise<void> => {
        newest = await add(a, busy);
        t.true(newest.ok);
        await pause(20);
      };
      while (performance.now() - killedAt < AWAY_MS) await load();
      live.seen.length = 0;
      const then = newest.ok ? newest.seq : 0;
      const over = new AbortController();
      const back = n.redis
        .start()
        .then(() => n.settled())
        .finally(() => over.abort());
      while (!over.signal.aborted) await load();
      await back;
      t.like(await heard(live, 'resync'), { r: 'bus' });
      for (let i = 0; i < 5; i += 1) await load();
      const last = newest.ok ? newest.seq : 0;
      const ofBusy = (m: Live['seen'][number]): boolean => m.event === 'pub' && m.data['t'] === `${busy}/value`;
      await until(() => live.seen.some((m) => ofBusy(m) && m.data['s'] === last), 'the newest state has come');
      // a publication tells the newest state of its moment: one that was kept would tell one of the outage
      t.deepEqual(
        live.seen.filter((m) => ofBusy(m) && Number(m.data['s']) < then),
        [],
        'what is published after the return was committed after it',
      );
      const late = live.seen.filter((m) => m.event === 'pub' && m.data['t'] === topic);
      t.deepEqual(late, [], 'nothing of the outage arrives afterwards');
      t.like(await add(a, ref), { ok: true, seq: sum + 2 });
      await heard(live, 'pub', (m) => m['t'] === topic && m['s'] === sum + 2);
      t.like(await sub(live, topic), { s: sum + 2, d: { n: sum + 1 } });
      await until(async () => (await statusOf(b)) === 'ok', 'the status says so');
    });
    process.off('unhandledRejection', count);
    t.deepEqual(rejections, []);
  },
);

const statusOf = async (w: World): Promise<string> =>
  (await w.inject({ url: '/v1/topics/system/status' })).json<{ d: { status: string } }>().d.status;
