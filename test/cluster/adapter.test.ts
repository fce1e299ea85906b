/** The contract of the publisher (realtime R6): what it cannot send is lost at once and counted; it never rejects, and nothing arrives late. */
import test from 'ava';
import { Registry } from 'prom-client';
import { Server } from 'socket.io';
import { createNodeAdapter } from '../../server/live/adapter.ts';
import type { RedisClient } from '../../server/redis/client.ts';
import { redisKeys } from '../../server/redis/keys.ts';
import type { RedisKeys } from '../../server/redis/keys.ts';
import { clientOf, namespace, redisUnderTest } from '../support/redis.ts';
import { until } from '../support/until.ts';

function end(client: RedisClient, keys: RedisKeys, mode: 'classic' | 'sharded') {
  const registry = new Registry();
  const nodes = createNodeAdapter({ client, keys, mode, registry });
  const io = new Server({ adapter: nodes.adapter });
  const heard: number[] = [];
  io.on('told', (n: number) => void heard.push(n));
  const failures = async (): Promise<number> => {
    const [metric] = await registry.getMetricsAsJSON();
    return metric?.values[0]?.value ?? 0;
  };
  return { io, nodes, heard, failures, tell: (n: number) => io.serverSideEmit('told', n) };
}

for (const mode of ['classic', 'sharded'] as const) {
  test.serial(`what is published while Redis is away is counted, rejects nowhere and is never delivered (${mode})`, async (t) => {
    const server = await redisUnderTest();
    if ('skip' in server) {
      t.pass(`skipped: ${server.skip}`);
      return;
    }
    const rejections: unknown[] = [];
    const count = (reason: unknown): void => void rejections.push(reason);
    process.on('unhandledRejection', count);
    const keys = redisKeys(namespace());
    const clients = [await clientOf(server, keys), await clientOf(server, keys)];
    const [a, b] = clients.map((client) => end(client, keys, mode)) as [ReturnType<typeof end>, ReturnType<typeof end>];
    let returned = 0;
    b.nodes.onReturn(() => (returned += 1));
    try {
      await until(() => (a.tell(1), b.heard.includes(1)), 'the other node hears');
      await server.kill();
      const before = await a.failures();
      for (let i = 0; i < 100; i += 1) a.tell(2);
      await until(async () => (await a.failures()) === before + 100, 'every one is counted');
      // neither is the end of a question for a room put off until Redis is back
      await b.nodes.fence();
      const known = returned;
      await server.start();
      await until(() => (a.tell(3), b.heard.includes(3)), 'the other node hears again');
      t.false(b.heard.includes(2), 'nothing of the outage arrives');
      await until(() => returned > known, 'the node knows that it may have missed something');
    } finally {
      for (const { io } of [a, b]) await io.of('/').adapter.close();
      for (const client of clients) client.close();
      await server.stop();
      process.off('unhandledRejection', count);
    }
    t.deepEqual(rejections, []);
  });
}
