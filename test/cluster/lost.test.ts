/** Messages between nodes that are really lost, and clients that change the node (realtime cases 24 and 56). */
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { createClientWith } from '#sdk/client';
import { platformTimers } from '#sdk/deps';
import { socketIo } from '#sdk/wire';
import { system } from '../support/kernel.ts';
import { testNodes } from '../support/nodes.ts';
import type { TestNodes } from '../support/nodes.ts';
import { faultProxy } from '../support/proxy.ts';
import { pythonTest, receiver } from '../support/python.ts';
import { redisProxy } from '../support/redis-proxy.ts';
import { until } from '../support/until.ts';
import type { World } from '../support/world.ts';

const PATIENT_MS = 120_000;

let keys = 0;
async function send(w: World, ref: string, command: { type: string; [field: string]: unknown }): Promise<void> {
  keys += 1;
  const reply = await w.app.actors.ask(ref, command, { key: `lost-${keys}`, from: system, deadline: 30_000 });
  if (!reply.ok) throw new Error(reply.error.code);
}

/** The topics of test kinds stand in no contract. */
interface Loose {
  topic(name: string): { subscribe(next: (v: { n: number }) => void): () => void };
  log(name: string, o: { limit: number }): { subscribe(next: (v: { no: number }) => void): () => void };
  on(event: 'gap', fn: (gap: unknown) => void): unknown;
  close(): Promise<void>;
}

interface Watching {
  readonly views: number[];
  readonly items: number[];
  readonly gaps: unknown[];
}

/** What an application at this node is given of a counter. */
async function watch(t: ExecutionContext, w: World, ref: string): Promise<Watching> {
  const { token } = await w.person();
  const client = createClientWith({ url: w.url, token }, { dial: socketIo, timers: platformTimers }) as unknown as Loose;
  t.teardown(() => client.close());
  const views: number[] = [];
  const items: number[] = [];
  const gaps: unknown[] = [];
  client.on('gap', (gap) => gaps.push(gap));
  client.topic(`${ref}/value`).subscribe(({ n }) => views.push(n));
  client.log(`${ref}/feed`, { limit: 1 }).subscribe(({ no }) => items.push(no));
  await until(() => views.length > 0 && items.length > 0, 'both topics are followed', PATIENT_MS);
  return { views, items, gaps };
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

for (const adapter of ['classic', 'sharded']) {
  test.serial(
    `the last publication is lost between two nodes: the subscriber is right again by the tail probe, every item once (24, ${adapter})`,
    async (t) => {
      t.timeout(600_000);
      const proxies: Awaited<ReturnType<typeof redisProxy>>[] = [];
      const nodes = await testNodes({
        env: { REALTIME_ADAPTER: adapter },
        // only what goes to the second node can be lost
        redisOf: async (url, i) => {
          if (i === 0) return url;
          const proxy = await redisProxy(url);
          proxies.push(proxy);
          return proxy.url;
        },
      });
      if ('skip' in nodes) {
        t.pass(nodes.skip);
        return;
      }
      const [a, b] = nodes.worlds as [World, World];
      const [proxy] = proxies;
      try {
        const ref = nodes.refOf(a);
        await send(a, ref, { type: 'counter.add', by: 1 });
        await send(a, ref, { type: 'counter.emit', items: 1 });
        const seen = await watch(t, b, ref);

        const isPublication = (m: Buffer): boolean => m.includes('pub') && m.includes(`${ref}/`);
        const lost = proxy!.lose(isPublication);
        await send(a, ref, { type: 'counter.add', by: 1 });
        await send(a, ref, { type: 'counter.emit', items: 2 });
        await until(
          () => lost.some((m) => m.includes(`${ref}/value`)) && lost.some((m) => m.includes(`${ref}/feed`)),
          'both are lost',
          PATIENT_MS,
        );
        // nothing further is published: only the probe says that something is missing
        await until(() => seen.views.at(-1) === 2 && seen.items.at(-1) === 3, 'the probe closes the gap', PATIENT_MS);

        // now publications in the middle: the next one shows the gap
        const before = lost.length;
        await send(a, ref, { type: 'counter.emit', items: 2 });
        await until(() => lost.length > before, 'one more is lost', PATIENT_MS);
        proxy!.lose(() => false);
        await send(a, ref, { type: 'counter.emit', items: 2 });
        await send(a, ref, { type: 'counter.add', by: 1 });
        await until(() => seen.views.at(-1) === 3 && seen.items.at(-1) === 7, 'the next publication closes it', PATIENT_MS);

        // and the first probe as well
        const isProbe = (m: Buffer): boolean => m.includes('head') && m.includes(`${ref}/`);
        proxy!.lose((m) => isPublication(m) || (isProbe(m) && lost.filter(isProbe).length < 2));
        await send(a, ref, { type: 'counter.add', by: 1 });
        await send(a, ref, { type: 'counter.emit', items: 1 });
        await until(() => seen.views.at(-1) === 4 && seen.items.at(-1) === 8, 'the second probe closes it', PATIENT_MS);
        t.true(lost.filter(isProbe).length >= 1);
        t.deepEqual(seen.items, upTo(8), 'every item once and in order');
        t.deepEqual(seen.views, upTo(4), 'every view once and in order');
        t.deepEqual(seen.gaps, []);
      } finally {
        await nodes.close();
        await Promise.all(proxies.map((p) => p.close()));
      }
    },
  );
}

async function cutAndMoved(t: ExecutionContext, nodes: TestNodes): Promise<void> {
  const [a, b] = nodes.worlds as [World, World];
  const { token } = await a.person();
  const ref = nodes.refOf(a);
  await send(a, ref, { type: 'counter.emit', items: 3 });
  await send(a, ref, { type: 'counter.add', by: 1 });
  const proxy = await faultProxy(a.url);
  t.teardown(() => proxy.close());
  const [log, state] = ['feed', 'value'].map((view) => receiver(proxy.url, `${ref}/${view}`, token)) as [
    ReturnType<typeof receiver>,
    ReturnType<typeof receiver>,
  ];
  t.teardown(log.end);
  t.teardown(state.end);
  await until(() => log.lines.length >= 4 && state.lines.length >= 2, 'both have subscribed', PATIENT_MS);
  for (let round = 0; round < 4; round += 1) {
    await send(b, ref, { type: 'counter.emit', items: 2 });
    proxy.retarget(round % 2 === 0 ? b.url : a.url);
    proxy.cut();
    for (const w of [a, b, a]) await send(w, ref, { type: 'counter.emit', items: 210 });
    await send(b, ref, { type: 'counter.add', by: 1 });
    await until(() => log.lines.at(-1)?.n === 3 + (round + 1) * 632, `the items of round ${round}: ${log.errors()}`, PATIENT_MS);
    await until(() => state.lines.at(-1)?.view?.n === 2 + round, `the view of round ${round}: ${state.errors()}`, PATIENT_MS);
  }
  t.deepEqual(
    log.lines.flatMap((l) => (l.n === undefined ? [] : [l.n])),
    upTo(3 + 4 * 632),
  );
  const views = state.lines.flatMap((l) => (l.s === undefined ? [] : [l.s]));
  t.deepEqual(
    views,
    views.toSorted((x, y) => x - y),
    'a view is never followed by an older one',
  );
}

pythonTest(
  'a Python client that is cut off and comes to another node goes on with its cursor, without gap or duplicate (56)',
  async (t) => {
    const nodes = await testNodes({});
    if ('skip' in nodes) {
      t.pass(nodes.skip);
      return;
    }
    try {
      await cutAndMoved(t, nodes);
    } finally {
      await nodes.close();
    }
  },
);
