/** Live subscribers of two nodes over Redis with Sentinel and over a Redis Cluster, while another server takes the place of the primary (realtime R6). */
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { createClient } from '#sdk/index';
import type { Client } from '#sdk/index';
import { redisKeys } from '../../server/redis/keys.ts';
import { system } from '../support/kernel.ts';
import { testNodes } from '../support/nodes.ts';
import type { TestNodes } from '../support/nodes.ts';
import { namespace } from '../support/redis.ts';
import { startRedisCluster, startSentinel } from '../support/redis-sets.ts';
import type { RedisSet } from '../support/redis-sets.ts';
import { until } from '../support/until.ts';
import type { Live, World } from '../support/world.ts';

const PATIENT_MS = 120_000;

/** What one subscriber has seen of a counter: its items in their order, the newest value and those that went back. */
interface Seen {
  readonly items: number[];
  readonly faults: string[];
  n: number;
}

function follow(client: Client, ref: string): Seen {
  const seen: Seen = { items: [], faults: [], n: 0 };
  client.on('gap', ({ topic }) => void (topic === `${ref}/feed` && seen.faults.push('a gap was announced')));
  client.log(`${ref}/feed` as never, { limit: 100 }).subscribe((_, { n }) => {
    if (n !== seen.items.length + 1) seen.faults.push(`item ${n} came after ${seen.items.length}`);
    seen.items.push(n);
  });
  client.topic(`${ref}/value` as never).subscribe((view) => {
    const { n } = view as { n: number };
    if (n < seen.n) seen.faults.push(`the value went from ${seen.n} to ${n}`);
    seen.n = n;
  });
  return seen;
}

let keys = 0;
/** The command, under one key, until it is answered. */
async function surely(world: World, ref: string, command: { type: string; [field: string]: unknown }): Promise<void> {
  keys += 1;
  const key = `live-${keys}`;
  await until(async () => (await world.app.actors.ask(ref, command, { from: system, key })).ok, `${ref} took ${command.type}`, PATIENT_MS);
}

interface Presence {
  readonly clients: { readonly web: number; readonly mobile: number };
}

const ended = (live: Live): boolean => live.seen.some(({ event, data }) => event === 'bye' && data['code'] === 'REVOKED');

async function change(t: ExecutionContext, n: TestNodes, run: () => Promise<void>): Promise<void> {
  const [a, b] = n.worlds as readonly [World, World];
  const [staff, watched, leaving] = [await a.person({ roles: ['staff'] }), await a.person(), await a.person()];
  const refs = [n.refOf(a), n.refOf(b)];
  const bound = await Promise.all(n.worlds.map((w) => w.live({ token: leaving.token })));
  let made = 0;
  const load = async (): Promise<void> => {
    for (const ref of refs) {
      const [first, second] = made % 2 === 0 ? [a, b] : [b, a];
      await surely(first, ref, { type: 'counter.add', by: 1 });
      await surely(second, ref, { type: 'counter.emit', items: 1 });
    }
    made += 1;
  };
  // who is not there cannot be followed
  await load();
  const clients = n.worlds.map((w) => createClient({ url: w.url, token: staff.token }));
  const seen = clients.flatMap((client) => refs.map((ref) => follow(client, ref)));
  const shown: (Presence | undefined)[] = [];
  clients.forEach((client, i) =>
    client.topic(`user:${watched.id}/presence` as never).subscribe((view) => void (shown[i] = view as Presence)),
  );
  const online = (web: number, mobile: number): Promise<void> =>
    until(
      () => shown.length === 2 && shown.every((v) => v?.clients.web === web && v.clients.mobile === mobile),
      `both nodes show ${web} pages and ${mobile} phones`,
      PATIENT_MS,
    );
  const right = (): Promise<void> =>
    until(() => seen.every((s) => s.n === made && s.items.length === made), `every subscriber has seen ${made}`, PATIENT_MS);
  try {
    await a.live({ token: watched.token });
    await b.live({ token: watched.token, device: 'phone' });
    await online(1, 1);
    for (let i = 0; i < 3; i += 1) await load();
    await right();

    const over = new AbortController();
    const changed = run().finally(() => over.abort());
    t.is((await a.inject({ method: 'POST', url: '/v1/auth/logout', token: leaving.token })).statusCode, 204);
    await b.live({ token: watched.token, device: 'tablet' });
    while (!over.signal.aborted) await load();
    await changed;
    const since = performance.now();
    await until(() => bound.every(ended), 'the session has ended at both nodes', PATIENT_MS);
    await online(1, 2);
    await right();
    t.log(`right ${Math.round(performance.now() - since)} ms after the change`);
    await n.settled();
    for (let i = 0; i < 3; i += 1) await load();
    await right();
    t.deepEqual(
      seen.flatMap((s) => s.faults),
      [],
    );
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

for (const [kind, start, adapter, changes] of [
  ['Sentinel', startSentinel, 'classic', ['killPrimary']],
  ['Sentinel', startSentinel, 'sharded', ['handOver']],
  ['a Redis Cluster', startRedisCluster, 'sharded', ['handOver', 'killPrimary']],
] as const) {
  test.serial(
    `subscribers over ${kind} (${adapter}) miss nothing and see nothing twice when the primary changes: ${changes.join()}`,
    async (t) => {
      t.timeout(600_000);
      const set: RedisSet | { readonly skip: string } = await start();
      if ('skip' in set) {
        t.pass(`skipped: ${set.skip}`);
        return;
      }
      const rejections: unknown[] = [];
      const count = (reason: unknown): void => void rejections.push(reason);
      process.on('unhandledRejection', count);
      const name = namespace();
      const n = await testNodes({ env: { ...set.env, REDIS_NAMESPACE: name, REALTIME_ADAPTER: adapter } });
      try {
        if ('skip' in n) t.pass(`skipped: ${n.skip}`);
        else for (const what of changes) await change(t, n, () => set[what](redisKeys(name).version));
      } finally {
        if (!('skip' in n)) await n.close();
        await set.stop();
        process.off('unhandledRejection', count);
      }
      t.deepEqual(rejections, []);
    },
  );
}
