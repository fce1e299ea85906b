/** Nodes over Redis with Sentinel, and over a Redis Cluster: they work together, and go on when the primary is lost (kernel specification 10.5). */
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { redisKeys } from '../../server/redis/keys.ts';
import type { Principal, Reply } from '../../actors/types.ts';
import { testNodes } from '../support/nodes.ts';
import type { TestNodes } from '../support/nodes.ts';
import { clientOf, namespace } from '../support/redis.ts';
import { startRedisCluster, startSentinel } from '../support/redis-sets.ts';
import type { RedisSet } from '../support/redis-sets.ts';
import { until } from '../support/until.ts';
import type { World } from '../support/world.ts';

const alice: Principal = { kind: 'user', id: 'alice', roles: [] };

let keys = 0;
function add(world: World, ref: string): Promise<Reply> {
  keys += 1;
  return world.app.actors.ask(ref, { type: 'counter.add', by: 1 }, { from: alice, key: `k${keys}` });
}

/** The command, under one key, until it is answered. */
async function surely(world: World, ref: string): Promise<void> {
  keys += 1;
  const key = `k${keys}`;
  await until(
    async () => (await world.app.actors.ask(ref, { type: 'counter.add', by: 1 }, { from: alice, key })).ok,
    `${ref} was added to`,
  );
}

async function lossOfPrimary(t: ExecutionContext, set: RedisSet, name: string, n: TestNodes): Promise<void> {
  const [a, b] = n.worlds as readonly [World, World];
  const [atA, atB] = [n.refOf(a), n.refOf(b)];
  for (const ref of [atA, atB]) {
    t.like(await add(a, ref), { ok: true, seq: 2 });
    t.like(await add(b, ref), { ok: true, seq: 3 });
  }
  const over = new AbortController();
  const failover = set.killPrimary(redisKeys(name).version).finally(() => over.abort());
  let acked = 0;
  while (!over.signal.aborted) {
    for (const world of [a, b]) for (const ref of [atA, atB]) await surely(world, ref);
    acked += 2;
  }
  await failover;
  // a lease is believed for 4 s, and a successor takes more than one: this one was renewed there
  const renewed = (w: World): boolean => w.app.actors.inspect.cluster().leaseLeftMs > 3_200;
  await until(() => renewed(a), 'one node has found the new primary');
  await until(() => renewed(b), 'the other node has found the new primary');
  await n.settled();
  for (const ref of [atA, atB]) {
    for (const world of [a, b]) await surely(world, ref);
    const { value } = await a.app.actors.read(ref, 'n', {}, { from: alice, level: 'linearizable' });
    t.is(value, 2 + acked + 2, 'every acknowledged command counts once');
  }
}

for (const [kind, start] of [
  ['Sentinel', startSentinel],
  ['a Redis Cluster', startRedisCluster],
] as const) {
  test(`two nodes over ${kind} work together, and lose no acknowledged command when the primary dies`, async (t) => {
    t.timeout(600_000);
    const set = await start();
    if ('skip' in set) {
      t.log(`skipped: ${set.skip}`);
      t.pass();
      return;
    }
    const name = namespace();
    const n = await testNodes({ env: { ...set.env, REDIS_NAMESPACE: name } });
    try {
      if ('skip' in n) {
        t.log(`skipped: ${n.skip}`);
        t.pass();
      } else await lossOfPrimary(t, set, name, n);
    } finally {
      if (!('skip' in n)) await n.close();
      await set.stop();
    }
  });
}

test('a connection that many answers tell to look elsewhere ends once, and is made anew', async (t) => {
  t.timeout(600_000);
  const set = await startSentinel();
  if ('skip' in set) {
    t.pass(`skipped: ${set.skip}`);
    return;
  }
  const client = await clientOf(set.place);
  t.teardown(async () => {
    client.close();
    await set.stop();
  });
  const { commands } = client;
  const before = commands.stream;
  const heard = before.listenerCount('close');
  for (let i = 0; i < 20; i += 1) commands.disconnect(true);
  t.is(before.listenerCount('close'), heard + 1);
  await until(() => commands.status === 'ready' && commands.stream !== before, 'it is made anew');
  t.is(await commands.ping(), 'PONG');
});
