/** Messages between nodes by one channel of Redis. */
import test from 'ava';
import { z } from 'zod';
import { redisChannel } from '../../server/redis/channel.ts';
import { KeptLog } from '../support/kernel.ts';
import { clientOf, namespace, redisUnderTest } from '../support/redis.ts';
import { until } from '../support/until.ts';

test('what cannot be read is told to the log and ends nothing; frames of the bus are not decoded for its sake', async (t) => {
  const server = await redisUnderTest();
  if ('skip' in server) {
    t.pass(`skipped: ${server.skip}`);
    return;
  }
  const client = await clientOf(server);
  t.teardown(async () => {
    client.close();
    await server.stop();
  });
  const log = new KeptLog();
  const name = namespace();
  const heard: number[] = [];
  const channel = redisChannel({ client, name, schema: z.object({ n: z.int() }), log });
  const deafen = channel.onMessage(({ n }) => heard.push(n));
  await until(() => (channel.tell({ n: 1 }), heard.length > 0), 'the first message');
  for (const text of ['{', '7', '{"n":"two"}']) await client.commands.publish(name, text);
  await until(() => (channel.tell({ n: 2 }), heard.includes(2)), 'a message after those');
  t.is(log.lines.filter((l) => l.level === 'warn' && l.message.includes('could not be read')).length, 3);
  t.is(client.subscriber.listenerCount('message'), 0);
  deafen();
  t.is(client.subscriber.listenerCount('messageBuffer'), 0);
});
